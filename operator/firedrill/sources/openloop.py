"""An open loop: requests leave on schedule, whatever becomes of the ones before them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Timed(Generic[T]):
    """A request with its times in seconds since the start.

    ``due`` is when it could be sent: as intended, or when the sender, standing still because too many requests
    were in flight, last went on. So ``sent`` - ``due`` is the sender's own delay.
    """

    index: int
    intended: float
    sent: float
    due: float
    done: float
    reply: T


@dataclass(frozen=True)
class Run(Generic[T]):
    """All requests in the order they were sent; ``stopped`` when the time limit came before the last.

    ``busy`` is the share of the time in which this thread had the processor.
    """

    requests: tuple[Timed[T], ...]
    stopped: bool
    busy: float


async def drive(
    times: Sequence[float],
    send: Callable[[int], Awaitable[T]],
    max_in_flight: int,
    time_limit: float | None = None,
    clock: Callable[[], float] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    start: float | None = None,
) -> Run[T]:
    """Call ``send(i)`` at ``times[i]`` seconds after ``start`` and wait for the last answer.

    ``start`` is a time of ``clock``, now unless given: loads that have the same are woken together.

    ``times`` ascend. ``send`` must turn every failure into a reply and end by itself. No request is started
    after ``time_limit`` seconds.
    """
    now = clock or asyncio.get_running_loop().time
    began = now() if start is None else start
    in_flight = 0
    freed = asyncio.Event()
    resumed = 0.0
    worked = time.thread_time()
    done: list[Timed[T] | None] = [None] * len(times)
    stopped = False

    async def one(index: int, intended: float, due: float) -> None:
        nonlocal in_flight
        sent = now() - began
        try:
            reply = await send(index)
            done[index] = Timed(index, intended, sent, due, now() - began, reply)
        finally:
            in_flight -= 1
            freed.set()

    async with asyncio.TaskGroup() as group:
        for index, intended in enumerate(times):
            # Sleep also when late: answers must be taken in between.
            await sleep(max(intended - (now() - began), 0.0))
            while in_flight >= max_in_flight:
                freed.clear()
                await freed.wait()
                resumed = now() - began
            if time_limit is not None and now() - began >= time_limit:
                stopped = True
                break
            in_flight += 1
            group.create_task(one(index, intended, max(intended, resumed)))
    elapsed = now() - began
    busy = (time.thread_time() - worked) / elapsed if elapsed > 0 else 0.0
    return Run(tuple(item for item in done if item is not None), stopped, min(busy, 1.0))
