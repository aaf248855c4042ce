"""Columns of every kind that the drift engine compares, drawn from one distribution on both sides."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import signal, special

from firedrill.api.driftcheck import ColumnSettings, ColumnType

Rng = np.random.Generator
WORDS = pa.array([f"w{k:03d}" for k in range(300)], pa.string())
_RARER = 1 / np.arange(1, 301) ** 1.2
_CODES = np.searchsorted(np.cumsum(_RARER / _RARER.sum()), (np.arange(100_000) + 0.5) / 100_000)
_EIGHT = np.repeat(np.arange(8), [30, 25, 15, 10, 8, 6, 4, 2])
_TEXTS = pa.array(["x" * k for k in range(1, 80)], pa.string())


def _normal(rng: Rng, rows: int) -> Any:
    return pa.array(rng.normal(size=rows))


def _heavy(rng: Rng, rows: int) -> Any:
    return pa.array(np.exp(3 * rng.normal(size=rows)))


def _tied(rng: Rng, rows: int) -> Any:
    return pa.array(np.round(rng.exponential(2, rows)), mask=rng.random(rows) < 0.05)


def _dirty(rng: Rng, rows: int) -> Any:
    """Nulls, NaN, infinities of both signs."""
    values, which = rng.normal(size=rows), rng.random(rows)
    values[which < 0.02] = np.inf
    values[which < 0.01] = -np.inf
    values[which < 0.005] = np.nan
    return pa.array(values, mask=which > 0.97)


def _flag(rng: Rng, rows: int) -> Any:
    return pa.array((rng.random(rows) < 0.1).astype(np.int64), mask=rng.random(rows) < 0.05)


def _boolean(rng: Rng, rows: int) -> Any:
    return pa.array(rng.random(rows) < 0.3, mask=rng.random(rows) < 0.01)


def _texts(codes: Any, rng: Rng, missing: float) -> Any:
    mask = rng.random(len(codes)) < missing
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=mask), WORDS)


def _few(rng: Rng, rows: int) -> Any:
    return _texts(_EIGHT[rng.integers(0, len(_EIGHT), rows)], rng, 0.05)


def _fifty(rng: Rng, rows: int) -> Any:
    return _texts(rng.integers(0, 50, rows), rng, 0.0)


def _many(rng: Rng, rows: int) -> Any:
    """Three hundred categories, most of them rare."""
    return _texts(_CODES[rng.integers(0, len(_CODES), rows)], rng, 0.02)


def _marked(rng: Rng, rows: int) -> Any:
    """Numbers written as texts, with a mark where there is none."""
    texts = np.round(rng.normal(size=rows), 2).astype(str)
    texts[rng.random(rows) < 0.03] = "?"
    return pa.array(texts.tolist(), pa.string())


def _length(rng: Rng, rows: int) -> Any:
    return _TEXTS.take(pa.array(np.minimum(rng.poisson(12, rows), len(_TEXTS) - 1)))


def _time(rng: Rng, rows: int) -> Any:
    return pa.array(1_700_000_000_000_000 + rng.integers(0, 86_400_000_000, rows)).cast(pa.timestamp("us"))


def _embedding(rng: Rng, rows: int) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=4 * rows).astype(np.float32)), 4)


KINDS: dict[str, Callable[[Rng, int], Any]] = {
    "normal": _normal,
    "lognormal, sigma 3": _heavy,
    "rounded, 5 % missing": _tied,
    "null, NaN, infinite": _dirty,
    "flag 0/1": _flag,
    "8 categories": _few,
    "300 categories": _many,
    "text length": _length,
    "time": _time,
    "embedding": _embedding,
    "boolean": _boolean,
    "50 equal categories": _fifty,
    "texts of numbers and ?": _marked,
}
#: The kinds of a table with all of them; the others are looked at by themselves.
ALL = tuple(KINDS)[:10]
_TYPES = {"text length": ColumnType.TEXT_LENGTH, "time": ColumnType.TIME}


def table(kinds: Sequence[str], rng: Rng, rows: int) -> Any:
    """A table with a column of each kind given; kinds may repeat."""
    return pa.table({f"{i}": KINDS[kind](rng, rows) for i, kind in enumerate(kinds)})


def settings(kinds: Sequence[str]) -> list[ColumnSettings]:
    """The types of columns that are not told from their values."""
    return [ColumnSettings(name=f"{i}", type=_TYPES[kind]) for i, kind in enumerate(kinds) if kind in _TYPES]


def series(rng: Rng, rows: int, columns: int, phi: float) -> Any:
    """Columns of normal numbers, of rounded ones and of categories; each row resembles the one before it by ``phi``."""
    made = {}
    for i in range(columns):
        steps = rng.normal(size=rows)
        steps[1:] *= np.sqrt(1 - phi**2)
        values = signal.lfilter([1.0], [1.0, -phi], steps)
        if i % 5 == 3:
            values = np.round(values * 2)
        made[f"{i}"] = _texts((special.ndtr(values) * 6).astype(np.int64), rng, 0.0) if i % 5 == 4 else pa.array(values)
    return pa.table(made)
