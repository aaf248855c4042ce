"""Sampled rows of many columns as the matrix that a learner takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from firedrill.engines.drift.values import codes_in_order, near_zero, values_in_order

Floats = NDArray[np.float64]

#: Categories beyond the most frequent ones are one category: learners hold at most 255.
CATEGORIES_KEPT: Final = 200
#: What stands for infinity, which learners refuse.
_HUGE: Final = 1e300


@dataclass(frozen=True)
class Sampled:
    """Some rows of one column on both sides, as ChunkedArrays; row i is the same row in every column."""

    name: str
    categorical: bool
    reference: Any
    current: Any


@dataclass(frozen=True)
class Matrix:
    """Features of both sides, (rows, columns) each; NaN is missing. Categories are codes from 0 on."""

    reference: Floats
    current: Floats
    names: tuple[str, ...]
    categorical: tuple[bool, ...]


def row_sample(rows: int, most: int, seed: int) -> NDArray[np.int64] | None:
    """Sorted numbers of ``most`` rows chosen at random; None for all of them."""
    if rows <= most:
        return None
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False)).astype(np.int64)


def encode(columns: Sequence[Sampled]) -> Matrix:
    """The matrix of columns that are numeric or categorical by :func:`kind_of`."""
    pairs = [_codes(each) if each.categorical else _numbers(each) for each in columns]
    return Matrix(
        reference=np.column_stack([first for first, _ in pairs]) if pairs else np.empty((0, 0)),
        current=np.column_stack([second for _, second in pairs]) if pairs else np.empty((0, 0)),
        names=tuple(each.name for each in columns),
        categorical=tuple(each.categorical for each in columns),
    )


def _numbers(column: Sampled) -> tuple[Floats, Floats]:
    sides = near_zero(column.reference, column.current)[:2]
    first, second = (np.clip(values_in_order(side), -_HUGE, _HUGE) for side in sides)
    return first, second


def _codes(column: Sampled) -> tuple[Floats, Floats]:
    first, second, names = codes_in_order(column.reference, column.current)
    both = np.concatenate([first, second])
    counts = np.bincount(both[both >= 0], minlength=len(names))
    rank = np.empty(len(names) + 1, dtype=np.float64)
    rank[np.argsort(-counts, kind="stable")] = np.minimum(np.arange(len(names)), CATEGORIES_KEPT)
    rank[-1] = np.nan
    return rank[first], rank[second]
