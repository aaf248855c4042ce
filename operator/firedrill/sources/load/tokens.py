"""The pieces of a streamed chat answer, with the time of each."""

import json
from typing import Any, Final

#: Where pieces have their text: the answer, and what came before it, as vLLM and others name it.
_TEXTS: Final = ("content", "reasoning_content", "reasoning")


class TokenReader:
    """Reads server-sent events. A piece with text counts as a token, be it of the answer or of what a model thinks
    before it; ``complete`` when the stream ended well, ``error`` is the event by which it did not, as it came."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.complete = False
        self.error = b""
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
                continue
            event = _event(payload)
            if event.get("error"):
                self.error = self.error or payload
            elif _has_text(event):
                self.times.append(now)


def _event(payload: bytes) -> dict[str, Any]:
    try:
        event: Any = json.loads(payload)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _has_text(event: dict[str, Any]) -> bool:
    choices = event.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    delta = first.get("delta")
    return isinstance(delta, dict) and any(isinstance(delta.get(key), str) and delta[key] for key in _TEXTS)
