"""Sketches as workers hand them over: JSON, with numbers in base64. What comes in is checked before it is believed.

The library's own serialised form is not used: it is read by code that trusts it.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, ValidationError

from firedrill.api.base import Model
from firedrill.api.errors import describe
from firedrill.engines.drift.sketch.column import ColumnSketch
from firedrill.engines.drift.sketch.counts import GROUPS, Counted
from firedrill.engines.drift.sketch.table import TableSketch
from firedrill.engines.drift.sketch.weighted import EMPTY, Weighted

_NUMBERS: Final = np.dtype("<f8")
_COUNTS: Final = np.dtype("<i8")
#: More than any sketch keeps.
_MOST: Final = 65_536
_Count = Annotated[int, Field(ge=0, lt=2**53)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Packed = Annotated[str, Field(max_length=_MOST * 11)]


class NotASketch(ValueError):
    """What should be a sketch is none; the message says where."""


class _Values(Model):
    values: _Packed
    weights: _Packed
    variance: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    #: None where there are no values: that numbers are looked for is said even so.
    least: _Finite | None = None
    greatest: _Finite | None = None


class _Column(Model):
    kind: Literal["", "numeric", "boolean", "text", "temporal", "unsupported"]
    type: Annotated[str, Field(max_length=4096)]
    rows: _Count
    missing: _Count
    numbers: _Values | None = None
    names: Annotated[dict[str, _Count], Field(max_length=_MOST)] | None = None
    groups: Annotated[list[_Count], Field(min_length=GROUPS, max_length=GROUPS)] | None = None
    #: Of what is in groups, how many are numbers and how many are words.
    numeric: _Count = 0
    words: _Count = 0
    plus_infinite: _Count
    minus_infinite: _Count
    invalid: _Count
    problem: Annotated[str, Field(max_length=4096)]


class _Table(Model):
    names: Annotated[list[str], Field(max_length=_MOST)]
    rows: _Count
    columns: dict[str, _Column]
    source: Annotated[str, Field(max_length=128)]


def to_wire(table: TableSketch) -> dict[str, Any]:
    """A sketch as JSON."""
    columns = {name: _column(column) for name, column in table.columns.items()}
    return _Table(names=list(table.names), rows=table.rows, columns=columns, source=table.source).to_wire()


def from_wire(wire: Any) -> TableSketch:
    """A sketch from JSON. Raises NotASketch where it is none, or where its counts do not agree."""
    try:
        table = _Table.model_validate(wire)
    except ValidationError as error:
        raise NotASketch(describe(error, "sketch")[:500]) from error
    columns: Mapping[str, ColumnSketch] = {name: _parsed(name, each) for name, each in table.columns.items()}
    for name, column in columns.items():
        if name not in table.names:
            raise NotASketch(f"there is a sketch of {name!r}, which is no column of the table")
        if column.rows != table.rows:
            raise NotASketch(f"column {name!r} has {column.rows} rows, and the table {table.rows}")
    return TableSketch(tuple(table.names), table.rows, columns, table.source)


def _column(column: ColumnSketch) -> _Column:
    held, counts = column.values, column.counts
    numbers = None
    if held is not None:
        numbers = _Values(
            values=_pack(held.values.astype(_NUMBERS)),
            weights=_pack(held.weights.astype(_COUNTS)),
            variance=held.variance,
            least=held.least if held.size else None,
            greatest=held.greatest if held.size else None,
        )
    return _Column(
        kind=column.kind,
        type=column.type[:4096],
        rows=column.rows,
        missing=column.missing,
        numbers=numbers,
        names=dict(counts.names) if counts is not None and counts.names is not None else None,
        groups=counts.groups.tolist() if counts is not None and counts.groups is not None else None,
        numeric=counts.numbers if counts is not None else 0,
        words=counts.words if counts is not None else 0,
        plus_infinite=column.plus_infinite,
        minus_infinite=column.minus_infinite,
        invalid=column.invalid,
        problem=column.problem[:4096],
    )


def _parsed(name: str, wire: _Column) -> ColumnSketch:
    if sum(part is not None for part in (wire.numbers, wire.names, wire.groups)) > 1:
        raise NotASketch(f"column {name!r} is kept in more than one way")
    odd = wire.missing + wire.plus_infinite + wire.minus_infinite + wire.invalid
    values = _weighted(name, wire.numbers) if wire.numbers is not None else None
    counts = None
    if wire.names is not None or wire.groups is not None:
        groups = np.array(wire.groups, dtype=np.int64) if wire.groups is not None else None
        counts = Counted(wire.names, groups, wire.numeric, wire.words)
    if wire.numeric + wire.words > (sum(wire.groups) if wire.groups is not None else 0):
        raise NotASketch(f"column {name!r} has more numbers and words than texts in groups")
    held = values.size if values is not None else counts.size if counts is not None else 0
    kept = values is not None or counts is not None
    if odd + held > wire.rows or (kept and odd + held != wire.rows):
        raise NotASketch(f"column {name!r} has {wire.rows} rows, and its sketch stands for {odd + held}")
    return ColumnSketch(
        wire.kind,
        wire.type,
        wire.rows,
        wire.missing,
        values,
        counts,
        wire.plus_infinite,
        wire.minus_infinite,
        wire.invalid,
        wire.problem,
    )


def _weighted(name: str, wire: _Values) -> Weighted:
    values, weights = _unpack(name, wire.values, _NUMBERS), _unpack(name, wire.weights, _COUNTS)
    if wire.least is None or wire.greatest is None:
        if len(values) or len(weights):
            raise NotASketch(f"column {name!r} has numbers, and neither a least nor a greatest")
        return EMPTY
    if len(values) != len(weights) or not len(values):
        raise NotASketch(f"column {name!r} has {len(values)} numbers with {len(weights)} weights")
    if not np.isfinite(values).all() or (np.diff(values) < 0).any():
        raise NotASketch(f"numbers of column {name!r} are not finite, or not in order")
    if (weights < 1).any() or (weights >= 2**53).any() or sum(weights.tolist()) >= 2**53:
        raise NotASketch(f"weights of column {name!r} are not what a sketch has")
    if not wire.least <= values[0] or not values[-1] <= wire.greatest:
        raise NotASketch(f"numbers of column {name!r} are beyond its least or greatest")
    return Weighted(values, weights, wire.variance, wire.least, wire.greatest)


def _pack(array: Any) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _unpack(name: str, text: str, kind: Any) -> Any:
    try:
        data = base64.b64decode(text, validate=True)
        return np.frombuffer(data, dtype=kind).astype(kind.newbyteorder("="))
    except (binascii.Error, ValueError) as error:
        raise NotASketch(f"column {name!r} is not base64 of whole numbers of 8 bytes: {error}") from error
