"""Virtual time: it stands still while anything can run, and jumps to the next sleeper when nothing can."""

import asyncio
import heapq
import itertools
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
T0 = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


class VirtualClock:
    """A clock whose sleepers are woken one after the other, each at its own time."""

    def __init__(self, start: datetime = T0) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._count), future))
        await future

    async def run(self, coroutine: Coroutine[Any, Any, T], limit: timedelta = timedelta(hours=2)) -> T:
        """Run to the end, with time passing whenever all tasks wait."""
        task = asyncio.ensure_future(coroutine)
        end = self._now + limit
        while not task.done():
            await self._let_run()
            if task.done():
                break
            self._wake_next()
            if self._now > end:
                task.cancel()
                raise TimeoutError(f"still running after {limit} of virtual time")
        return task.result()

    async def _let_run(self) -> None:
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        while ready:  # noqa: ASYNC110 - no event tells that nothing can run any more
            await asyncio.sleep(0)

    def _wake_next(self) -> None:
        while self._sleepers:
            when, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                self._now = max(self._now, when)
                future.set_result(None)
                return
        raise RuntimeError("deadlock: nothing can run and nobody sleeps")
