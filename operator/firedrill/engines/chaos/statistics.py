"""Intervals and tests over what a probe has answered. Pure; no test assumes a shape of the distribution.

- Difference of two success rates: Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method 10), and
  Fisher's exact test, one-sided.
- Two samples of latencies: the rank sum test of Mann and Whitney, one-sided, with ties; the shift by Hodges and Lehmann
  with its interval from the ordered differences (Hollander, Wolfe: Nonparametric Statistical Methods).
- A median: the interval between two order statistics (the same book; also David, Nagaraja: Order Statistics).

Answers that follow each other closely are not independent: after a slow one the next is more often slow, too. Then
these tests alarm more often than they say; longer intervals between requests make that smaller.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from firedrill.engines.chaos.samples import Share
from firedrill.engines.common.shares import difference, wilson

#: Longer samples are thinned out evenly: differences are taken pair by pair.
_MOST: Final = 1000


@dataclass(frozen=True)
class Interval:
    """An estimate, and an interval that covers the truth with at least ``confidence``."""

    estimate: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class Difference:
    """How much worse the second sample is, by how much it may be chance: ``p_value`` of the one-sided test."""

    interval: Interval
    p_value: float


def drop(before: Share, during: Share, confidence: float) -> Difference:
    """How much smaller the second success rate is. Both need at least one sample."""
    import numpy as np  # loaded by the few runs that compare
    from scipy import stats

    z = _z(confidence)
    found = difference(wilson(before.good, before.count, z), wilson(during.good, during.count, z))
    table = np.array([[before.good, before.count - before.good], [during.good, during.count - during.good]])
    p_value = float(stats.fisher_exact(table, alternative="greater").pvalue)
    interval = Interval(found.value, max(-1.0, found.low), min(1.0, found.high), confidence)
    return Difference(interval, p_value)


def rise(before: Sequence[float], during: Sequence[float], confidence: float) -> Difference:
    """How much later the second sample lies. Both need at least one value."""
    import numpy as np  # loaded by the few runs that compare
    from scipy import stats

    first, second = _thinned(before), _thinned(during)
    all_equal = min(*first, *second) == max(*first, *second)
    p_value = 1.0 if all_equal else float(stats.mannwhitneyu(second, first, alternative="greater").pvalue)
    differences = np.sort(np.subtract.outer(np.asarray(second), np.asarray(first)).ravel())
    n, m = len(first), len(second)
    spread = _z(confidence) * math.sqrt(n * m * (n + m + 1) / 12)
    rank = max(1, math.floor(n * m / 2 - spread))
    low, high = float(differences[rank - 1]), float(differences[n * m - rank])
    return Difference(Interval(float(np.median(differences)), low, high, confidence), p_value)


def median_interval(values: Sequence[float], confidence: float) -> Interval | None:
    """The median between two order statistics; None where there are too few values for that confidence.

    ``confidence`` of the answer is that which the interval really has.
    """
    ordered = sorted(values)
    n = len(ordered)
    outside, found = 0.0, None
    for rank in range(1, n // 2 + 1):
        outside += 2 * math.comb(n, rank - 1) * 0.5**n
        if 1 - outside < confidence:
            break
        found = Interval(median(ordered), ordered[rank - 1], ordered[n - rank], 1 - outside)
    return found


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two in the middle."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def needed_for(confidence: float) -> int:
    """The least number of values that have an interval for their median."""
    # By the same sum as the interval itself: a logarithm would round otherwise just at its steps.
    return next(n for n in itertools.count(2) if 1 - 2 * 0.5**n >= confidence)


def _thinned(values: Sequence[float]) -> Sequence[float]:
    step = -(-len(values) // _MOST)
    return values[::step]


def _z(confidence: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + confidence) / 2)
