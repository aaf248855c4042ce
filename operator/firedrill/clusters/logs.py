"""Logs as JSON lines on stderr: stdout holds results alone."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from firedrill.api.base import format_time

#: Attributes that a log call may carry by ``extra``; they become fields of their own.
_FIELDS = ("resource", "cluster", "run", "reason", "audit")


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, logger, message, what all records share, what this one carries."""

    def __init__(self, shared: Mapping[str, str]) -> None:
        super().__init__()
        self._shared = shared

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, object] = {
            "time": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._shared,
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(level: str = "INFO", shared: Mapping[str, str] | None = None, stream: TextIO | None = None) -> None:
    """Send all logs of this process to stderr as JSON; ``shared`` are fields of every line."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(shared or {}))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # It tells every address that is asked, and some hold what is secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
