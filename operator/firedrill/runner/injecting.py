"""From a plan to a fault in place: claim the record, wait for the guardian, apply change after change.

Nothing is changed in the target before the record with all originals is written, the guardian has shown that it can
undo them, and the state Applying was entered by a compare-and-swap that an abort would have stopped.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.changes import Change, ChangeState
from firedrill.api.record import Record, RecordState
from firedrill.api.record_text import LARGEST_BYTES, room_needed
from firedrill.clusters.errors import ClusterError
from firedrill.runner.arming import GUARDIAN_WAIT, NotBegun, armed
from firedrill.runner.context import RunContext, Stop
from firedrill.runner.faults.driver import Fault, NothingDone, NotInjected
from firedrill.runner.marking import Marks
from firedrill.runner.overlap import busy_with, touched
from firedrill.runner.pace import time_for
from firedrill.runner.planned import Part, Planned
from firedrill.runner.record_store import Aborted, Refused

log = logging.getLogger(__name__)

#: Undoing must be over so long before the run's deadline, for the runner to write its result.
RESULT_MARGIN: Final = timedelta(seconds=10)
#: The guardian lets the runner be so long after the fault should have ended.
UNDO_SLACK: Final = timedelta(seconds=30)
#: With less than this left beyond the fault's duration, injecting is not begun.
LEAST_SLACK: Final = timedelta(seconds=10)
_AT_ONCE: Final = 8
_TOO_LITTLE: Final = "too little of the run's time is left to inject the fault and to undo it"


class ClaimedByAnother(Exception):
    """Another pod carries this run out; this one must leave no trace, not even a result."""


class Injecting:
    """Puts the faults of a run in place, each at its time; all of them are in the one record of the run.

    ``stop`` asks to carry out nothing more.
    """

    def __init__(self, context: RunContext, stop: Stop) -> None:
        self._context = context
        self._stop = stop
        self._ends: dict[str, datetime] = {}
        self._marks = Marks(context.store)

    async def claim(self, planned: Planned) -> Record:
        """Write the record with all that is planned; raises NotBegun, ClaimedByAnother."""
        task, now = self._context.task, self._context.clock.now()
        duration = max((part.starts + part.duration for part, _ in planned), default=timedelta())
        within = max((part.within for part, _ in planned), default=timedelta())
        last = task.deadline - RESULT_MARGIN
        if now + duration + LEAST_SLACK > last:
            raise NotBegun("Timeout", _TOO_LITTLE)
        record = Record(
            uid=task.uid,
            run_id=task.run_id,
            cluster=task.cluster,
            kind=task.kind,
            claim=self._context.identity.uid,
            deadline=min(last, now + GUARDIAN_WAIT + within + UNDO_SLACK + _spread(planned)),
            changes=_all(planned, ChangeState.PLANNED),
        )
        _apart([changes for _, changes in planned])
        _fits(record)
        await self._keep_originals()
        answer = await self._context.store.claim(record)
        if isinstance(answer, Refused):
            await self._forget()
            if answer.claim and answer.claim != record.claim:
                raise ClaimedByAnother(f"pod {answer.claim} has claimed the run")
            raise NotBegun("Cancelled", answer.abort or "the run was cancelled before it began")
        log.info("claimed the record with %d planned changes", len(record.changes))
        return answer.record

    async def _keep_originals(self) -> None:
        """What the record must not hold is kept before the record speaks of it; raises NotBegun."""
        try:
            await self._context.vault.commit()
        except ClusterError as error:
            raise NotBegun("VaultUnavailable", f"what is to be put back can not be kept: {error}") from error

    async def _forget(self) -> None:
        """What was kept for a run that is not ours."""
        try:
            await self._context.vault.forget_own()
        except ClusterError as error:
            log.warning("what was kept is left to the guardian, which takes it away: %s", error)

    async def add(self, planned: Planned) -> Record:
        """Add more to the record that is in use, and wait until the guardian has seen it; raises NotBegun, Aborted."""
        within = max((part.within for part, _ in planned), default=timedelta())
        keys = {part.key for part, _ in planned}
        until = self._deadline(self._context.clock.now() + GUARDIAN_WAIT + within + _spread(planned))
        await self._keep_originals()

        def add(record: Record) -> Record:
            self._still_ours(record)
            if any(change.step in keys for change in record.changes):
                return record  # an earlier try, whose answer was lost
            _apart([record.changes, *(changes for _, changes in planned)])
            fresh = _all(planned, ChangeState.LISTED)
            update = {"changes": [*record.changes, *fresh], "deadline": max(record.deadline, until)}
            return _fits(record.model_copy(update=update))

        record = await self._context.store.update_unless_aborted(add)
        other = await busy_with(self._context, added=True)
        if other:
            raise NotBegun("Busy", f"another experiment is at work there: {other}; try again when it has ended")
        await armed(self._context, self._stop, len(record.changes))
        return record

    async def first(self) -> None:
        """Before anything of the record is carried out: nobody else is at work there, and a guardian is armed."""
        other = await busy_with(self._context)
        if other:
            raise NotBegun("Busy", f"another experiment is at work there: {other}; try again when it has ended")
        view = await armed(self._context, self._stop)
        log.info("guardian %s on node %s is armed", view.pod_uid, view.node)

    async def enter(self, parts: Sequence[Part]) -> Record:
        """Enter Applying with these parts; raises Aborted where somebody asked to stop before the first change."""
        return await self._context.store.update_unless_aborted(lambda found: self._enter(found, parts))

    async def apply(self, parts: Sequence[Part], record: Record) -> Record:
        """Carry out every change of these parts, which have been entered, and enter Applied.

        Raises NotInjected where a change could not be carried out: then, as after a wish to stop in between, what was
        applied remains to be undone. Raises Aborted where nothing was.
        """
        faults = {part.key: part.fault for part in parts}
        slots, broken = asyncio.Semaphore(_AT_ONCE), asyncio.Event()
        outcomes = await asyncio.gather(
            *(
                self._apply_one(index, change, faults[change.step], slots, broken)
                for index, change in enumerate(record.changes)
                if change.step in faults
            ),
            return_exceptions=True,
        )
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for failure in failures:
            if not isinstance(failure, NotInjected):
                raise failure
        if failures:
            raise failures[0]
        record = await self._context.store.update(self._leave)
        if not any(change.applied_at for change in record.changes if change.step in faults):
            raise Aborted(self._stop.reason)
        return record

    @property
    def left_to_us(self) -> bool:
        """Whether a change took effect after others had undone it: they may have left by now."""
        return bool(self._marks.late)

    async def note(self) -> None:
        """Note what was carried out and could not be noted before; raises ClusterError, RecordLost."""
        await self._marks.flush()

    @property
    def in_place(self) -> bool:
        """Whether a part has been entered and not ended."""
        return bool(self._ends)

    async def ending(self, parts: Sequence[Part], limit: datetime) -> None:
        """Parts are to be undone by ``limit``: until then the guardian leaves that to us."""
        self._ends.update({part.key: limit for part in parts})
        until = self._deadline(limit)
        await self._context.store.update(
            lambda record: record.model_copy(update={"deadline": max(record.deadline, until)})
        )

    async def ended(self, parts: Sequence[Part], next_within: timedelta) -> None:
        """Parts are undone; ``next_within`` is the time until more is added.

        With nothing in place, the guardian must not take the rest of the run for one that has hung.
        """
        for part in parts:
            self._ends.pop(part.key, None)
        if self.in_place:
            return
        until = self._deadline(self._context.clock.now() + next_within)
        await self._context.store.update(
            lambda record: record.model_copy(update={"deadline": max(record.deadline, until)})
        )

    def _deadline(self, end: datetime) -> datetime:
        """When the guardian steps in, if something is to be undone at ``end``."""
        return min(self._context.task.deadline - RESULT_MARGIN, max([end, *self._ends.values()]) + UNDO_SLACK)

    def _still_ours(self, record: Record) -> None:
        if record.claim != self._context.identity.uid:
            raise ClaimedByAnother(f"pod {record.claim} has claimed the run")
        if record.state not in (RecordState.PREPARED, RecordState.APPLYING, RecordState.APPLIED):
            raise Aborted(f"GuardianActed: the record is {record.state} already")

    def _enter(self, record: Record, parts: Sequence[Part]) -> Record:
        self._still_ours(record)
        faults = {part.key: part.fault for part in parts}
        own = [change for change in record.changes if change.step in faults]
        listed = any(change.state is ChangeState.LISTED for change in own)
        if record.state is not RecordState.PREPARED and not listed:
            return record  # an earlier try, whose answer was lost
        begun, longest = self._context.clock.now(), max(part.starts + part.duration for part in parts)
        left = self._context.task.deadline - RESULT_MARGIN - begun - longest - LEAST_SLACK
        # No more than half of what is left: undoing as many takes its time as well.
        now = begun + min(time_for(own), max(left, timedelta()) / 2)
        for part in parts:
            self._ends[part.key] = now + part.within
        deadline = self._deadline(now)
        if now + longest + LEAST_SLACK > deadline:
            raise NotBegun("Timeout", _TOO_LITTLE)
        planned = {"state": ChangeState.PLANNED}
        return record.model_copy(
            update={
                "state": RecordState.APPLYING,
                "deadline": deadline,
                "changes": [
                    faults[change.step].schedule(change.model_copy(update=planned), now, deadline)
                    if change.step in faults
                    else change
                    for change in record.changes
                ],
            }
        )

    async def _apply_one(
        self, index: int, change: Change, fault: Fault, slots: asyncio.Semaphore, broken: asyncio.Event
    ) -> None:
        async with slots:
            if self._stop.asked or broken.is_set():
                log.info("not carried out any more: %s of %s", change.type, change.name)
                await self._marks.put(index, _skipped)
                return
            try:
                applied = await fault.apply(change)
            except NotInjected as error:
                log.warning("not injected: %s", error)
                broken.set()  # the others need not be begun; what was begun is undone
                if isinstance(error, NothingDone):
                    # Undoing must not take what somebody else has done meanwhile for ours.
                    await self._marks.put(index, _skipped)
                raise
            log.info("applied %s to %s/%s", change.type, change.namespace, change.name)
        await self._marks.put(index, lambda _found: applied)
        if index in self._marks.late:
            broken.set()
            raise NotInjected(f"{change.key} took effect when it was undone already: it is undone once more")

    def _leave(self, record: Record) -> Record:
        going_on = any(change.state is ChangeState.PLANNED for change in record.changes)
        if record.state is not RecordState.APPLYING or going_on:
            return record
        applied_at = record.applied_at or self._context.clock.now()
        return record.model_copy(update={"state": RecordState.APPLIED, "applied_at": applied_at})


def _all(planned: Planned, state: ChangeState) -> list[Change]:
    """All changes, each with the key of its part."""
    return [
        change.model_copy(update={"step": part.key, "state": state}) for part, changes in planned for change in changes
    ]


def _apart(lists: Sequence[Sequence[Change]]) -> None:
    """Raise NotBegun where changes of two of the lists, neither of them undone, lay their hand on the same thing."""
    taken: set[str] = set()
    for changes in lists:
        things = {thing for change in changes if change.state is not ChangeState.UNDONE for thing in touched(change)}
        common = sorted(taken & things)
        if common:
            raise NotBegun("StepsOverlap", f"two steps would change the same at the same time: {common[0]}")
        taken |= things


def _fits(record: Record) -> Record:
    """The record, if it fits; raises NotBegun."""
    size = room_needed(record)
    if size > LARGEST_BYTES:
        raise NotBegun(
            "NotApplicable",
            f"{len(record.changes)} changes take up to {size // 1024} KiB of record, and Kubernetes keeps "
            f"{LARGEST_BYTES // 1024}: choose fewer targets, fewer repetitions, or smaller objects",
        )
    return record


def _spread(planned: Planned) -> timedelta:
    return sum((time_for(changes) for _, changes in planned), timedelta())


def _skipped(change: Change) -> Change:
    return change.model_copy(update={"state": ChangeState.UNDONE, "evidence": "was never carried out"})
