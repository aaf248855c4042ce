"""Repeating a request whose failure may pass by itself, and giving one up in time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from firedrill.clusters.errors import ApiError, ClusterError, Conflict, Throttled, Unreachable
from firedrill.runner.ports import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Tries of one request before its error is given to the caller. With the waits between them: about 15 s.
ATTEMPTS: Final = 8
FIRST_WAIT_SECONDS: Final = 0.2
LONGEST_WAIT_SECONDS: Final = 4.0


def is_passing(error: ClusterError) -> bool:
    """Whether the same request may succeed later without anybody's help."""
    if isinstance(error, Unreachable | Throttled | Conflict):
        return True
    return isinstance(error, ApiError) and error.status >= 500


async def retry(clock: Clock, attempt: Callable[[], Awaitable[T]], what: str) -> T:
    """The result of ``attempt``, which must be safe to repeat; raises its last ClusterError."""
    wait = FIRST_WAIT_SECONDS
    for left in range(ATTEMPTS - 1, -1, -1):
        try:
            return await attempt()
        except ClusterError as error:
            if not left or not is_passing(error):
                raise
            log.warning("%s failed, trying again: %s", what, error)
        await clock.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
    raise AssertionError("the last attempt returns or raises")


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T], what: str) -> T:
    """The result of ``work``, or Unreachable where there is none after that time: it is cancelled, and ended, then."""
    waits = asyncio.ensure_future(work), asyncio.ensure_future(clock.sleep(max(0.0, seconds)))
    working, timer = waits
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        timer.result()  # a clock that fails is no answer either
        raise Unreachable(f"{what}: no answer in time")
    finally:
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
