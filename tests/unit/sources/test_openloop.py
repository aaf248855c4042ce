"""The open loop under a clock that does not run by itself."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from firedrill.sources.openloop import Run, drive


class Scene:
    """A clock that moves when everyone sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        self._sleepers.append((self.now + seconds, self._count, future))
        await future

    async def turn(self, run: Awaitable[Run[int]]) -> Run[int]:
        task = asyncio.ensure_future(run)
        while not task.done():
            for _ in range(20):
                await asyncio.sleep(0)
            if self._sleepers and not task.done():
                self._sleepers.sort()
                moment, _, future = self._sleepers.pop(0)
                self.now = max(self.now, moment)
                future.set_result(None)
        return await task


async def play(
    times: list[float], took: Callable[[int], float], in_flight: int = 100, limit: float | None = None
) -> Run[int]:
    scene = Scene()

    async def send(index: int) -> int:
        await scene.sleep(took(index))
        return index

    return await scene.turn(drive(times, send, in_flight, limit, scene.clock, scene.sleep))


async def test_requests_leave_on_schedule_whatever_becomes_of_the_others() -> None:
    run = await play([1, 2, 3], lambda i: 10.0)
    assert [item.sent for item in run.requests] == [1, 2, 3]
    assert [item.done for item in run.requests] == [11, 12, 13]
    assert [item.reply for item in run.requests] == [0, 1, 2]
    assert not run.stopped


async def test_what_waits_for_a_free_place_is_due_when_there_is_one() -> None:
    run = await play([0, 1, 2], lambda i: 10.0, in_flight=1)
    assert [item.sent for item in run.requests] == [0, 10, 20]
    assert [item.due for item in run.requests] == [0, 10, 20]
    assert [item.intended for item in run.requests] == [0, 1, 2]


async def test_nothing_is_sent_after_the_time_limit() -> None:
    run = await play([0, 1, 2, 3], lambda i: 5.0, limit=2)
    assert [item.index for item in run.requests] == [0, 1]
    assert run.requests[-1].done == 6
    assert run.stopped


async def test_without_requests_there_is_nothing_to_wait_for() -> None:
    assert (await play([], lambda i: 1.0)).requests == ()


async def test_a_bug_in_sending_is_not_hidden() -> None:
    async def send(_: int) -> int:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        await drive([0.0], send, 1)
