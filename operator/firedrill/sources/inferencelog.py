"""Logs of requests and answers of served models, a row each instance: features and predictions become columns.

Form of the events: KServe's logger sends CloudEvents (type org.kubeflow.serving.inference.request and .response,
joined by id) with bodies of protocol V1 or of the Open Inference Protocol (V2); SageMaker writes captureData with
endpointInput and endpointOutput, and eventMetadata.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from firedrill.api.written import number_in
from firedrill.sources.errors import InvalidTable

Row = dict[str, Any]
Numbered = Sequence[tuple[int, Mapping[str, Any]]]

_REQUEST: Final = ".request"
_RESPONSE: Final = ".response"


def kserve_rows(events: Numbered) -> list[Row]:
    """Rows of KServe's logger: id, time, features, predictions; without predictions where no response was logged."""
    requests: dict[str, tuple[int, Mapping[str, Any]]] = {}
    answers: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for line, event in events:
        kind, identifier = str(event.get("type", "")), event.get("id")
        if not isinstance(identifier, str) or not kind.endswith((_REQUEST, _RESPONSE)):
            raise InvalidTable(
                f"line {line}: not an event of KServe's logger: id and a type that ends with .request or .response "
                "are needed"
            )
        (requests if kind.endswith(_REQUEST) else answers)[identifier] = (line, event)
    rows: list[Row] = []
    for identifier, (line, event) in requests.items():
        features = _instances(_body(event, line), line)
        answer = answers.get(identifier)
        predictions = _instances(_body(answer[1], answer[0]), answer[0]) if answer else [{} for _ in features]
        about = {"id": identifier, "time": event.get("time")}
        rows += _joined(about, features, predictions, answer[0] if answer else line)
    return rows


def sagemaker_rows(events: Numbered) -> list[Row]:
    """Rows of SageMaker's data capture: id (event or inference id), time, features, predictions."""
    rows: list[Row] = []
    for line, event in events:
        captured, meta = event.get("captureData"), event.get("eventMetadata")
        if not isinstance(captured, dict) or not isinstance(meta, dict):
            raise InvalidTable(f"line {line}: not an event of data capture: captureData and eventMetadata are needed")
        features = _captured(captured.get("endpointInput"), line, "endpointInput", "feature")
        if features is None:
            raise InvalidTable(f"line {line}: captureData.endpointInput is missing: the capture of inputs is off")
        predictions = _captured(captured.get("endpointOutput"), line, "endpointOutput", "prediction")
        about = {"id": meta.get("inferenceId") or meta.get("eventId"), "time": meta.get("inferenceTime")}
        rows += _joined(about, features, [{} for _ in features] if predictions is None else predictions, line)
    return rows


def _joined(about: Row, features: list[Row], predictions: list[Row], line: int) -> list[Row]:
    if len(features) != len(predictions):
        raise InvalidTable(f"line {line}: {len(predictions)} predictions for {len(features)} instances")
    return [{**about, **left, **right} for left, right in zip(features, predictions, strict=True)]


def _body(event: Mapping[str, Any], line: int) -> Any:
    if "data" in event:
        data = event["data"]
        return _json(data, line) if isinstance(data, str) else data
    encoded = event.get("data_base64")
    if encoded is None:
        raise InvalidTable(f"line {line}: the event has neither data nor data_base64")
    return _json(_decoded(encoded, line), line)


def _instances(body: Any, line: int) -> list[Row]:
    """The instances of a request, or the predictions of an answer, of either protocol."""
    if isinstance(body, dict):
        for key, name in (("instances", "feature"), ("predictions", "prediction")):
            if isinstance(body.get(key), list):
                return [_flat(item, name) for item in body[key]]
        for key, name in (("inputs", "feature"), ("outputs", "prediction")):
            if isinstance(body.get(key), list):
                return _tensors(body[key], name, line)
    raise InvalidTable(f"line {line}: data has none of instances, predictions, inputs, outputs as a list")


def _tensors(tensors: list[Any], name: str, line: int) -> list[Row]:
    """Rows of V2 tensors, whose first dimension is the batch. One tensor of several columns is numbered."""
    columns: dict[str, list[Any]] = {}
    for tensor in tensors:
        if not isinstance(tensor, dict) or not isinstance(tensor.get("data"), list):
            raise InvalidTable(f"line {line}: a tensor without data")
        rows = _rows_of(tensor["data"], tensor.get("shape"), line)
        width = len(rows[0]) if rows else 0
        label = name if len(tensors) == 1 else str(tensor.get("name", name))
        for i in range(width):
            column = f"{label}_{i}" if width > 1 or label == "feature" else label
            columns[column] = [row[i] for row in rows]
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise InvalidTable(f"line {line}: tensors of different batches: {sorted(lengths)} rows")
    return [{key: values[i] for key, values in columns.items()} for i in range(lengths.pop() if lengths else 0)]


def _rows_of(data: list[Any], shape: Any, line: int) -> list[list[Any]]:
    if data and isinstance(data[0], list):
        rows = [_leaves(row) for row in data]
    else:
        count = shape[0] if isinstance(shape, list) and shape and isinstance(shape[0], int) else len(data)
        if count <= 0 or len(data) % count:
            raise InvalidTable(f"line {line}: shape {shape} does not fit {len(data)} values")
        width = len(data) // count
        rows = [data[i * width : (i + 1) * width] for i in range(count)]
    if len({len(row) for row in rows}) > 1:
        raise InvalidTable(f"line {line}: instances of different lengths")
    return rows


def _flat(item: Any, name: str) -> Row:
    if isinstance(item, dict):
        return {key: value if _is_leaf(value) else json.dumps(value) for key, value in item.items()}
    values = _leaves(item)
    if name == "prediction" and len(values) == 1:
        return {name: values[0]}
    return {f"{name}_{i}": value for i, value in enumerate(values)}


def _leaves(value: Any) -> list[Any]:
    return [leaf for each in value for leaf in _leaves(each)] if isinstance(value, list) else [value]


def _is_leaf(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _captured(part: Any, line: int, field: str, name: str) -> list[Row] | None:
    """Rows of one side of a captured event; None where that side was not captured."""
    if part is None:
        return None
    if not isinstance(part, dict) or not isinstance(part.get("data"), str):
        raise InvalidTable(f"line {line}: captureData.{field} has no data")
    text, encoding = part["data"], str(part.get("encoding", "")).upper()
    if encoding == "BASE64":
        text = _decoded(text, line)
    elif encoding not in ("CSV", "JSON"):
        raise InvalidTable(f"line {line}: captureData.{field}.encoding {encoding!r} is not CSV, JSON or BASE64")
    if encoding == "JSON" or "json" in str(part.get("observedContentType", "")):
        body = _json(text, line)
        if isinstance(body, dict):
            keyed = any(key in body for key in ("instances", "predictions", "inputs", "outputs"))
            return _instances(body, line) if keyed else [_flat(body, name)]
        nested = isinstance(body, list) and bool(body) and isinstance(body[0], list | dict)
        return [_flat(item, name) for item in body] if nested else [_flat(body, name)]
    return [_flat([_number(cell) for cell in row.split(",")], name) for row in text.splitlines() if row.strip()]


def _number(cell: str) -> str | float | None:
    number = number_in(cell)
    return (cell.strip() or None) if number is None else number


def _decoded(text: str, line: int) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidTable(f"line {line}: data is not base64 of text") from error


def _json(text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidTable(f"line {line}: the body of the event is not JSON") from error
