"""What must not be in telemetry that is handed to a diagnosis: whatever tells which faults are on.

The recorder keeps such records apart already. This is the second door: an older recorder, or a component that learns
a new way to say it, must not give the answer away.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

Row = Mapping[str, Any]

FLAGS: Final = "flags"
RECORDER: Final = "recorder"
INJECTOR: Final = "firedrill"
INJECTOR_DOMAIN: Final = "firedrill.dev/"
#: Metrics that carry flags and their values.
METRICS: Final = frozenset({"flag_value", "flags_set", "flag_documents_total"})

_OF_RECORDER: Final = "recorder_"
_NAMES_FLAGS: Final = re.compile(r"\bflags?\b", re.IGNORECASE)
_CAUSE: Final = re.compile(r"the flag \w+ is set")
_PLAIN_CAUSE: Final = "internal error"


def tells_metric(name: str) -> bool:
    """Whether a metric tells of faults."""
    return name in METRICS or name.startswith(_OF_RECORDER)


def tells_service(name: str) -> bool:
    """Whether a service serves or records the truth; all its metrics move with it."""
    return name in (FLAGS, RECORDER)


def tells(stream: str, row: Row) -> bool:
    """Whether a record of a stream tells of faults."""
    return _TELLS[stream](row)


def cleaned(stream: str, row: Row) -> Row:
    """The record without the words in it that tell of faults."""
    if stream == "logs":
        return {**row, "line": _CAUSE.sub(_PLAIN_CAUSE, row.get("line") or "")}
    if stream == "changes":
        return {**row, "patch": _without_injector(row.get("patch"))}
    return row


def _log_tells(row: Row) -> bool:
    line = row.get("line") or ""
    if row.get("service") == FLAGS:
        return True
    if not line.startswith("{") or not _NAMES_FLAGS.search(line):
        return False
    try:
        parsed = json.loads(line)
    except ValueError:
        return False
    message = str(parsed.get("msg", ""))
    return parsed.get("truth") is True or FLAGS in parsed or bool(_NAMES_FLAGS.search(message))


def _event_tells(row: Row) -> bool:
    name = row.get("name") or ""
    return (
        _is_of(name, FLAGS)
        or name.startswith(INJECTOR)
        or (row.get("controller") or "").startswith(INJECTOR)
        or (row.get("fieldPath") or "").startswith("spec.ephemeralContainers{")
        or INJECTOR_DOMAIN in (row.get("message") or "")
    )


def _change_tells(row: Row) -> bool:
    return row.get("name") == FLAGS or (row.get("manager") or "").startswith(INJECTOR)


def _pod_tells(row: Row) -> bool:
    return row.get("service") == FLAGS or (row.get("pod") or "").startswith(INJECTOR)


_TELLS: Final = {"logs": _log_tells, "events": _event_tells, "changes": _change_tells, "pods": _pod_tells}


def _is_of(name: str, workload: str) -> bool:
    return name == workload or name.startswith(f"{workload}-")


def _without_injector(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_injector(v) for key, v in value.items() if not key.startswith(INJECTOR_DOMAIN)}
    if isinstance(value, list):
        return [_without_injector(item) for item in value]
    return value
