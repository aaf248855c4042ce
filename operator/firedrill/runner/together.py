"""Works that go on side by side, and which of their failures tells most."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from firedrill.runner.arming import NotBegun
from firedrill.runner.faults.driver import NotInjected
from firedrill.runner.injecting import ClaimedByAnother
from firedrill.runner.record_store import Aborted


async def all_of(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of them, whatever becomes of one; then raise what tells most."""
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    failures = [each for each in outcomes if isinstance(each, BaseException)]
    if failures:
        raise min(failures, key=_weight)


def _weight(error: BaseException) -> int:
    """What tells most of a run that broke off comes first; others ended because of it."""
    order = (ClaimedByAnother, NotBegun, NotInjected, Aborted)
    expected = next((index for index, kind in enumerate(order) if isinstance(error, kind)), None)
    return 1 if expected is None else (0 if expected == 0 else expected + 1)
