"""Waiting without guessing: look until it is so, within a bound."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Generous, because machines of tests are slow at times; a test that passes never waits for it.
PATIENCE = 120.0
_PAUSE = 0.05


def eventually(look: Callable[[], T], what: str, *, within: float = PATIENCE, also: Callable[[], object] = str) -> T:
    """The first truthy answer of ``look``. Raises AssertionError with ``what`` and the last answer when time is up.

    AssertionErrors of ``look`` count as no. ``also`` adds something to the message of the failure.
    """
    end = time.monotonic() + within
    last: object = None
    while True:
        try:
            found = look()
            if found:
                return found
            last = found
        except AssertionError as error:
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {what}; last seen: {last!r}\n{also()}")
        time.sleep(_PAUSE)


def never(look: Callable[[], T], what: str, *, during: float) -> None:
    """Look for some time and see that it is never so. Raises AssertionError with what was seen."""
    end = time.monotonic() + during
    while time.monotonic() < end:
        found = look()
        assert not found, f"{what}: {found!r}"
        time.sleep(_PAUSE)
