"""Columns of every kind that the drift engine compares, drawn from one distribution on both sides.

A kind is drawn as numpy arrays. It goes into a table for the whole check, or straight to the engine's tests: a
hundred columns a thousand times would spend nine tenths of their time on tables and on bins that nobody looks at.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import signal, special

from calibration.direct import Tested, of_categories, of_numbers, of_vectors
from firedrill.api.driftcheck import ColumnSettings, ColumnType

Rng = np.random.Generator
Values = Any
#: Values or codes of rows, and which rows have none.
Drawn = tuple[Values, Values]

WORDS = pa.array([f"w{k:03d}" for k in range(1500)], pa.string())
_RARER = 1 / np.arange(1, 301) ** 1.2
_CODES = np.searchsorted(np.cumsum(_RARER / _RARER.sum()), (np.arange(100_000) + 0.5) / 100_000)
_EIGHT = np.repeat(np.arange(8), [30, 25, 15, 10, 8, 6, 4, 2])
_TEXTS = pa.array(["x" * k for k in range(1, 80)], pa.string())


def _dirty(rng: Rng, rows: int) -> Drawn:
    """Nulls, NaN, infinities of both signs."""
    values, which = rng.normal(size=rows), rng.random(rows)
    values[which < 0.02] = np.inf
    values[which < 0.01] = -np.inf
    values[which < 0.005] = np.nan
    return values, which > 0.97


def _marked(rng: Rng, rows: int) -> Drawn:
    texts = np.round(rng.normal(size=rows), 2).astype(str)
    texts[rng.random(rows) < 0.03] = "?"
    return texts, None


def _full(draw: Callable[[Rng, int], Values]) -> Callable[[Rng, int], Drawn]:
    return lambda rng, rows: (draw(rng, rows), None)


def _gaps(draw: Callable[[Rng, int], Values], share: float) -> Callable[[Rng, int], Drawn]:
    return lambda rng, rows: (draw(rng, rows), rng.random(rows) < share)


def _column(values: Values, missing: Values) -> Any:
    return pa.array(values, mask=missing)


def _words(codes: Values, missing: Values) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=missing), WORDS)


def _moments(values: Values, _missing: Values) -> Any:
    return pa.array(values).cast(pa.timestamp("us"))


def _vectors(values: Values, _missing: Values) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(values), 4)


@dataclass(frozen=True)
class Kind:
    """How a column is drawn, put into a table, and tested without one; the last is None where only a table will do."""

    draw: Callable[[Rng, int], Drawn]
    column: Callable[[Values, Values], Any] = _column
    tested: Callable[[Drawn, Drawn], list[Tested]] | None = of_numbers
    type: ColumnType | None = None


KINDS: dict[str, Kind] = {
    "normal": Kind(_full(lambda rng, rows: rng.normal(size=rows))),
    "lognormal, sigma 3": Kind(_full(lambda rng, rows: np.exp(3 * rng.normal(size=rows)))),
    "rounded, 5 % missing": Kind(_gaps(lambda rng, rows: np.round(rng.exponential(2, rows)), 0.05)),
    "null, NaN, infinite": Kind(_dirty),
    "flag 0/1": Kind(_gaps(lambda rng, rows: (rng.random(rows) < 0.1).astype(np.int64), 0.05)),
    "8 categories": Kind(
        _gaps(lambda rng, rows: _EIGHT[rng.integers(0, len(_EIGHT), rows)], 0.05), _words, of_categories
    ),
    "300 categories": Kind(
        _gaps(lambda rng, rows: _CODES[rng.integers(0, len(_CODES), rows)], 0.02), _words, of_categories
    ),
    "text length": Kind(
        _full(lambda rng, rows: np.minimum(rng.poisson(12, rows), len(_TEXTS) - 1)),
        lambda values, _missing: _TEXTS.take(pa.array(values)),
        type=ColumnType.TEXT_LENGTH,
    ),
    "time": Kind(
        _full(lambda rng, rows: 1_700_000_000_000_000 + rng.integers(0, 86_400_000_000, rows)),
        _moments,
        type=ColumnType.TIME,
    ),
    "embedding": Kind(_full(lambda rng, rows: rng.normal(size=4 * rows).astype(np.float32)), _vectors, of_vectors),
    "boolean": Kind(_gaps(lambda rng, rows: rng.random(rows) < 0.3, 0.01), _column, of_categories),
    "50 equal categories": Kind(_gaps(lambda rng, rows: rng.integers(0, 50, rows), 0.0), _words, of_categories),
    "texts of numbers and ?": Kind(_marked, lambda values, _missing: pa.array(values.tolist(), pa.string()), None),
    "1,500 equal categories": Kind(_gaps(lambda rng, rows: rng.integers(0, 1500, rows), 0.0), _words, of_categories),
}
#: The kinds of a table with all of them; the others are looked at by themselves.
ALL = tuple(KINDS)[:10]


def drawn(kinds: Sequence[str], rng: Rng, rows: int) -> list[Drawn]:
    """A column of each kind given; kinds may repeat."""
    return [KINDS[kind].draw(rng, rows) for kind in kinds]


def table(kinds: Sequence[str], columns: Sequence[Drawn]) -> Any:
    """The columns as a table."""
    return pa.table({f"{i}": KINDS[kind].column(*columns[i]) for i, kind in enumerate(kinds)})


def settings(kinds: Sequence[str]) -> list[ColumnSettings]:
    """The types of columns that are not told from their values."""
    types = [KINDS[kind].type for kind in kinds]
    return [ColumnSettings(name=f"{i}", type=kind) for i, kind in enumerate(types) if kind is not None]


def series(rng: Rng, rows: int, columns: int, phi: float) -> Any:
    """Columns of normal numbers, of rounded ones and of categories; each row resembles the one before it by ``phi``."""
    made = {}
    for i in range(columns):
        steps = rng.normal(size=rows)
        steps[1:] *= np.sqrt(1 - phi**2)
        values = signal.lfilter([1.0], [1.0, -phi], steps)
        if i % 5 == 3:
            values = np.round(values * 2)
        if i % 5 == 4:
            # The mask draws too: it keeps the seeds of what has been counted already.
            made[f"{i}"] = _words((special.ndtr(values) * 6).astype(np.int64), rng.random(rows) < 0.0)
        else:
            made[f"{i}"] = pa.array(values)
    return pa.table(made)
