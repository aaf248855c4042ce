"""Workloads are read by name while somebody waits for them; what is new is told to whoever waits, and nothing else."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from firedrill.api.rollout import Workload, WorkloadKind
from firedrill.clusters import workloads as module
from firedrill.clusters.cache import Key
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ApiError, Forbidden, NotFound, Throttled, Unreachable
from firedrill.clusters.workloads import Workloads
from firedrill.core.workload import Blind, Look, Sight
from support.workloads import deployment, workload

Object = dict[str, Any]

ONE, TWO = Key("DriftCheck", "team", "one"), Key("DriftCheck", "team", "two")
GATEWAY = Workload(WorkloadKind.DEPLOYMENT, "payments", "gateway")
LEDGER = Workload(WorkloadKind.STATEFUL_SET, "payments", "ledger")
PATH = "/apis/apps/v1/namespaces/payments/deployments/gateway"
T0 = datetime(2026, 3, 2, tzinfo=UTC)


class Server(KubeClient):
    """Answers from what it holds, or raises it."""

    def __init__(self, **answers: Any) -> None:
        self.cluster = "finance"
        self.answers: dict[str, Any] = {PATH: deployment(), **answers}
        self.reads: list[str] = []
        self.asked = asyncio.Event()

    async def get(self, path: str, params: object = None) -> Object:
        self.reads.append(path)
        self.asked.set()
        answer = self.answers.get(path, workload("StatefulSet"))
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]


class Reader:
    """A reader that runs, and what it tells."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.told: list[Key] = []
        self.ticks = 0
        self.workloads = Workloads(server, "finance", self.told.append, self._clock)

    def _clock(self) -> datetime:
        self.ticks += 1
        return T0 + timedelta(seconds=self.ticks)

    async def __aenter__(self) -> "Reader":
        self._task = asyncio.create_task(self.workloads.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, so: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not so():
                self.server.asked.clear()
                await self.server.asked.wait()
                # Once more around: what was answered is taken in by then.
                await asyncio.sleep(0)

    def look(self, key: Key = ONE) -> Look | None:
        return self.workloads.look(key)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_EVERY", 0.01)


async def test_nothing_is_read_that_nobody_waits_for() -> None:
    server = Server()
    async with Reader(server) as reader:
        await asyncio.sleep(0.05)
        assert server.reads == []
        reader.workloads.want(ONE, GATEWAY)
        await reader.until(lambda: len(server.reads) > 2)
        reader.workloads.want(ONE, None)
        await asyncio.sleep(0.05)
        count = len(server.reads)
        await asyncio.sleep(0.05)
        assert len(server.reads) == count
        assert reader.look() is None
    assert set(server.reads) == {PATH}


async def test_two_that_wait_for_the_same_share_one_read_and_both_hear_of_what_is_new() -> None:
    server = Server()
    async with Reader(server) as reader:
        reader.workloads.want(ONE, GATEWAY)
        reader.workloads.want(TWO, GATEWAY)
        await reader.until(lambda: len(reader.told) == 2)
        assert reader.look(ONE) is reader.look(TWO)
        await reader.until(lambda: len(server.reads) > 4)
        assert len(reader.told) == 2, "that time goes by is no news"
        server.answers[PATH] = deployment("v2", number=2)
        await reader.until(lambda: len(reader.told) == 4)
        assert set(reader.told[2:]) == {ONE, TWO}


async def test_the_time_of_a_sight_is_that_of_the_last_read() -> None:
    async with Reader(Server()) as reader:
        reader.workloads.want(ONE, GATEWAY)
        await reader.until(reader.look)
        first = reader.look()
        assert isinstance(first, Sight)
        await reader.until(lambda: reader.look() != first)


@pytest.mark.parametrize(
    ("error", "reason", "says"),
    [
        (NotFound(404, "NotFound", "no"), "WorkloadNotFound", "no Deployment payments/gateway in finance"),
        (Forbidden(403, "Forbidden", "user x"), "Unreadable", "verb get on deployments.apps in payments"),
        (ApiError(500, "InternalError", "x"), "Unreadable", "500 InternalError"),
        (Unreachable("GET at 10.0.0.1: refused"), "TargetUnreachable", "finance does not answer"),
        (ValueError("nobody foresaw this"), "Unreadable", "is not understood"),
    ],
)
async def test_what_can_not_be_read_is_told_with_what_to_do(error: Exception, reason: str, says: str) -> None:
    server = Server(**{PATH: error})
    async with Reader(server) as reader:
        reader.workloads.want(ONE, GATEWAY)
        await reader.until(lambda: len(server.reads) > 2)
        look = reader.look()
        assert isinstance(look, Blind)
        assert (look.reason, says in look.message) == (reason, True), look
        assert reader.told == [ONE], "told once"
        server.answers[PATH] = deployment()
        await reader.until(lambda: len(reader.told) == 2)
        assert isinstance(reader.look(), Sight)


async def test_a_silent_target_is_waited_for_once_and_not_for_each_workload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_EVERY", 60.0)
    server = Server(**{PATH: Unreachable("no answer")})
    reader = Reader(server)
    reader.workloads.want(ONE, GATEWAY)
    reader.workloads.want(TWO, LEDGER)
    async with reader:
        await reader.until(lambda: reader.look(TWO))
        await asyncio.sleep(0.02)
        assert server.reads == [PATH]
        assert isinstance(reader.look(TWO), Blind)


async def test_a_busy_server_is_asked_later_and_what_was_seen_stays() -> None:
    server = Server()
    async with Reader(server) as reader:
        reader.workloads.want(ONE, GATEWAY)
        await reader.until(reader.look)
        server.answers[PATH] = Throttled(429, "TooManyRequests", "later")
        count = len(server.reads)
        await reader.until(lambda: len(server.reads) > count + 2)
        assert isinstance(reader.look(), Sight)


async def test_another_workload_takes_the_place_of_the_first() -> None:
    server = Server()
    async with Reader(server) as reader:
        reader.workloads.want(ONE, GATEWAY)
        await reader.until(reader.look)
        reader.workloads.want(ONE, LEDGER)
        assert reader.look() is None
        await reader.until(reader.look)
        count = server.reads.count(PATH)
        await asyncio.sleep(0.05)
        assert server.reads.count(PATH) <= count + 1
