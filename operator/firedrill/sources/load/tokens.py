"""The pieces of a streamed chat answer, with the time of each."""

import json
from typing import Any


class TokenReader:
    """Reads server-sent events. A piece with content counts as a token; ``complete`` when the stream ended well."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.complete = False
        self._rest = b""

    def __call__(self, data: bytes, now: float) -> None:
        """Take a piece of the body, which came at ``now``."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            payload = line[5:].strip()
            if payload == b"[DONE]":
                self.complete = True
            elif _content(payload):
                self.times.append(now)


def _content(payload: bytes) -> str:
    try:
        event: Any = json.loads(payload)
    except ValueError:
        return ""
    choices = event.get("choices") if isinstance(event, dict) else None
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    delta = first.get("delta")
    content = delta.get("content") if isinstance(delta, dict) else None
    return content if isinstance(content, str) else ""
