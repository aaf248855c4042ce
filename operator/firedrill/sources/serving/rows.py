"""Rows of a labelled table, ready to be sent."""

import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from firedrill.api.modelvalidation import LabelledData
from firedrill.sources.errors import InvalidTable
from firedrill.sources.serving.port import Columns, Value
from firedrill.sources.table import MemoryTable, SourceTable


@dataclass(frozen=True)
class Rows:
    """Usable rows: features by column, labels (none where there is no such column), the values that slices are made of,
    and how many had blanks."""

    columns: Columns
    features: tuple[tuple[Value, ...], ...]
    labels: tuple[Value, ...]
    skipped: int
    slices: tuple[tuple[str, ...], ...] = ()


def labelled_rows(table: SourceTable, dataset: LabelledData, slice_columns: tuple[str, ...] = ()) -> Rows:
    """Split a table into features and labels. Rows with a blank or infinite feature or a blank label are skipped; where
    the data has no column of labels, so are only the former.

    ``slice_columns`` are read beside, whether they are sent or not; a blank there is a slice of its own.
    Raises InvalidTable when a column is missing, or holds what can not be sent.
    """
    names, truth = list(table.names), dataset.label_column
    for wanted in (*([truth] if truth is not None else []), *slice_columns):
        if wanted not in names:
            raise InvalidTable(f"there is no column {wanted!r}; the columns are {_listed(names)}")
    unsent = {*dataset.ignore_columns, *(name for name in (truth, dataset.group_column) if name is not None)}
    columns, features = _features(table, unsent)
    labels = None if truth is None else _labels(table.column(names.index(truth)), truth)
    groups = [[_group(v) for v in table.column(names.index(name)).to_pylist()] for name in slice_columns]
    rows = list(zip(*features, strict=True))
    usable = [i for i, row in enumerate(rows) if (labels is None or labels[i] is not None) and None not in row]
    return Rows(
        columns=columns,
        features=tuple(rows[i] for i in usable),
        labels=() if labels is None else tuple(label for i in usable if (label := labels[i]) is not None),
        skipped=len(rows) - len(usable),
        slices=tuple(tuple(values[i] for i in usable) for values in groups),
    )


def plain_rows(table: SourceTable, ignored: set[str]) -> Rows:
    """Rows without labels, as a load needs them; those with blanks are skipped."""
    columns, features = _features(table, ignored)
    rows = list(zip(*features, strict=True))
    usable = tuple(row for row in rows if None not in row)
    return Rows(columns, usable, (), len(rows) - len(usable))


def _features(table: SourceTable, ignored: set[str]) -> tuple[Columns, list[list[Value | None]]]:
    used = [(i, name) for i, name in enumerate(table.names) if name not in ignored]
    if not used:
        raise InvalidTable("no column is left to send to the model")
    # A model was trained on what others read of such a file: a number, with zeros before it or not.
    codes = table.codes if isinstance(table, MemoryTable) else ()
    read = [_values(table.column(i).cast(pa.float64()) if name in codes else table.column(i), name) for i, name in used]
    return Columns(tuple(name for _, name in used), tuple(numeric for numeric, _ in read)), [v for _, v in read]


def _values(column: Any, name: str) -> tuple[bool, list[Value | None]]:
    """Whether a column is numeric, and its values; None for what is blank or infinite."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return False, [value if value is not None and value.strip() else None for value in column.to_pylist()]
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (numeric or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise InvalidTable(f"column {name!r} holds {kind}, neither numbers nor text: name it in ignoreColumns")
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    values = column.cast(pa.float64(), safe=False).to_pylist()
    return True, [value if value is not None and math.isfinite(value) else None for value in values]


def _labels(column: Any, name: str) -> list[Value | None]:
    labels: list[Value | None] = []
    for value in column.to_pylist():
        blank = value is None or value != value or (isinstance(value, str) and not value.strip())
        if not blank and not isinstance(value, Value):
            raise InvalidTable(f"label column {name!r} holds {column.type}, which is no label")
        labels.append(None if blank else value)
    return labels


def _group(value: Any) -> str:
    return "(blank)" if value is None or value != value else str(value)


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:20]) + (" and more" if len(names) > 20 else "")
