"""Probes of other kinds: what is a failure, and what says nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from chaos_clock import VirtualClock
from chaos_cluster import World
from chaos_lab import WRONG_SELECTOR, Lab, spec, task
from probe_context import context_of
from pydantic import ValidationError

from firedrill.api.chaosexperiment import SteadyState
from firedrill.api.verdict import Verdict
from firedrill.runner.asking import TcpAsk, asking
from firedrill.runner.prober import Prober
from firedrill.runner.probes.prometheus import PrometheusAsk

Object = dict[str, Any]


class Answers:
    """A Prometheus that answers what it is told."""

    def __init__(self) -> None:
        self.body: Object = {}
        self.delay = 0.0
        self.url = ""

    def value(self, *values: str) -> None:
        """Answer with series of these values."""
        result = [{"metric": {}, "value": [0, value]} for value in values]
        self.body = {"status": "success", "data": {"resultType": "vector", "result": result}}

    async def handle(self, _request: web.Request) -> web.Response:
        await asyncio.sleep(self.delay)
        return web.json_response(self.body)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Answers]:
    answers = Answers()
    app = web.Application()
    app.router.add_post("/api/v1/query", answers.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    answers.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    yield answers
    await runner.cleanup()


def prometheus(url: str, **fields: Any) -> PrometheusAsk:
    probe = {"url": url, "query": "up", "min": 1, "max": 5, "timeout": "300ms", **fields}
    made = asking(SteadyState.model_validate({"prometheus": probe}).probe, context_of(World(VirtualClock())))
    assert isinstance(made, PrometheusAsk)
    return made


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        (["1"], (True, "")),
        (["5"], (True, "")),
        (["0.5"], (False, "0.5")),
        (["5.5"], (False, "5.5")),
        ([], (False, "no value")),
        (["NaN"], (False, "no value")),
    ],
)
async def test_a_value_within_its_bounds_is_good(server: Answers, values: list[str], answer: tuple[bool, str]) -> None:
    server.value(*values)
    ask = prometheus(server.url)
    assert await ask() == answer
    await ask.close()


async def test_a_prometheus_that_is_away_slow_or_refuses_says_nothing(server: Answers) -> None:
    for url, delay, body in (
        ("http://127.0.0.1:9", 0.0, {}),
        (server.url, 0.6, {}),
        (server.url, 0.0, {"status": "error", "error": "parse error"}),
    ):
        server.delay, server.body = delay, body
        ask = prometheus(url)
        good, why = await ask()
        assert good is None
        assert "Prometheus" in why or "parse error" in why
        await ask.close()


async def test_a_connection_is_accepted_or_not() -> None:
    accepted: list[bool] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(True)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ask = asking(
        SteadyState.model_validate({"tcp": {"host": "127.0.0.1", "port": port}}).probe,
        context_of(World(VirtualClock())),
    )
    assert isinstance(ask, TcpAsk)
    assert [await ask() for _ in range(3)] == [(True, "")] * 3
    server.close()
    await server.wait_closed()
    assert await ask() == (False, "ConnectionRefusedError")
    await ask.close()
    assert len(accepted) == 3


async def test_what_nobody_could_tell_is_no_sample() -> None:
    clock = VirtualClock()
    answers = iter([(True, ""), (None, "away"), (False, "bad"), *[(None, "away")] * 99])

    async def ask() -> tuple[bool | None, str]:
        return next(answers)

    async def play() -> list[bool]:
        prober = Prober(clock, SteadyState.model_validate({"tcp": {"host": "a", "port": 1}}).probe.interval, ask)
        prober.start()
        await clock.sleep(2)
        await prober.stop()
        return [sample.ok for sample in prober.samples]

    assert await clock.run(play()) == [True, False]


async def test_an_experiment_whose_probe_can_not_tell_is_inconclusive_and_injects_nothing() -> None:
    lab = Lab(task(spec(WRONG_SELECTOR)))

    async def nobody() -> tuple[bool | None, str]:
        return None, "Prometheus is away"

    lab.ask = nobody  # type: ignore[assignment,method-assign]
    runner = lab.runner_process()
    await lab.clock.run(lab.runner(runner))
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "TooFewSamples")
    assert runner.writes == []


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({}, "set exactly one of http, tcp, prometheus, kubernetes, grpc, .*; none is set"),
        ({"http": {"url": "http://a/"}, "tcp": {"host": "a", "port": 1}}, "http, tcp is set"),
        ({"prometheus": {"url": "http://a/", "query": "up"}}, "set min, max or both"),
        ({"prometheus": {"url": "http://a/", "query": "up", "min": 2, "max": 1}}, "min must not be above max"),
        ({"prometheus": {"url": "http://a/", "query": "up", "min": 2}, "window": "3s"}, "5 times prometheus.interval"),
        ({"tcp": {"host": "a b", "port": 1}}, "host"),
        ({"tcp": {"host": "a", "port": 1, "interval": "1ms"}}, "between 10ms and 60s"),
    ],
)
def test_a_wrong_steady_state_is_refused_by_name(state: Object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        SteadyState.model_validate(state)
