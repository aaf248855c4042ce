"""Rows of a labelled table as requests of the Open Inference Protocol."""

import json
import math
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from firedrill.api.modelvalidation import LabelledData, TensorType
from firedrill.sources.errors import InvalidTable
from firedrill.sources.inference import Value
from firedrill.sources.table import SourceTable

_WHOLE: Final = frozenset({TensorType.INT64, TensorType.INT32, TensorType.INT16, TensorType.INT8, TensorType.UINT8})


@dataclass(frozen=True)
class Rows:
    """Usable rows: their features as lists of numbers, their labels, and how many had blanks."""

    features: tuple[tuple[float, ...], ...]
    labels: tuple[Value, ...]
    skipped: int


def labelled_rows(table: SourceTable, dataset: LabelledData) -> Rows:
    """Split a table into features and labels. Rows with a blank or infinite feature or a blank label are skipped.

    Raises InvalidTable when the label column is missing, or when a feature does not hold numbers.
    """
    names = list(table.names)
    if dataset.label_column not in names:
        raise InvalidTable(f"there is no column {dataset.label_column!r}; the columns are {_listed(names)}")
    ignored = {dataset.label_column, *dataset.ignore_columns}
    used = [(i, name) for i, name in enumerate(names) if name not in ignored]
    if not used:
        raise InvalidTable("no column is left to send to the model")
    columns = [_numbers(table.column(i), name) for i, name in used]
    labels = _labels(table.column(names.index(dataset.label_column)), dataset.label_column)
    rows = list(zip(*columns, strict=True))
    usable = [i for i, row in enumerate(rows) if labels[i] is not None and all(map(math.isfinite, row))]
    return Rows(
        features=tuple(rows[i] for i in usable),
        labels=tuple(label for i in usable if (label := labels[i]) is not None),
        skipped=len(rows) - len(usable),
    )


def request_body(features: tuple[float, ...], name: str, datatype: TensorType) -> bytes:
    """The body of an inference request for one row.

    Raises InvalidTable when whole numbers are wanted and a feature is none: it is not rounded in silence.
    """
    data: list[Any] = list(features)
    if datatype in _WHOLE:
        odd = next((value for value in features if not value.is_integer()), None)
        if odd is not None:
            raise InvalidTable(f"the model takes {datatype.value}, but a feature holds {odd:g}; set endpoint.datatype")
        data = [int(value) for value in features]
    elif datatype is TensorType.BOOL:
        data = [bool(value) for value in features]
    tensor = {"name": name, "shape": [1, len(data)], "datatype": datatype.value, "data": data}
    return json.dumps({"inputs": [tensor]}, separators=(",", ":"), allow_nan=False).encode()


def _numbers(column: Any, name: str) -> list[float]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (numeric or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise InvalidTable(f"column {name!r} holds {kind}, not numbers: encode it, or name it in ignoreColumns")
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    values = column.cast(pa.float64(), safe=False).to_pylist()
    return [math.nan if value is None else value for value in values]


def _labels(column: Any, name: str) -> list[Value | None]:
    labels: list[Value | None] = []
    for value in column.to_pylist():
        blank = value is None or value != value or (isinstance(value, str) and not value.strip())
        if not blank and not isinstance(value, Value):
            raise InvalidTable(f"label column {name!r} holds {column.type}, which is no label")
        labels.append(None if blank else value)
    return labels


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:20]) + (" and more" if len(names) > 20 else "")
