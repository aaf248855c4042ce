"""Intervals that hold exactly: for shares by their counts, for quantiles by order statistics."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scipy import stats

from firedrill.engines.common.shares import Interval

#: One-sided confidence of each bound of a latency quantile, as MLPerf's LoadGen has it.
QUANTILE_CONFIDENCE: Final = 0.99


def exact(successes: float, size: int, level: float) -> Interval:
    """Clopper's and Pearson's interval of a share, which holds at every level.

    For many intervals at once: far out in the tail Wilson's does not. Of 100 shares of 0.9 over 100 rows each, one was
    called below 0.9 in 12 of 100 trials, where 2.5 were meant.
    """
    low = float(stats.beta.ppf((1 - level) / 2, successes, size - successes + 1)) if successes > 0 else 0.0
    high = float(stats.beta.ppf((1 + level) / 2, successes + 1, size - successes)) if successes < size else 1.0
    return Interval(successes / size, low, high, size)


@dataclass(frozen=True)
class Quantile:
    """A quantile by nearest rank with its bounds; a bound is None when the sample is too small for it.

    Values are infinite where the rank falls on a request that failed. ``effective`` is how many independent values
    would tell as much as the ``size`` values do.
    """

    value: float
    low: float | None
    high: float | None
    size: int
    effective: int


def quantile(
    ordered: Sequence[float], level: float, confidence: float = QUANTILE_CONFIDENCE, effective: int | None = None
) -> Quantile:
    """Quantile of an ascending, not empty sample, with one-sided bounds from order statistics, each at ``confidence``.

    The number of values below the true quantile is binomial, whatever the distribution; so the r-th smallest
    value is an upper bound when P(Bin(n, level) < r) >= 0.99, and a lower one when P(Bin(n, level) >= r) is.
    ``effective`` is how many independent values would tell as much, 1 to their number, which it is unless given: the
    ranks are those of a sample of that size, spread over this one.
    """
    size = len(ordered)
    worth = size if effective is None else effective
    rank = min(max(math.ceil(level * size - 1e-9), 1), size)
    # ppf gives the least k with P(X <= k) >= confidence.
    upper = int(stats.binom.ppf(confidence, worth, level)) + 1
    lower = int(stats.binom.ppf(1 - confidence, worth, level))
    return Quantile(
        value=ordered[rank - 1],
        low=ordered[max(lower * size // worth, 1) - 1] if lower >= 1 else None,
        high=ordered[-(-upper * size // worth) - 1] if upper <= worth else None,
        size=size,
        effective=worth,
    )


def requests_to_certify(level: float, misses: int) -> int:
    """Least number of requests that certify a quantile when ``misses`` of them are slower than the limit."""
    low, high = misses + 1, misses + 2
    while not _certifies(high, level, misses):
        low, high = high, high * 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _certifies(middle, level, misses) else (middle + 1, high)
    return low


def _certifies(size: int, level: float, misses: int) -> bool:
    # The largest value within the limit has rank size - misses, which must be an upper bound.
    return bool(stats.binom.cdf(size - misses - 1, size, level) >= QUANTILE_CONFIDENCE)


def least_requests(level: float) -> int:
    """Requests from which on a quantile can be certified at all: 7, 90, 459 for the 50th, 95th and 99th percentile."""
    return math.ceil(math.log(1 - QUANTILE_CONFIDENCE) / math.log(level))
