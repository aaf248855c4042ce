"""The work queue: each key once, one worker a key, retried later and later, woken when it is time."""

import asyncio

import pytest

from firedrill.clusters.queue import WorkQueue
from support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue[str]:
    return WorkQueue(clock)


async def taken(queue: WorkQueue[str]) -> list[str]:
    """All that is ready now, in order; left in work."""
    found: list[str] = []
    while True:
        try:
            found.append(await asyncio.wait_for(queue.take(), 0.01))
        except TimeoutError:
            return found


async def test_a_key_that_waits_waits_once_and_in_its_place(queue: WorkQueue[str]) -> None:
    for key in ("a", "b", "a", "c", "b"):
        queue.add(key)
    assert len(queue) == 3
    assert await taken(queue) == ["a", "b", "c"]


async def test_a_key_in_work_is_given_to_nobody_else_and_comes_again_afterwards(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert await queue.take() == "a"
    queue.add("a")
    queue.add("a")
    assert await taken(queue) == []
    queue.done("a")
    assert await taken(queue) == ["a"]
    queue.done("a")
    assert await taken(queue) == []


async def test_later_means_later_and_the_earliest_counts(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_later("a", 10)
    queue.add_later("a", 5)
    queue.add_later("a", 20)
    queue.add_later("b", 7)
    for passed, ready in ((4.9, []), (0.1, ["a"]), (2, ["b"]), (100, [])):
        clock.now += passed
        assert await taken(queue) == ready, passed


async def test_a_worker_that_waits_is_woken(queue: WorkQueue[str]) -> None:
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add("a")
    assert await asyncio.wait_for(waiting, 5) == "a"


async def test_a_worker_that_waits_for_later_work_is_woken_by_earlier_work(queue: WorkQueue[str]) -> None:
    queue.add_later("late", 3600)
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add("now")
    assert await asyncio.wait_for(waiting, 5) == "now"


async def test_retries_come_later_and_later_up_to_a_limit(queue: WorkQueue[str]) -> None:
    delays = [queue.retry("a") for _ in range(30)]
    for number, delay in enumerate(delays):
        expected = min(60.0, 0.2 * 2**number)
        assert 0.75 * expected <= delay <= 1.25 * expected, number
    assert queue.retries == 30
    queue.forget("a")
    assert queue.retry("a") <= 0.25


async def test_a_server_that_names_a_time_is_given_it(queue: WorkQueue[str], clock: Clock) -> None:
    assert queue.retry("a", at_least=30) == 30
    clock.now += 29
    assert await taken(queue) == []
    clock.now += 1
    assert await taken(queue) == ["a"]


async def test_the_age_of_the_oldest(queue: WorkQueue[str], clock: Clock) -> None:
    assert queue.oldest_age() == 0
    queue.add("a")
    clock.now += 5
    queue.add("b")
    clock.now += 2
    assert queue.oldest_age() == 7
    await queue.take()
    assert queue.oldest_age() == 2


async def test_what_becomes_due_while_it_is_worked_on_is_not_lost(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    await queue.take()
    queue.add_later("a", 1)
    clock.now += 2
    assert await taken(queue) == []
    queue.done("a")
    assert await taken(queue) == ["a"]
