"""What was sent to a server is left out of what is told of its answer."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

#: Stands for what was left out.
LEFT_OUT: Final = "…"
#: A run of this many characters of what was sent is an echo, whatever it is.
_ECHO: Final = 16
#: Shorter words and numbers tell nothing of anybody, and are in every message.
_WORD: Final = 3
_LOOKED_AT: Final = 1000
_WORDS: Final = re.compile(r"\w+(?:[.@+'-]\w+)*")


def without(said: str, sent: bytes) -> str:
    """The text without runs of what was sent, and without words and numbers that are values in it.

    ``sent`` may be JSON, of which names of fields are no values, or anything else, of which all words are.
    """
    if not sent:
        return said
    text = sent.decode(errors="replace")
    try:
        leaves = [str(leaf) for leaf in _leaves(json.loads(text))]
    except (ValueError, RecursionError):
        leaves = [text]
    values = {_plain(word) for leaf in leaves for word in (*_WORDS.findall(leaf), leaf)}
    whole = said if len(said) <= _LOOKED_AT else re.sub(r"[\w.@+'-]+$", "", said[:_LOOKED_AT])
    shown = _without_echo(whole, (text, *leaves))
    kept = _WORDS.sub(lambda found: LEFT_OUT if _is_value(found.group(), values) else found.group(), shown)
    return re.sub(f"{LEFT_OUT}(?:[^\\w{LEFT_OUT}]{{0,3}}{LEFT_OUT})+", LEFT_OUT, kept)


def _without_echo(said: str, texts: tuple[str, ...]) -> str:
    kept, at = [], 0
    while at < len(said):
        end = at + _ECHO
        source = next((text for text in texts if end <= len(said) and said[at:end] in text), None)
        if source is None:
            kept.append(said[at])
            at += 1
            continue
        while end < len(said) and said[at : end + 1] in source:
            end += 1
        kept.append(LEFT_OUT)
        at = end
    return "".join(kept)


def _is_value(word: str, values: set[str]) -> bool:
    if len(word) < _WORD:
        return False
    return _plain(word) in values or any(_plain(part) in values for part in re.findall(r"\w{3,}", word))


def _plain(word: str) -> str:
    """Numbers however they are written, words without case."""
    try:
        return repr(float(word))
    except ValueError:
        return word.casefold()


def _leaves(value: Any) -> Iterator[str | int | float]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif not isinstance(value, bool | None):
        yield value
