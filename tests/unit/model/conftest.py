"""A model server of the Open Inference Protocol for tests, with the ways in which real ones differ."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

TRACEBACK = 'Traceback (most recent call last):\n  File "model.py", line 1\nValueError: X has 2 features, expected 1'


@dataclass
class Behaviour:
    """How the server answers. ``shape``: column is [n, 1], flat is [n], scores is [n, 2]."""

    server_ready: int = 200
    model_ready: int = 200
    ready_body: bytes = b""
    metadata: Any = None
    shape: str = "flat"
    error_every: int = 0
    error_status: int = 500
    error_body: str = TRACEBACK
    wrong_every: int = 0
    delay: float = 0.0
    slow_every: int = 0
    slow_delay: float = 0.0
    reply: Any = None
    seen: list[Any] = field(default_factory=list)


def make_app(behaviour: Behaviour) -> web.Application:
    """The server as an application. The model says 1 when the first feature is above 0."""
    count = itertools.count(1)

    async def server_ready(_: web.Request) -> web.Response:
        return web.Response(status=behaviour.server_ready, body=behaviour.ready_body)

    async def model_ready(_: web.Request) -> web.Response:
        return web.Response(status=behaviour.model_ready, body=behaviour.ready_body)

    async def metadata(_: web.Request) -> web.Response:
        if behaviour.metadata is None:
            return web.Response(status=404)
        return web.json_response(behaviour.metadata)

    async def infer(request: web.Request) -> web.Response:
        number = next(count)
        body = await request.json()
        behaviour.seen.append(body)
        if behaviour.delay:
            await asyncio.sleep(behaviour.delay)
        if behaviour.slow_every and number % behaviour.slow_every == 0:
            await asyncio.sleep(behaviour.slow_delay)
        if behaviour.error_every and number % behaviour.error_every == 0:
            return web.Response(status=behaviour.error_status, text=behaviour.error_body)
        if behaviour.reply is not None:
            return web.json_response(behaviour.reply)
        label = int(body["inputs"][0]["data"][0] > 0)
        if behaviour.wrong_every and number % behaviour.wrong_every == 0:
            label = 1 - label
        shapes = {"flat": [label], "column": [[label]], "scores": [[1.0 - label, float(label)]]}
        output = {"name": "predict", "datatype": "INT64", "shape": [1], "data": shapes[behaviour.shape]}
        return web.json_response({"model_name": "m", "model_version": None, "outputs": [output]})

    app = web.Application()
    app.add_routes(
        [
            web.get("/v2/health/ready", server_ready),
            web.get("/v2/models/m", metadata),
            web.get("/v2/models/m/ready", model_ready),
            web.post("/v2/models/m/infer", infer),
            web.get("/v2/models/m/versions/2", metadata),
            web.get("/v2/models/m/versions/2/ready", model_ready),
            web.post("/v2/models/m/versions/2/infer", infer),
        ]
    )
    return app


@asynccontextmanager
async def serving(behaviour: Behaviour) -> AsyncIterator[str]:
    """Serve on a free port of this machine; gives the base address."""
    runner = web.AppRunner(make_app(behaviour))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@dataclass
class Served:
    """A running server and how it behaves."""

    url: str
    behaviour: Behaviour


@pytest.fixture
async def serve() -> AsyncIterator[Any]:
    """Starts servers: ``served = await serve(error_every=3)``. They stop with the test."""
    async with AsyncExitStack() as stack:

        async def start(**behaviour: Any) -> Served:
            made = Behaviour(**behaviour)
            return Served(await stack.enter_async_context(serving(made)), made)

        yield start


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
