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


def median_of_differences(apart: Sequence[float], worth: float = 1.0) -> Interval | None:
    """Median with bounds of the sign test, from order statistics; None without any value.

    Infinite values are those of what failed. ``worth`` is the share of the values that would tell as much were they
    independent.
    """
    return _median(apart, _ONE, worth) if apart else None


def difference_of_medians(
    first: Sequence[float], second: Sequence[float], worths: tuple[float, float] = (1.0, 1.0)
) -> Interval | None:
    """Median of ``first`` less that of ``second``; None where one is empty or both have failed.

    Each median has its bounds from order statistics, at 97.5 %, so both hold together at 95 %. ``worths`` are of both
    as in :func:`median_of_differences`.
    """
    if not first or not second:
        return None
    one, other = (_median(side, _OF_TWO, worth) for side, worth in zip((first, second), worths, strict=True))
    if math.isinf(one.value) and math.isinf(other.value):
        return None
    # What is unknown at both ends, or failed at both, leaves the difference open there.
    return Interval(
        one.value - other.value,
        one.low - other.high if math.isfinite(one.low) or math.isfinite(other.high) else -math.inf,
        one.high - other.low if math.isfinite(one.high) or math.isfinite(other.low) else math.inf,
        one.size + other.size,
    )


def _median(values: Sequence[float], confidence: float, worth: float) -> Interval:
    found = quantile(sorted(values), 0.5, confidence, max(int(len(values) * worth), 1))
    return Interval(found.value, *_bounds(found), found.size)


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
