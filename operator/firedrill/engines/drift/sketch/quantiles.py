"""Numbers that are read in pieces, kept as a quantile sketch; those with few different values are counted."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from firedrill.engines.drift.ordered import Counts, Floats
from firedrill.engines.drift.sketch.weighted import EMPTY, Weighted

#: What the library's KLL sketch is made of: each level below the top holds 2/3 of the one above it, and at least 8.
_SHRINKS: Final = 2 / 3
_LEAST_LEVEL: Final = 8
#: Values that are given to the sketch at once.
_BLOCK: Final = 65_536


class QuantileSketcher:
    """Takes finite numbers in any order and any pieces; memory is bounded by ``k`` and ``few``.

    The sketch is Apache DataSketches' KLL. Its coins are thrown anew each time, so that two runs over the same data
    differ, within the error that is told.
    """

    def __init__(self, k: int, few: int) -> None:
        # Late: only what is larger than memory needs it.
        from datasketches import kll_doubles_sketch

        self._sketch: Any = kll_doubles_sketch(k)
        self._k = k
        self._few = _Few(few)
        self._least, self._greatest = np.inf, -np.inf

    def add(self, values: Floats) -> None:
        """Take some more."""
        if not len(values):
            return
        # Minus zero is zero, and sorts like it.
        values = np.ascontiguousarray(values + 0.0)
        self._least, self._greatest = min(self._least, values.min()), max(self._greatest, values.max())
        for start in range(0, len(values), _BLOCK):
            block = values[start : start + _BLOCK]
            self._few.add(block)
            self._sketch.update(block)

    def result(self) -> Weighted:
        """What was seen so far."""
        size = int(self._sketch.n)
        if not size:
            return EMPTY
        least, greatest = float(self._least), float(self._greatest)
        if self._few.counts is not None:
            return Weighted(*self._few.result(), 0.0, least, greatest)
        kept = np.array(list(self._sketch), dtype=np.float64)
        kept = kept[np.argsort(kept[:, 0], kind="stable")]
        weights = kept[:, 1].astype(np.int64)
        return Weighted(kept[:, 0].copy(), weights, variance(self._k, size, int(weights.max())), least, greatest)


@dataclass
class _Few:
    """How often each of few different values is there; None once there are more."""

    most: int
    counts: dict[float, int] | None = field(default_factory=dict)

    def add(self, values: Floats) -> None:
        if self.counts is None:
            return
        different, counts = np.unique(values, return_counts=True)
        if len(different) <= self.most:
            for value, count in zip(different.tolist(), counts.tolist(), strict=True):
                self.counts[value] = self.counts.get(value, 0) + count
        if max(len(different), len(self.counts)) > self.most:
            self.counts = None

    def result(self) -> tuple[Floats, Counts]:
        pairs = sorted((self.counts or {}).items())
        return np.array([value for value, _ in pairs]), np.array([count for _, count in pairs], dtype=np.int64)


def variance(k: int, size: int, heaviest: int) -> float:
    """At most the sum of the squared weights over all halvings of a sketch of ``size`` values.

    A level is halved only when it is full, and then loses all of its values but one, so level h, whose values weigh
    2^h, can have been halved no more than size / (2^h (capacity - 1)) times. Capacities shrink as levels are added:
    those at the end are the least.
    """
    levels = heaviest.bit_length()
    capacities = [max(_LEAST_LEVEL, int(k * _SHRINKS ** (levels - 1 - level))) for level in range(levels - 1)]
    return float(sum(size * 2**level / (capacity - 1) for level, capacity in enumerate(capacities)))
