"""Sending requests, as many as are asked for and no more."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from aiolimiter import AsyncLimiter

from firedrill.clusters.errors import ClusterError
from firedrill.runner.surge.port import Surge

#: Asks once and reads all of the answer; raises ClusterError.
Ask = Callable[[str], Awaitable[object]]


class Statuses:
    """Counts answers: an observer of a client."""

    def __init__(self) -> None:
        self.counted: Counter[int] = Counter()

    def observe(self, _cluster: str, _verb: str, status: int) -> None:
        """One more answer."""
        self.counted[status] += 1


async def send(surge: Surge, ask: Ask) -> None:
    """Ask until the time is over. What is refused is asked again like everything else: that is what a surge is."""
    seconds = max(0.0, surge.until - time.time())
    end = time.monotonic() + seconds
    limiter = AsyncLimiter(max_rate=1, time_period=1 / surge.rate)

    async def work() -> None:
        while time.monotonic() < end:
            async with limiter:
                pass
            try:
                await ask(surge.path)
            except ClusterError:
                # The client's observer has counted it.
                continue

    workers = [asyncio.ensure_future(work()) for _ in range(surge.concurrency)]
    try:
        await asyncio.wait(workers, timeout=seconds)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
