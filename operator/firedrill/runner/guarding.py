"""What a guardian does next: a decision from the record, the runner and the time alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.record import Control, Record, RecordState
from firedrill.api.task import Task

#: The runner may undo by itself for so long after an abort.
ABORT_GRACE: Final = timedelta(seconds=5)
#: Without a record, a guardian waits so long past the run's deadline.
NO_RECORD_MARGIN: Final = timedelta(seconds=60)


@dataclass(frozen=True)
class RunnerView:
    """The runner as its Job and pods show it.

    ``live`` are UIDs of its pods that have not ended; ``over`` is whether its Job is gone or has ended.
    """

    live: frozenset[str]
    over: bool


@dataclass(frozen=True)
class Situation:
    """All that the decision depends on. ``abort_seen_at`` is when this guardian first saw the abort."""

    now: datetime
    record: Record | None
    control: Control
    runner: RunnerView
    abort_seen_at: datetime | None
    armed: bool


@dataclass(frozen=True)
class Leave:
    """Nothing is left to guard."""

    why: str


@dataclass(frozen=True)
class Arm:
    """Show in the record that this guardian is there and what it may do."""


@dataclass(frozen=True)
class Act:
    """Undo everything now."""

    why: str


@dataclass(frozen=True)
class Watch:
    """Look again soon."""


def decide(seen: Situation, task: Task) -> Leave | Arm | Act | Watch:
    """What to do now."""
    if seen.record is None:
        return _without_record(seen, task)
    if seen.record.state.settled:
        return Leave(f"the record is {seen.record.state}, by {seen.record.undone_by or 'the runner'}")
    why = _why_act(seen, seen.record)
    if why:
        return Act(why)
    return Watch() if seen.armed else Arm()


def _without_record(seen: Situation, task: Task) -> Leave | Watch:
    # A runner that comes later finds no running guardian, and injects nothing.
    if seen.control.abort:
        return Leave(f"the run was cancelled before it was claimed: {seen.control.abort}")
    if seen.runner.over and not seen.runner.live:
        return Leave("the runner is over and has left no record")
    if seen.now > task.deadline + NO_RECORD_MARGIN:
        return Leave("the run's time is over and there is no record")
    return Watch()


def _why_act(seen: Situation, record: Record) -> str:
    if record.claim not in seen.runner.live:
        return "the runner is gone"
    if seen.now >= record.deadline:
        return "the deadline has passed"
    grace_over = seen.abort_seen_at is not None and seen.now - seen.abort_seen_at >= ABORT_GRACE
    if grace_over and record.state is not RecordState.UNDOING:
        return f"the runner has not reacted to the abort: {seen.control.abort}"
    return ""
