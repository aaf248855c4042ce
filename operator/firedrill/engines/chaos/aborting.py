"""Conditions that break an experiment off while its fault is on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from firedrill.api.shape import AbortCondition
from firedrill.api.verdict import Measurement
from firedrill.engines.chaos.judged import Judged
from firedrill.engines.chaos.samples import MIN_SAMPLES, Sample, Share, share

MET = "AbortConditionMet"
UNKNOWN = "AbortConditionUnknown"


@dataclass(frozen=True)
class AbortLook:
    """The window that was the worst of a condition while a fault was on; None where none had enough answers."""

    condition: AbortCondition
    worst: Share | None = None

    @property
    def met(self) -> bool:
        """Whether the condition was met."""
        return self.worst is not None and 1 - self.worst.rate > self.condition.max_failure_rate

    def judged(self) -> Judged:
        """As a measurement."""
        worst, condition = self.worst, self.condition
        seconds = condition.window.total_seconds()
        measured = Measurement(
            name=f"abort.{condition.name}",
            value=None if worst is None else 1 - worst.rate,
            unit="ratio",
            limit=f"<= {condition.max_failure_rate:g}",
            passed=None if worst is None else not self.met,
            detail=f"failures in the worst {seconds:g} s with a fault on: "
            + (worst.describe() if worst else f"never {MIN_SAMPLES} answers"),
        )
        return Judged(measured, MET, UNKNOWN)


def look(before: AbortLook, samples: Sequence[Sample], since: datetime, now: datetime) -> AbortLook:
    """What is known at ``now`` of a condition, with a fault on since ``since``.

    An answer counts when it is known: one that times out is known late, and still belongs to the fault.
    """
    start = max(since, now - before.condition.window)
    found = share(each for each in samples if each.at >= since and start <= each.answered_at <= now)
    if not found.enough or (before.worst is not None and found.rate >= before.worst.rate):
        return before
    return AbortLook(before.condition, found)


def ready(condition: AbortCondition, before: Share) -> str:
    """Why an experiment must not begin with this condition; empty where it may. ``before`` is from its own probe."""
    if not before.enough:
        return (
            f"the abort condition {condition.name} would be blind: {before.count} answers before the fault, at least "
            f"{MIN_SAMPLES} are needed"
        )
    if 1 - before.rate > condition.max_failure_rate:
        return (
            f"the abort condition {condition.name} is met before the fault: failure rate {1 - before.rate:.3f}, limit "
            f"<= {condition.max_failure_rate:g} ({before.count} requests)"
        )
    return ""
