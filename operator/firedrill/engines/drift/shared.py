"""Rows that both sides have, as where current data are part of the reference, or their windows overlap."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Standard deviations by which more rows must be alike than rows of the reference are among each other.
_SURE: Final = 5.0


def shared_rows(reference: NDArray[np.float64], current: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each current row the row of the reference that it is, -1 where it is none.

    Rows of few values are alike by chance. So it is all -1 unless more current rows have their like in the reference
    than rows of the reference have among the others.
    """
    first, second = (_keys(side) for side in (reference, current))
    order = np.argsort(first, kind="stable")
    ordered = first[order]
    at = np.minimum(np.searchsorted(ordered, second), len(ordered) - 1)
    found = np.where(ordered[at] == second, order[at], -1)
    _, sizes = np.unique(ordered, return_counts=True)
    by_chance = float(sizes[sizes > 1].sum() / len(ordered)) * len(second)
    if (found >= 0).sum() <= by_chance + _SURE * np.sqrt(by_chance + 1):
        return np.full(len(second), -1)
    return found


def _keys(rows: NDArray[np.float64]) -> NDArray[np.void]:
    """Each row as one value that can be sorted and compared; NaN and either zero in one form."""
    plain = np.ascontiguousarray(np.where(np.isnan(rows), np.nan, rows + 0.0))
    return plain.view(np.dtype((np.void, plain.dtype.itemsize * plain.shape[1]))).ravel()
