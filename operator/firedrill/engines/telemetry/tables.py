"""Tables of logs, Events, changes and pods, from the records of the recorder."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from firedrill.engines.telemetry.concealment import cleaned, tells
from firedrill.engines.telemetry.schemas import STREAMS

Row = Mapping[str, Any]
Columns = dict[str, Any]


class InvalidRecord(ValueError):
    """A record is not what the recorder writes; the message names the stream and the record."""


def parse(stream: str, text: str) -> list[Row]:
    """The records of JSON lines. Raises InvalidRecord."""
    rows: list[Row] = []
    for line in filter(None, text.split("\n")):
        try:
            row = json.loads(line)
            datetime.fromisoformat(row["time"])
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidRecord(f"{stream}: not a record: {line[:120]!r}") from error
        rows.append(row)
    return rows


def table(stream: str, rows: Iterable[Row]) -> "pa.Table":
    """The table of a stream, without the records that tell of faults."""
    made = [_COLUMNS[stream](cleaned(stream, row)) for row in rows if not tells(stream, row)]
    return pa.Table.from_pylist(made, schema=STREAMS[stream])


def time_of(text: str | None) -> datetime | None:
    """A time as the recorder writes it, to the microsecond."""
    return datetime.fromisoformat(text) if text else None


def _log(row: Row) -> Columns:
    line = row.get("line") or ""
    level, trace, message = _parts(line)
    return {
        "time": time_of(row["time"]),
        "service": row.get("service"),
        "pod": row.get("pod"),
        "container": row.get("container"),
        "level": level,
        "trace_id": trace,
        "message": message,
        "line": line,
    }


def _parts(line: str) -> tuple[str | None, str | None, str]:
    """Level, trace and message of a line that is a JSON object; of any other the line is the message."""
    if line.startswith("{"):
        try:
            parsed = json.loads(line)
        except ValueError:
            return None, None, line
        return _text(parsed.get("level")), _text(parsed.get("trace_id")), _text(parsed.get("msg")) or line
    return None, None, line


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _event(row: Row) -> Columns:
    same = ("type", "reason", "kind", "name", "message", "controller", "count")
    return {"time": time_of(row["time"]), **{key: row.get(key) for key in same}, "field_path": row.get("fieldPath")}


def _change(row: Row) -> Columns:
    return {
        "time": time_of(row["time"]),
        **{key: row.get(key) for key in ("kind", "name", "action", "manager")},
        "resource_version": row.get("resourceVersion"),
        "patch": json.dumps(row.get("patch"), sort_keys=True),
    }


def _pod(row: Row) -> Columns:
    same = ("service", "pod", "action", "phase", "reason", "ready", "node", "restarts", "waiting")
    return {
        "time": time_of(row["time"]),
        **{key: row.get(key) for key in same},
        "last_termination": row.get("lastTermination"),
        # The recorder leaves 0 out.
        "last_exit_code": row.get("lastExitCode", 0) if row.get("lastTermination") else None,
        "last_finished_at": time_of(row.get("lastFinishedAt")),
    }


_COLUMNS: Final[Mapping[str, Callable[[Row], Columns]]] = {
    "logs": _log,
    "events": _event,
    "changes": _change,
    "pods": _pod,
}
