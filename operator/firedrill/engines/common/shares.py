"""Intervals for shares, with nothing that takes long to load."""

import math
from dataclasses import dataclass
from typing import Final

#: Standard score of a two-sided interval of 95 %.
Z95: Final = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """A share with its interval; ``size`` is what it rests on."""

    value: float
    low: float
    high: float
    size: int


def wilson(successes: float, size: int, z: float = Z95) -> Interval:
    """Wilson's score interval of a share, ``z`` standard scores wide on each side.

    ``size`` must be at least 1; ``successes`` may be a sum of shares.
    """
    share = min(max(successes / size, 0.0), 1.0)
    spread = z * math.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    center = share + z**2 / (2 * size)
    scale = 1 + z**2 / size
    low = max((center - spread) / scale, 0.0) if share > 0 else 0.0
    high = min((center + spread) / scale, 1.0) if share < 1 else 1.0
    return Interval(share, low, high, size)


def difference(first: Interval, second: Interval) -> Interval:
    """How far ``first`` is above ``second``, of independent samples: Newcombe's method 10 (1998).

    The bounds of both are joined, each at the level that both have; ``size`` is that of both together.
    """
    value = first.value - second.value
    low = value - math.hypot(first.value - first.low, second.high - second.value)
    high = value + math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, low, high, first.size + second.size)
