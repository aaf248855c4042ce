"""The probe: an open loop, and real HTTP over connections of their own."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from aiohttp import web
from chaos_clock import T0, VirtualClock

from firedrill.api.probe import HttpProbe
from firedrill.runner.asking import HttpAsk
from firedrill.runner.prober import Prober


async def test_slow_answers_do_not_slow_the_questions() -> None:
    clock = VirtualClock()
    started = clock.now()

    async def ask() -> tuple[bool, str]:
        slow = timedelta(seconds=1) <= clock.now() - started < timedelta(seconds=2)
        await clock.sleep(3.0 if slow else 0.01)
        return not slow, "slow" if slow else ""

    async def play() -> Prober:
        prober = Prober(clock, timedelta(milliseconds=100), ask)
        prober.start()
        await clock.sleep(3.05)
        assert prober.observed_until == T0 + timedelta(seconds=1)
        await clock.sleep(3.0)
        assert prober.observed_until > T0 + timedelta(seconds=6)
        await prober.stop()
        return prober

    prober = await clock.run(play())
    times = [sample.at for sample in prober.samples]
    assert times == sorted(times)
    assert [round((later - earlier).total_seconds(), 6) for earlier, later in itertools.pairwise(times)] == [0.1] * (
        len(times) - 1
    )
    bad = [sample for sample in prober.samples if not sample.ok]
    assert len(bad) == 10
    assert all(sample.seconds == pytest.approx(3.0) for sample in bad)


async def test_what_was_missed_is_not_sent_in_a_burst() -> None:
    clock = VirtualClock()

    async def ask() -> tuple[bool, str]:
        return True, ""

    async def play() -> int:
        prober = Prober(clock, timedelta(milliseconds=100), ask)
        prober.start()
        await clock.sleep(1.0)
        clock._now += timedelta(seconds=5)  # the process was frozen
        await clock.sleep(1.0)
        await prober.stop()
        return len(prober.samples)

    assert await clock.run(play()) <= 22


class Server:
    """An HTTP server that counts connections and answers as it is told."""

    def __init__(self) -> None:
        self.status = 200
        self.delay = 0.0
        self.peers: set[object] = set()
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        await asyncio.sleep(self.delay)
        return web.Response(status=self.status, text="hello", headers={"Location": "/elsewhere"})


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_get("/pay", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    server.url = f"http://127.0.0.1:{port}/pay"
    yield server
    await runner.cleanup()


def probe(url: str, **fields: object) -> HttpProbe:
    return HttpProbe.model_validate({"url": url, "timeout": "300ms", **fields})


async def test_each_question_is_a_connection_of_its_own(server: Server) -> None:
    ask = HttpAsk(probe(server.url))
    assert [await ask() for _ in range(5)] == [(True, "")] * 5
    assert len(server.peers) == 5
    await ask.close()


@pytest.mark.parametrize(
    ("status", "expected", "answer"),
    [(200, 200, (True, "")), (503, 200, (False, "status 503")), (302, 302, (True, "")), (404, 404, (True, ""))],
)
async def test_the_expected_status_is_what_counts(
    server: Server, status: int, expected: int, answer: tuple[bool, str]
) -> None:
    server.status = status
    ask = HttpAsk(probe(server.url, expectStatus=expected))
    assert await ask() == answer
    await ask.close()


async def test_slow_and_absent_answers_are_failures(server: Server) -> None:
    server.delay = 0.6
    ask = HttpAsk(probe(server.url))
    assert await ask() == (False, "timeout")
    await ask.close()
    nobody = HttpAsk(probe("http://127.0.0.1:9/"))
    good, detail = await nobody()
    assert not good
    assert "Connect" in detail
    await nobody.close()
