"""Values of a column in order, whether all of them are there or only some that stand for the rest."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class Ordered(Protocol):
    """Finite numbers in order."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    @property
    def least(self) -> float:
        """The smallest; there must be one."""
        ...

    @property
    def greatest(self) -> float:
        """The largest; there must be one."""
        ...

    def at(self, ranks: Counts) -> Floats:
        """The values at these places of the order, from 0 on."""
        ...

    def up_to(self, bounds: Floats) -> Counts:
        """How many values are at each bound or below it."""
        ...

    def holds_only(self, low: float, high: float) -> bool:
        """Whether it is known that there are no values but these two."""
        ...


@dataclass(frozen=True)
class Sample:
    """All values of a column, sorted."""

    sorted: Floats

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.sorted)

    @property
    def least(self) -> float:
        """The smallest."""
        return float(self.sorted[0])

    @property
    def greatest(self) -> float:
        """The largest."""
        return float(self.sorted[-1])

    def at(self, ranks: Counts) -> Floats:
        """The values at these places."""
        found: Floats = self.sorted[ranks]
        return found

    def up_to(self, bounds: Floats) -> Counts:
        """How many values are at each bound or below it."""
        return np.searchsorted(self.sorted, bounds, side="right").astype(np.int64)

    def holds_only(self, low: float, high: float) -> bool:
        """Whether there are no values but these two."""
        split = int(np.searchsorted(self.sorted, low, side="right"))
        return (split == 0 or self.least == low) and (split == self.size or bool(self.sorted[split] == high))
