"""When a system has recovered: the first instant from which its steady state holds for a whole window."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from firedrill.engines.chaos.samples import MIN_SAMPLES, Sample, Share


@dataclass(frozen=True)
class Recovery:
    """The steady state holds again: since ``at``, shown by the share of good samples in the window from there."""

    at: datetime
    share: Share


def find_recovery(
    samples: Sequence[Sample], fault_end: datetime, window: timedelta, min_rate: float, observed_until: datetime
) -> Recovery | None:
    """The first good sample sent at or after ``fault_end`` whose following window meets ``min_rate``.

    Only windows that end by ``observed_until`` count: all requests sent before it must have their outcome in
    ``samples``, which are ordered by the time they were sent. None where there is no such window (yet).
    """
    times = [sample.at for sample in samples]
    good = [0]
    for sample in samples:
        good.append(good[-1] + sample.ok)
    for index in range(bisect_left(times, fault_end), len(samples)):
        end = times[index] + window
        if end > observed_until:
            return None
        if not samples[index].ok:
            continue
        stop = bisect_left(times, end)
        found = Share(stop - index, good[stop] - good[index])
        if found.count >= MIN_SAMPLES and found.rate >= min_rate:
            return Recovery(times[index], found)
    return None
