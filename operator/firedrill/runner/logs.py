"""Logs of runner and guardian: one JSON object a line on standard error, each with the run it belongs to."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from firedrill.api.base import format_time
from firedrill.api.task import Task


class JsonFormatter(logging.Formatter):
    """Time, level, logger and message, the fields of the run, and the traceback of an error."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line: dict[str, str] = {
            "time": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields,
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up(task: Task, role: str, stream: TextIO | None = None) -> None:
    """Log to standard error from here on; ``role`` is runner or guardian."""
    handler = logging.StreamHandler(stream or sys.stderr)
    fields = {
        "role": role,
        "kind": task.kind,
        "resource": f"{task.namespace}/{task.name}",
        "cluster": task.cluster,
        "run": task.run_id,
    }
    handler.setFormatter(JsonFormatter(fields))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
