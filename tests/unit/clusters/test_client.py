"""The client against a server that behaves badly: every failure has its class, and nothing else is raised."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from firedrill.clusters.client import JSON_PATCH, KubeClient
from firedrill.clusters.errors import (
    ApiError,
    ClusterError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Throttled,
    Unreachable,
    api_error,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Seen = list[tuple[str, str, int]]


class Server:
    """An HTTP server whose behaviour a test sets."""

    def __init__(self) -> None:
        self.handler: Handler = self._nothing
        self.requests: list[web.Request] = []
        self.bodies: list[Any] = []
        self.seen: Seen = []

    @staticmethod
    async def _nothing(_: web.Request) -> web.StreamResponse:
        return web.json_response({})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        text = await request.text()
        self.bodies.append(json.loads(text) if text else None)
        return await self.handler(request)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application(client_max_size=4 * 2**20)
    app.router.add_route("*", "/{tail:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]  # type: ignore[attr-defined]
    yield made
    await runner.cleanup()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[KubeClient]:
    made = client_for(f"http://127.0.0.1:{server.port}", server.seen)  # type: ignore[attr-defined]
    yield made
    await made.close()


def client_for(host: str, seen: Seen | None = None, timeout: float = 5) -> KubeClient:
    configuration = Configuration(host=host)
    configuration.retries = None
    configuration.api_key["BearerToken"] = "Bearer secret"
    observed = seen if seen is not None else []
    return KubeClient(
        ApiClient(configuration=configuration),
        "finance",
        timeout=timeout,
        observer=lambda cluster, verb, status: observed.append((cluster, verb, status)),
    )


def answers(status: int, body: Any = None, **headers: str) -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response(body or {}, status=status, headers=headers)

    return handle


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, Forbidden),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Gone),
        (422, Invalid),
        (429, Throttled),
        (500, ApiError),
        (503, ApiError),
        (504, ApiError),
        (418, ApiError),
    ],
)
async def test_each_status_has_its_error(status: int, kind: type[ApiError], server: Server, client: KubeClient) -> None:
    server.handler = answers(status, {"reason": "Why", "message": "because"})
    with pytest.raises(ClusterError) as caught:
        await client.get("/x")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.reason, caught.value.message) == (status, "Why", "because")
    assert server.seen == [("finance", "GET", status)]


def test_an_object_that_exists_is_told_from_one_that_changed() -> None:
    exists, changed = api_error(409, "AlreadyExists", ""), api_error(409, "Conflict", "")
    assert isinstance(exists, Conflict)
    assert isinstance(changed, Conflict)
    assert (exists.already_exists, changed.already_exists) == (True, False)


@pytest.mark.parametrize(
    ("header", "seconds"), [({"Retry-After": "7"}, 7.0), ({}, 1.0), ({"Retry-After": "soon"}, 1.0)]
)
async def test_when_to_come_back(header: dict[str, str], seconds: float, server: Server, client: KubeClient) -> None:
    server.handler = answers(429, {}, **header)
    with pytest.raises(Throttled) as caught:
        await client.get("/x")
    assert caught.value.retry_after == seconds


async def test_an_answer_that_is_not_json_is_no_answer(server: Server, client: KubeClient) -> None:
    async def portal(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>please log in</html>")

    server.handler = portal
    with pytest.raises(Unreachable, match="not JSON"):
        await client.get("/x")


async def test_an_error_that_is_not_json_keeps_its_status(server: Server, client: KubeClient) -> None:
    async def gateway(_: web.Request) -> web.StreamResponse:
        return web.Response(text="bad gateway", status=502)

    server.handler = gateway
    with pytest.raises(ApiError, match="bad gateway") as caught:
        await client.get("/x")
    assert caught.value.status == 502


async def test_a_connection_that_is_cut(server: Server, client: KubeClient) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    server.handler = cut
    with pytest.raises(Unreachable):
        await client.create("/x", {})
    assert server.seen == [("finance", "POST", 0)]


async def test_a_body_that_is_cut(server: Server, client: KubeClient) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"a":')
        assert request.transport is not None
        request.transport.abort()
        return response

    server.handler = cut
    with pytest.raises(Unreachable):
        await client.get("/x")


async def test_a_server_that_hangs(server: Server) -> None:
    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        return web.Response()

    server.handler = hang
    hasty = client_for(f"http://127.0.0.1:{server.port}", timeout=0.2)  # type: ignore[attr-defined]
    try:
        with pytest.raises(Unreachable):
            await hasty.get("/x")
    finally:
        await hasty.close()


async def test_nobody_there() -> None:
    alone = client_for("http://127.0.0.1:1")
    try:
        with pytest.raises(Unreachable):
            await alone.get("/x")
    finally:
        await alone.close()


async def test_what_is_sent(server: Server, client: KubeClient) -> None:
    await client.create("/things", {"a": 1}, dry_run=True)
    await client.replace("/things/x", {"a": 2})
    await client.patch("/things/x", {"a": 3})
    await client.patch("/things/x", [{"op": "test"}], content_type=JSON_PATCH)
    await client.delete("/things/x", uid="u", grace_seconds=0)
    sent = [(r.method, dict(r.query), r.headers["Content-Type"]) for r in server.requests]
    assert sent == [
        ("POST", {"fieldManager": "firedrill", "dryRun": "All"}, "application/json"),
        ("PUT", {"fieldManager": "firedrill"}, "application/json"),
        ("PATCH", {"fieldManager": "firedrill"}, "application/merge-patch+json"),
        ("PATCH", {"fieldManager": "firedrill"}, "application/json-patch+json"),
        ("DELETE", {}, "application/json"),
    ]
    assert server.bodies[4]["preconditions"] == {"uid": "u"}
    assert server.bodies[4]["gracePeriodSeconds"] == 0
    assert {r.headers["Authorization"] for r in server.requests} == {"Bearer secret"}
    assert {r.headers["User-Agent"] for r in server.requests} == {"firedrill"}


def streams(*lines: bytes, cut: bool = False, then_wait: float = 0) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        await asyncio.sleep(then_wait)
        if cut:
            assert request.transport is not None
            request.transport.abort()
        return response

    return handle


def event(name: str, size: int = 0) -> bytes:
    metadata = {"name": name, "resourceVersion": "7", "annotations": {"a": "x" * size}}
    return json.dumps({"type": "ADDED", "object": {"metadata": metadata}}).encode() + b"\n"


async def watched(client: KubeClient, silence: float = 5) -> list[str]:
    found = []
    async with client.watch("/things", {"labelSelector": "a=b"}, silence=silence) as events:
        async for item in events:
            found.append(item["object"]["metadata"]["name"])
    return found


async def test_events_come_one_by_one_and_as_large_as_they_are(server: Server, client: KubeClient) -> None:
    whole = event("b")
    server.handler = streams(event("a"), b"\n", whole[:10], whole[10:], event("large", 1_000_000))
    assert await watched(client) == ["a", "b", "large"]
    assert dict(server.requests[0].query) == {"labelSelector": "a=b", "watch": "true", "allowWatchBookmarks": "true"}


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (streams(event("a"), b'{"type":"ERROR","object":{"code":410,"reason":"Expired"}}\n'), Gone),
        (streams(event("a"), b'{"type":"ERROR","object":{"code":500}}\n'), ApiError),
        (streams(event("a"), b'{"type":"MODIF', cut=True), Unreachable),
        (streams(event("a"), b"nonsense\n"), Unreachable),
        (answers(410, {"reason": "Expired"}), Gone),
        (answers(403, {"reason": "Forbidden"}), Forbidden),
    ],
    ids=["410 event", "500 event", "cut in a line", "not JSON", "410 answer", "403 answer"],
)
async def test_a_watch_that_ends_badly(
    handler: Handler, kind: type[ClusterError], server: Server, client: KubeClient
) -> None:
    server.handler = handler
    with pytest.raises(ClusterError) as caught:
        await watched(client)
    assert type(caught.value) is kind


async def test_a_watch_that_falls_silent(server: Server, client: KubeClient) -> None:
    server.handler = streams(event("a"), then_wait=3600)
    with pytest.raises(Unreachable):
        await watched(client, silence=0.2)
