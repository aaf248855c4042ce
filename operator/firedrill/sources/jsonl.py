"""JSON lines, also those whose fields change type or come and go from line to line."""

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.json as pajson

from firedrill.sources.encoding import mended
from firedrill.sources.errors import InvalidTable


def parse_jsonl(data: bytes) -> "pa.Table":
    """One JSON object a line, or one array of objects. Raises InvalidTable naming the line that is neither.

    A field that a line lacks is null there. A field that holds numbers in one line and text in another is text. A byte
    that is no UTF-8 is read as Latin-1.
    """
    if not data.strip():
        return pa.table({})
    data = data if data.isascii() else mended(data).encode()
    if data.lstrip()[:1] == b"{":
        try:
            return pajson.read_json(pa.BufferReader(data), pajson.ReadOptions(block_size=max(len(data), 1)))
        except pa.ArrowException:
            # Odd, but perhaps data all the same: the slow way reads more, and knows the line of what is wrong.
            return _table([row for _, row in objects(data)], _column)
    return _table([row for _, row in objects(data)], _column)


def objects(data: bytes) -> list[tuple[int, dict[str, Any]]]:
    """The objects of JSON lines, or of one array, each with its line. Raises InvalidTable naming what is neither."""
    text = mended(data)
    if text.lstrip().startswith("["):
        rows = _load(text, 1)
        numbered = list(enumerate(rows if isinstance(rows, list) else [rows], 1))
    else:
        numbered = [(i, _load(line, i)) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, row in numbered:
        if not isinstance(row, dict):
            raise InvalidTable(f"line {number}: not a JSON object but {type(row).__name__}")
    return numbered


def _load(text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        where = error.lineno - 1 + line if isinstance(error, json.JSONDecodeError) else line
        what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise InvalidTable(f"line {where}: not JSON: {what}") from error


def table_of(rows: list[dict[str, Any]]) -> "pa.Table":
    """A table of rows whose fields change type or come and go; texts stay texts, also where they are times."""
    return _table(rows, _array)


def _table(rows: list[dict[str, Any]], column: Callable[[list[Any]], Any]) -> "pa.Table":
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> Any:
    """Values of one kind as the quick way reads them, so that what one line has in one field changes no other field."""
    if len({type(value) for value in values if value is not None} - {float}) <= 1:
        lines = "\n".join(json.dumps({"value": value}) for value in values).encode()
        try:
            return pajson.read_json(pa.BufferReader(lines), pajson.ReadOptions(block_size=len(lines) + 1)).column(0)
        except pa.ArrowException:
            # What it can not hold, such as numbers that are too large.
            return _array(values)
    return _array(values)


def _array(values: list[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return pa.array(values, pa.bool_() if kinds else pa.null())
    if kinds <= {int, float, bool}:
        return pa.array([None if value is None else _float(value) for value in values], pa.float64())
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    # A lone surrogate is JSON, but not text.
    return text.encode("utf-8", errors="replace").decode("utf-8")
