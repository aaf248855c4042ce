"""Values that stand for more values than they are, as quantile sketches keep them, and how wrong their ranks can be.

A KLL sketch (Karnin, Lang and Liberty 2016) halves a full buffer of values of weight w by keeping every second one of
them, in order, with weight 2w; a fair coin says whether it begins with the first. At any fixed bound this moves the
number of values up to it by w at most and by nothing on average, whatever happened before. So the error at a bound is
a sum of bounded martingale differences, and Azuma's inequality holds for it: with V the sum of w² over all halvings,

    P(|error| > t) <= 2 exp(-t² / 2V).

V is known from the sizes alone. The error at *every* bound follows from that at s quantiles of the data, each taken
with and without the value itself: between two of them neither the true share nor that of the sketch can move by more
than 1/s beyond its ends. Errors of intervals are such sums too. Sketches are merged by putting their values together:
their coins are independent, so their V add up, and n sketches of equal sizes are more exact than one by sqrt(n).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from firedrill.engines.drift.ks import Distance
from firedrill.engines.drift.ordered import Counts, Floats

#: How many quantiles to look at: more cost more in probability, fewer leave more between them.
_NETS: Final = tuple(int(10 ** (half / 2)) for half in range(4, 13))


@dataclass(frozen=True)
class Weighted:
    """Finite values, sorted, each with the number of values that it stands for; exact where ``variance`` is 0.

    ``variance`` is V, the sum of the squared weights over all halvings. ``least`` and ``greatest`` are exact; they
    are NaN where there are no values.
    """

    values: Floats
    weights: Counts
    variance: float
    least: float
    greatest: float

    @cached_property
    def _ranks(self) -> Counts:
        return np.cumsum(self.weights)

    @property
    def size(self) -> int:
        """How many values are stood for."""
        return int(self._ranks[-1]) if len(self.values) else 0

    @property
    def exact(self) -> bool:
        """Whether every value is there."""
        return self.variance == 0

    def at(self, ranks: Counts) -> Floats:
        """The values at these places of the order."""
        found: Floats = self.values[np.searchsorted(self._ranks, ranks, side="right")]
        return found

    def up_to(self, bounds: Floats) -> Counts:
        """How many values are at each bound or below it."""
        counts = np.concatenate([[0], self._ranks])
        return counts[np.searchsorted(self.values, bounds, side="right")].astype(np.int64)

    def holds_only(self, low: float, high: float) -> bool:
        """Whether it is known that there are no values but these two."""
        return self.exact and bool(np.isin(self.values, (low, high)).all())

    def rank_error(self, doubt: float) -> float:
        """By how much the share of values up to a bound is wrong at most, at all bounds at once, but for a
        probability of ``doubt``."""
        return self._error(doubt, lambda s: 2 * s, 1)

    def interval_error(self, doubt: float) -> float:
        """The same of the share of values between two bounds, whichever they are."""
        return self._error(doubt, lambda s: 2 * s * s, 2)

    def _error(self, doubt: float, looked_at: Callable[[int], int], beside: int) -> float:
        if self.exact:
            return 0.0
        n = self.size
        errors = (math.sqrt(2 * self.variance * math.log(2 * looked_at(s) / doubt)) / n + beside / s for s in _NETS)
        return min(1.0, *errors)


EMPTY: Final = Weighted(np.empty(0), np.empty(0, np.int64), 0.0, math.nan, math.nan)


def merge(parts: Iterable[Weighted]) -> Weighted:
    """All of them as one, in whatever order they come."""
    held = [part for part in parts if len(part.values)]
    if not held:
        return EMPTY
    values = np.concatenate([part.values for part in held])
    weights = np.concatenate([part.weights for part in held])
    distinct, which = np.unique(values, return_inverse=True)
    summed = np.zeros(len(distinct), dtype=np.int64)
    np.add.at(summed, which, weights)
    return Weighted(
        distinct,
        summed,
        math.fsum(part.variance for part in held),
        min(part.least for part in held),
        max(part.greatest for part in held),
    )


def distance(first: Weighted, second: Weighted) -> Distance:
    """Distances between the distribution functions of two sides that are not empty, as far as they are known."""
    # Steps are at the values, so nothing is further apart than there.
    points = np.union1d(first.values, second.values)
    apart = first.up_to(points) / first.size - second.up_to(points) / second.size
    return Distance(max(float(apart.max()), 0.0), max(float(-apart.min()), 0.0))
