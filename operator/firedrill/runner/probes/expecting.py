"""Whether a value is as expected, and the words for one that is not."""

import json
from typing import Any, Final

from firedrill.api.written import number_in

_SHOWN: Final = 80


def text_of(value: Any) -> str:
    """A value as a spec writes it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def number_of(value: Any) -> float | None:
    """A value as a number, also one that is written as text; None for what is none."""
    if isinstance(value, str):
        return number_in(value)
    # As it is: whole numbers that are too large for floats are compared with bounds all the same.
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def meets(value: Any, equals: str | None, low: float | None, high: float | None) -> bool:
    """Whether a value is the expected one, or within bounds."""
    if equals is not None:
        return text_of(value) == equals
    if low is None and high is None:
        return True
    number = number_of(value)
    return number is not None and (low is None or number >= low) and (high is None or number <= high)


def shown(value: Any) -> str:
    """A value, short enough for the evidence of a sample."""
    text = text_of(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
