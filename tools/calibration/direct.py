"""The tests that the engine would choose for a column, on numpy arrays: what each gives, with no table and no report.

That they are the engine's is checked where they are used: the first tables of every case go through the whole check
as well, and every p-value must be the same.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from firedrill.api.driftcheck import ColumnType
from firedrill.engines.drift import ks
from firedrill.engines.drift.contingency import compare_counts
from firedrill.engines.drift.shapes import shaped

Drawn = tuple[Any, Any]


@dataclass(frozen=True)
class Tested:
    """One test before correction."""

    p_value: float
    effect: float


def of_numbers(first: Drawn, second: Drawn) -> list[Tested]:
    """Kolmogorov and Smirnov's test, of a flag a table; and the table of what is no finite number."""
    sides, states = [], []
    for values, missing in (first, second):
        there = values if missing is None else values[~missing]
        finite = np.sort(there[np.isfinite(there)].astype(np.float64))
        sides.append(finite)
        infinite = int(np.sum(there == np.inf)), int(np.sum(there == -np.inf))
        states.append((len(finite), len(values) - len(finite) - sum(infinite), *infinite, 0))
    a, b = sides
    high = max(a[-1], b[-1])
    if all(len(np.unique(side)) <= 2 for side in sides):
        ones = [int(np.sum(side == high)) for side in sides]
        return [*_table((ones[0], len(a) - ones[0]), (ones[1], len(b) - ones[1])), *_states(*states)]
    found = ks.distance(a, b)
    return [Tested(ks.p_value(found.ks, a, b), found.interval), *_states(*states)]


def of_categories(first: Drawn, second: Drawn) -> list[Tested]:
    """The table of the codes, and that of what is missing."""
    there = [codes[~missing].astype(np.int64) for codes, missing in (first, second)]
    gone = [int(missing.sum()) for _, missing in (first, second)]
    cells = max(int(side.max()) for side in there) + 1
    counts = [np.bincount(side, minlength=cells) for side in there]
    return [*_table(*counts), *_states((len(there[0]), gone[0]), (len(there[1]), gone[1]))]


def of_vectors(first: Drawn, second: Drawn) -> list[Tested]:
    """Numbers of the places on the line between the means."""
    sides = [
        pa.chunked_array([pa.FixedSizeListArray.from_arrays(pa.array(values), 4)]) for values, _ in (first, second)
    ]
    a, b = shaped(sides[0], sides[1], ColumnType.EMBEDDING)
    return of_numbers((a.to_numpy(), None), (b.to_numpy(), None))


def _states(first: tuple[int, ...], second: tuple[int, ...]) -> list[Tested]:
    found = _table(first, second)
    if found or len(first) == 2:
        return found
    return _table((first[0], sum(first[1:])), (second[0], sum(second[1:])))


def _table(first: Any, second: Any) -> list[Tested]:
    a, b = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    keep = (a + b) > 0
    outcome = compare_counts(a[keep], b[keep])
    return [Tested(outcome.p_value, outcome.effect)] if outcome else []
