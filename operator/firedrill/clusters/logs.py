"""Logs as JSON lines on stderr: stdout holds results alone."""

import json
import logging
import sys
from datetime import UTC, datetime

from firedrill.api.base import format_time

#: Attributes that a log call may carry by ``extra``; they become fields of their own.
_FIELDS = ("resource", "cluster", "run", "reason", "audit")


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, logger, message, and the fields of the run."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, object] = {
            "time": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(level: str = "INFO") -> None:
    """Send all logs of this process to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
