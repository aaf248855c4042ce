"""Two models under one load: how far they are apart, by intervals that hold at 95 % and know no distribution."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from firedrill.engines.common.intervals import Quantile, quantile
from firedrill.engines.common.shares import Interval
from firedrill.engines.model.quality.metric import thin

#: One-sided confidence of each bound of one median, and of each of two whose bounds are to hold together (Bonferroni).
_ONE: Final = 0.975
_OF_TWO: Final = 0.9875


def median_of_differences(pairs: Sequence[tuple[float, float]]) -> Interval | None:
    """Median of first less second over pairs; None without any. Infinite values are requests that failed.

    Bounds are those of the sign test, from order statistics. A pair of which both failed tells neither to be slower and
    is left out.
    """
    apart = sorted(first - second for first, second in pairs if math.isfinite(first) or math.isfinite(second))
    if not apart:
        return None
    found = quantile(apart, 0.5, _ONE)
    return Interval(found.value, *_bounds(found), found.size)


def difference_of_medians(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """Median of ``first`` less that of ``second``, two ascending samples; None where one is empty or both have failed.

    Each median has its bounds from order statistics, at 97.5 %, so both hold together at 95 %.
    """
    if not first or not second:
        return None
    one, other = (quantile(side, 0.5, _OF_TWO) for side in (first, second))
    (low, high), (least, most) = _bounds(one), _bounds(other)
    if math.isinf(one.value) and math.isinf(other.value):
        return None
    # What is unknown at both ends, or failed at both, leaves the difference open there.
    return Interval(
        one.value - other.value,
        low - most if math.isfinite(low) or math.isfinite(most) else -math.inf,
        high - least if math.isfinite(high) or math.isfinite(least) else math.inf,
        one.size + other.size,
    )


def difference_of_means(first: NDArray[np.float64], second: NDArray[np.float64]) -> Interval:
    """Mean of ``first`` less that of ``second`` with Welch's interval; of values that are too few it is everything."""
    size, value = len(first) + len(second), float(first.mean() - second.mean())
    if thin(first) or thin(second):
        return Interval(value, -math.inf, math.inf, size)
    parts = [float(side.var(ddof=1)) / len(side) for side in (first, second)]
    total = sum(parts)
    if total == 0:
        return Interval(value, value, value, size)
    freedom = total**2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (first, second), strict=True))
    spread = float(stats.t.ppf(_ONE, freedom)) * math.sqrt(total)
    return Interval(value, value - spread, value + spread, size)


def _bounds(found: Quantile) -> tuple[float, float]:
    return (
        -math.inf if found.low is None else found.low,
        math.inf if found.high is None else found.high,
    )
