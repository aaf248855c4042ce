"""Answers of a probe over time, and the share of good ones in a window."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from firedrill.api.asked import MIN_REQUESTS
from firedrill.engines.common.shares import Z95, wilson

MIN_SAMPLES = MIN_REQUESTS


@dataclass(frozen=True)
class Sample:
    """One question of a probe: when it was sent, how long it took in seconds, and whether the answer was good."""

    at: datetime
    seconds: float
    ok: bool
    detail: str = ""

    @property
    def answered_at(self) -> datetime:
        """When the outcome was known."""
        return self.at + timedelta(seconds=self.seconds)


class Probe(Protocol):
    """Asks continuously from start to stop, in an open loop: a slow answer does not delay the next question."""

    @property
    def samples(self) -> Sequence[Sample]:
        """All outcomes known so far, by the time they were sent."""
        ...


@dataclass(frozen=True)
class Share:
    """Good answers among all."""

    count: int
    good: int

    @property
    def rate(self) -> float:
        """The share of good ones, 0 without any sample."""
        return self.good / self.count if self.count else 0.0

    @property
    def enough(self) -> bool:
        """Whether there are enough samples to speak of a share at all."""
        return self.count >= MIN_SAMPLES

    def interval(self, z: float = Z95) -> tuple[float, float]:
        """Wilson's interval for the share, ``z`` standard scores wide on each side; (0, 1) without any sample."""
        if self.count == 0:
            return 0.0, 1.0
        found = wilson(self.good, self.count, z)
        return found.low, found.high

    def describe(self) -> str:
        """Sample size and interval, for a measurement's detail."""
        low, high = self.interval()
        return f"{self.good} of {self.count} requests, 95 % interval {low:.3f} to {high:.3f} (Wilson)"


def joined(shares: Iterable[Share]) -> Share:
    """Several shares as one."""
    found = list(shares)
    return Share(sum(each.count for each in found), sum(each.good for each in found))


def between(samples: Iterable[Sample], start: datetime, end: datetime) -> list[Sample]:
    """Samples that were sent in [start, end)."""
    return [sample for sample in samples if start <= sample.at < end]


def share(samples: Iterable[Sample]) -> Share:
    """The share of good samples."""
    outcomes = [sample.ok for sample in samples]
    return Share(len(outcomes), sum(outcomes))


def first_failure(samples: Iterable[Sample], start: datetime) -> datetime | None:
    """When the first failure of a request sent at or after ``start`` was known."""
    failures = [sample.answered_at for sample in samples if sample.at >= start and not sample.ok]
    return min(failures, default=None)
