"""Repetitions of an experiment, and the distribution of its times."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from firedrill.api.shape import Repeat
from firedrill.api.verdict import Measurement
from firedrill.engines.chaos import statistics
from firedrill.engines.chaos.judged import Judged
from firedrill.engines.chaos.recovery import Recovery, find_recovery
from firedrill.engines.chaos.samples import Sample, Share

TOO_SLOW = "TooSlow"
TOO_FEW = "TooFewRepetitions"


@dataclass(frozen=True)
class Round:
    """One repetition. ``began`` is when the first change was asked for, ``fault_start`` when it took effect."""

    began: datetime
    fault_start: datetime
    last_applied: datetime
    fault_end: datetime
    during: Share
    first_failure: datetime | None = None
    recovery: Recovery | None = None
    self_healed: datetime | None = None

    @property
    def injection_seconds(self) -> float:
        """From asking for the first change until the last one took effect."""
        return (self.last_applied - self.began).total_seconds()

    @property
    def detection_seconds(self) -> float | None:
        """From the injection until the first request that failed; None where none did."""
        return (self.first_failure - self.fault_start).total_seconds() if self.first_failure else None

    @property
    def recovery_seconds(self) -> float | None:
        """From the end of the fault until the steady state held again."""
        return (self.recovery.at - self.fault_end).total_seconds() if self.recovery else None

    @property
    def healing_seconds(self) -> float | None:
        """From the injection until the steady state held again with the fault still on, or with nothing to undo."""
        return (self.self_healed - self.fault_start).total_seconds() if self.self_healed else None


def find_self_healing(
    samples: Sequence[Sample],
    fault_start: datetime,
    first_end: datetime,
    window: timedelta,
    min_rate: float,
    observed_until: datetime,
) -> datetime | None:
    """When the steady state held again, for a whole window, before anybody ended the fault.

    None where no request failed: nothing had to heal.
    """
    failed = next((each.at for each in samples if each.at >= fault_start and not each.ok), None)
    if failed is None or failed >= first_end:
        return None
    found = find_recovery(samples, failed, window, min_rate, min(observed_until, first_end))
    return found.at if found else None


def judge(rounds: Sequence[Round], repeat: Repeat | None) -> list[Judged]:
    """The distributions of an experiment that is repeated; without a limit they have no weight."""
    if repeat is None:
        return []
    recovery = [each.recovery_seconds for each in rounds]
    detection = [each.detection_seconds for each in rounds]
    return [
        _distribution("timeToInjectMedian", [each.injection_seconds for each in rounds], repeat, None),
        _distribution("timeToDetectMedian", detection, repeat, repeat.max_median_detection),
        _distribution("recoveryTimeMedian", recovery, repeat, repeat.max_median_recovery),
        _distribution("selfHealingTimeMedian", [each.healing_seconds for each in rounds], repeat, None),
    ]


def _distribution(name: str, found: Sequence[float | None], repeat: Repeat, limit: timedelta | None) -> Judged:
    values = [each for each in found if each is not None]
    interval = statistics.median_interval(values, repeat.confidence)
    told = f"n = {len(values)} of {repeat.times} repetitions"
    if values:
        told = f"median {statistics.median(values):.3g} s, from {min(values):.3g} to {max(values):.3g} s, {told}"
    if interval:
        told += (
            f"; {100 * interval.confidence:.1f} % interval of the median {interval.low:.3g} to {interval.high:.3g} s "
            "(order statistics)"
        )
    else:
        told += (
            f"; an interval of {100 * repeat.confidence:g} % takes {statistics.needed_for(repeat.confidence)} values"
        )
    passed = None
    if limit is not None and interval is not None and len(values) == len(found):
        seconds = limit.total_seconds()
        passed = True if interval.high <= seconds else False if interval.low > seconds else None
    measured = Measurement(
        name=name,
        value=statistics.median(values) if values else None,
        unit="s",
        limit="" if limit is None else f"<= {limit.total_seconds():g}",
        passed=passed,
        detail=told,
        weight=0.0 if limit is None else 1.0,
    )
    return Judged(measured, TOO_SLOW, TOO_FEW)
