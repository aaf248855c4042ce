"""One column of one side, read in pieces."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from firedrill.api.driftcheck import ColumnSettings, ColumnType
from firedrill.engines.drift.shapes import NotThisType, is_embedding, shaped_side
from firedrill.engines.drift.sketch import counts, weighted
from firedrill.engines.drift.sketch.counts import Counted, Counter
from firedrill.engines.drift.sketch.errors import MixedColumn
from firedrill.engines.drift.sketch.quantiles import QuantileSketcher
from firedrill.engines.drift.sketch.room import Room
from firedrill.engines.drift.sketch.weighted import Weighted
from firedrill.engines.drift.values import family_of, kind_of, names_of, parse_texts, values_in_order

#: What sketches can not compare, for a message.
_NO_VECTORS: Final = "vectors are placed on a line that all of them decide: sketches can not compare them"


class Form(StrEnum):
    """What is kept of a column."""

    NUMBERS = "numbers"
    CATEGORIES = "categories"
    #: Only what is missing.
    PRESENCE = "presence"


@dataclass(frozen=True)
class ColumnSketch:
    """What is kept of a column. ``kind`` is that of its values, ``type`` what they are called in messages; both are
    empty where no piece had any. ``problem`` says why values are not compared."""

    kind: str
    type: str
    rows: int
    missing: int
    values: Weighted | None = None
    counts: Counted | None = None
    plus_infinite: int = 0
    minus_infinite: int = 0
    invalid: int = 0
    problem: str = ""


class ColumnSketcher:
    """Takes the pieces of a column, one after the other."""

    def __init__(self, settings: ColumnSettings, named: bool, room: Room) -> None:
        self._settings, self._named, self._room = settings, named, room
        self._kind = self._type = self._problem = ""
        self._rows = self._missing = self._plus = self._minus = self._invalid = 0
        self._quantiles: QuantileSketcher | None = None
        self._counter: Counter | None = None

    def add(self, column: Any) -> None:
        """Take one more piece, a ChunkedArray. Raises MixedColumn where it is of another type than those before."""
        self._rows += len(column)
        kind = kind_of(column.type)
        if kind == "empty":
            self._missing += len(column)
            return
        called = family_of(column.type) if kind == "unsupported" else str(column.type)
        if self._kind and (kind != self._kind or (kind == "unsupported" and called != self._type)):
            raise MixedColumn(f"column {self._settings.name!r} is {self._type} in one piece and {called} in another")
        self._kind, self._type = kind, self._type or called
        form = self._form(column.type, kind)
        if form is Form.NUMBERS:
            self._numbers(column)
        elif form is Form.CATEGORIES:
            texts = names_of(column, False)
            self._missing += texts.null_count
            self._counter = self._counter or Counter(self._room)
            self._counter.add(texts)
        else:
            self._missing += column.null_count

    def result(self) -> ColumnSketch:
        """What was kept so far."""
        return ColumnSketch(
            self._kind,
            self._type,
            self._rows,
            self._missing,
            self._quantiles.result() if self._quantiles and not self._problem else None,
            self._counter.result() if self._counter and not self._problem else None,
            self._plus,
            self._minus,
            self._invalid,
            self._problem,
        )

    def _form(self, kind: Any, word: str) -> Form:
        asked = self._settings.type
        if asked is ColumnType.EMBEDDING or (asked is None and is_embedding(kind)):
            self._problem = _NO_VECTORS
        if self._problem or word == "unsupported":
            return Form.PRESENCE
        if asked is ColumnType.CATEGORICAL or (asked is None and word in ("boolean", "text")):
            return Form.CATEGORIES
        if asked is None and word == "temporal" and not self._named:
            return Form.PRESENCE
        return Form.NUMBERS

    def _numbers(self, column: Any) -> None:
        try:
            column = shaped_side(column, self._settings.type)
        except NotThisType as error:
            self._problem = str(error)
            self._missing += column.null_count
            return
        if kind_of(column.type) == "text":
            parsed = parse_texts(column)
            values, missing, self._invalid = parsed.values, parsed.missing, self._invalid + parsed.invalid
        else:
            values = values_in_order(column)
            known = ~np.isnan(values)
            values, missing = values[known], len(values) - int(known.sum())
        self._missing += missing
        self._plus += int(np.count_nonzero(values == np.inf))
        self._minus += int(np.count_nonzero(values == -np.inf))
        self._quantiles = self._quantiles or QuantileSketcher(self._room.k, self._room.few)
        self._quantiles.add(values[np.isfinite(values)])


def merge(name: str, parts: Sequence[ColumnSketch], room: Room) -> ColumnSketch:
    """The sketches of the pieces of a column as one. Raises MixedColumn where their types differ."""
    known = [part for part in parts if part.kind]
    for part in known:
        if part.kind != known[0].kind or (part.kind == "unsupported" and part.type != known[0].type):
            raise MixedColumn(f"column {name!r} is {known[0].type} in one piece and {part.type} in another")
    values = [part.values for part in parts if part.values is not None]
    counted = [part.counts for part in parts if part.counts is not None]
    problem = next((part.problem for part in parts if part.problem), "")
    return ColumnSketch(
        known[0].kind if known else "",
        known[0].type if known else "",
        sum(part.rows for part in parts),
        sum(part.missing for part in parts),
        weighted.merge(values) if values and not problem else None,
        counts.merge(counted, room) if counted and not problem else None,
        sum(part.plus_infinite for part in parts),
        sum(part.minus_infinite for part in parts),
        sum(part.invalid for part in parts),
        problem,
    )
