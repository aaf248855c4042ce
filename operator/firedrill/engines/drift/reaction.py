"""Whether a run acts on the drift that it has found: a chain of policies, of which the first that objects decides."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.base import format_duration
from firedrill.api.ondrift import Reacted
from firedrill.api.run import FailureThreshold
from firedrill.api.verdict import Verdict


@dataclass(frozen=True)
class Situation:
    """All that it depends on. ``failed`` counts earlier runs among those that the threshold looks at; ``last`` is the
    last run that acted here."""

    verdict: Verdict
    now: datetime
    deadline: datetime
    cooldown: timedelta
    failed: int = 0
    threshold: FailureThreshold | None = None
    last: Reacted | None = None


@dataclass(frozen=True)
class Held:
    """Nothing is started, as one word and as a sentence."""

    reason: str
    message: str


def not_drifted(situation: Situation) -> Held | None:
    """Only drift that is shown counts: what is inconclusive is none."""
    if situation.verdict is Verdict.FAILED:
        return None
    return Held("NotDrifted", f"the verdict is {situation.verdict.value}, so nothing is started")


def below_threshold(situation: Situation) -> Held | None:
    """Fewer failed runs than failureThreshold asks for, this one included."""
    threshold, failed = situation.threshold, situation.failed + 1
    if threshold is None or failed >= threshold.failures:
        return None
    told = f"{failed} of the last {threshold.of} runs failed, fewer than failureThreshold.failures"
    return Held("BelowThreshold", f"{told} ({threshold.failures}), so nothing is started")


def cooling_down(situation: Situation) -> Held | None:
    """Another run has acted less than a cool-down ago."""
    last = situation.last
    if last is None or situation.now >= last.at + situation.cooldown:
        return None
    until = last.at + situation.cooldown
    told = f"run {last.run_id} acted at {last.at:%Y-%m-%d %H:%M:%S} UTC"
    cooldown = format_duration(situation.cooldown)
    return Held(
        "CoolingDown", f"{told}; nothing is started before {until:%Y-%m-%d %H:%M:%S} UTC (onDrift.cooldown {cooldown})"
    )


def too_late(situation: Situation) -> Held | None:
    """Past its deadline a run has ended for the operator: it must not start anything behind its back."""
    if situation.now < situation.deadline:
        return None
    return Held("TooLate", "the run is past its deadline, so nothing is started")


CHAIN: Final[tuple[Callable[[Situation], Held | None], ...]] = (not_drifted, below_threshold, cooling_down, too_late)


def held(situation: Situation) -> Held | None:
    """Why nothing is started; None where the actions are due."""
    return next(filter(None, (policy(situation) for policy in CHAIN)), None)
