"""Rows and predictions as tensors of the Open Inference Protocol, version 2: what HTTP and gRPC share."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from firedrill.api.endpoint import OpenInference, TensorLayout, TensorType
from firedrill.api.written import number_in
from firedrill.sources.errors import InvalidTable
from firedrill.sources.serving.port import Columns, Reply, Value, malformed, one_row

_WHOLE: Final = frozenset({TensorType.INT64, TensorType.INT32, TensorType.INT16, TensorType.INT8, TensorType.UINT8})
_DEFAULT_INPUT: Final = "input-0"
_DIGITS: Final = re.compile(r"[+-]?[0-9]+")
_ERROR_SHOWN: Final = 200


@dataclass(frozen=True)
class Tensor:
    """One input of one row."""

    name: str
    datatype: TensorType
    shape: tuple[int, ...]
    data: tuple[Value, ...]


@dataclass(frozen=True)
class Plan:
    """How rows become tensors: names and types of the inputs. One input takes the whole row, several a column each."""

    names: tuple[str, ...]
    types: tuple[TensorType, ...]

    def tensors(self, row: Sequence[Value | None]) -> tuple[Tensor, ...]:
        """The inputs of a row; a blank number is sent as NaN where the type has one, else refused by InvalidTable."""
        if len(self.names) == 1 and len(row) != 1:
            values = tuple(_value(value, self.types[0]) for value in row)
            return (Tensor(self.names[0], self.types[0], (1, len(values)), values),)
        return tuple(
            Tensor(name, kind, (1, 1), (_value(value, kind),))
            for name, kind, value in zip(self.names, self.types, row, strict=True)
        )


def plan(endpoint: OpenInference, columns: Columns, metadata: Any) -> Plan:
    """Names and types from the spec, else from the metadata of the model, else the defaults.

    Raises InvalidTable where the columns are not what the model's metadata declares.
    """
    told = _inputs(metadata)
    if endpoint.layout is TensorLayout.COLUMNS:
        return _by_column(endpoint, columns, told)
    if len(told) > 1:
        raise InvalidTable(
            f"the model declares {len(told)} inputs ({_listed(list(told))}), not one tensor for a row; "
            "set endpoint.openInference.layout: Columns"
        )
    only = next(iter(told.values())) if told else {}
    kind = endpoint.datatype or _datatype(only.get("datatype")) or TensorType.FP64
    if columns.text is not None and kind is not TensorType.BYTES:
        raise InvalidTable(
            f"column {columns.text!r} holds text, not numbers: encode it, name it in ignoreColumns, or set "
            "endpoint.openInference.layout: Columns"
        )
    wanted = _width(only.get("shape"))
    if wanted is not None and wanted != len(columns.names):
        raise InvalidTable(
            f"the model declares {wanted} features, and {len(columns.names)} columns would be sent: "
            f"{_listed(columns.names)}; name what is too much in ignoreColumns"
        )
    return Plan((endpoint.input_name or next(iter(told), _DEFAULT_INPUT),), (kind,))


def prediction(reply: Reply, output: str | None) -> Reply:
    """The prediction in the body of a successful reply, or a MALFORMED reply that says what is wrong.

    The shapes [1], [1, 1] and [1, k] are all one row, with the data nested or not; so is [k], unless its values may be
    labels.
    """
    body = reply.body
    outputs = body.get("outputs") if isinstance(body, dict) else None
    if not isinstance(outputs, list) or not outputs:
        said = f": {str(body['error'])[:_ERROR_SHOWN]}" if isinstance(body, dict) and "error" in body else ""
        return malformed(reply, reply.error or f"the answer has no outputs{said}")
    named = [item for item in outputs if isinstance(item, dict) and (output is None or item.get("name") == output)]
    if not named:
        return malformed(reply, f"the answer has no output {output!r}" if output else "the outputs are not objects")
    shape = named[0].get("shape")
    if not isinstance(shape, list) or len(shape) < 2 or not isinstance(shape[0], int):
        return one_row(reply, named[0].get("data"), "the output")
    if shape[0] > 1:
        return malformed(reply, f"the output has shape {shape}, so {shape[0]} rows, but one was asked for")
    return one_row(reply, named[0].get("data"), "the output", is_row=True)


def _by_column(endpoint: OpenInference, columns: Columns, told: dict[str, Any]) -> Plan:
    missing = [name for name in told if name not in columns.names]
    unknown = [name for name in columns.names if told and name not in told]
    if missing or unknown:
        said = [f"has no column for {_listed(missing)}"] if missing else []
        said += [f"has {_listed(unknown)}, which the model does not declare"] if unknown else []
        raise InvalidTable(f"the data {' and '.join(said)}")
    types = tuple(
        _datatype(told.get(name, {}).get("datatype"))
        or (endpoint.datatype or TensorType.FP64 if number else TensorType.BYTES)
        for name, number in zip(columns.names, columns.numeric, strict=True)
    )
    return Plan(columns.names, types)


def _inputs(metadata: Any) -> dict[str, Any]:
    inputs = metadata.get("inputs") if isinstance(metadata, dict) else None
    named = [item for item in inputs if isinstance(item, dict)] if isinstance(inputs, list) else []
    return {str(item["name"]): item for item in named if item.get("name")}


def _datatype(told: Any) -> TensorType | None:
    return TensorType(told) if isinstance(told, str) and told in TensorType.__members__ else None


def _width(shape: Any) -> int | None:
    """Features that a declared shape [n, k] has; None where it leaves that open."""
    if not isinstance(shape, list) or len(shape) != 2 or not isinstance(shape[1], int):
        return None
    return shape[1] if shape[1] > 0 else None


def _value(value: Value | None, kind: TensorType) -> Value:
    if kind is TensorType.BYTES:
        return "" if value is None else str(value)
    if value is None:
        if kind in (TensorType.FP64, TensorType.FP32, TensorType.FP16):
            return float("nan")
        raise InvalidTable(f"a blank can not be sent as {kind.value}")
    number = number_in(value) if isinstance(value, str) else float(value)
    if number is None or (isinstance(value, str) and not math.isfinite(number)):
        raise InvalidTable(f"the model takes {kind.value}, but a feature holds the text {str(value)[:40]!r}")
    if kind in _WHOLE:
        if not number.is_integer():
            raise InvalidTable(
                f"the model takes {kind.value}, but a feature holds {number:g}; set endpoint.openInference.datatype"
            )
        # A float does not hold every whole number of 64 bits.
        return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value.strip()) else int(number)
    return bool(number) if kind is TensorType.BOOL else number


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:20]) + (" and more" if len(names) > 20 else "")
