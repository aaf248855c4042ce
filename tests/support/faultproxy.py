"""A reverse proxy between a client and its API server: it counts what is written, and makes things go wrong.

Towards the client (the operator, or a pod of a lab) it is plain HTTP, on loopback unless it is told to listen where
the lab's pods reach it; the client's own credentials are passed on, so that its real rights hold. One proxy stands
before one API server.
"""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from support.background import Background
from support.kube import Cluster
from support.requests import Request

Matcher = Callable[[Request], bool]

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive", "host"}
_HOUR = 3600.0


@dataclass(frozen=True)
class Answer:
    """Answer with an error in the API server's stead."""

    status: int
    reason: str = ""
    retry_after: int | None = None


@dataclass(frozen=True)
class Drop:
    """Cut the connection; the API server hears nothing."""


@dataclass(frozen=True)
class Hang:
    """Take the request and never answer; the API server hears nothing."""


@dataclass(frozen=True)
class LoseAnswer:
    """The API server does it, and the answer is lost: the connection is cut, or it hangs."""

    hang: bool = False


@dataclass(frozen=True)
class Call:
    """Call ``hook`` before the request is passed on, or once it was answered; the operator gets no answer."""

    hook: Callable[[], None]
    before: bool


@dataclass(frozen=True)
class Silence:
    """A watch says nothing; with ``bookmarks`` it only leaves out the objects."""

    bookmarks: bool = False


Action = Answer | Drop | Hang | LoseAnswer | Call | Silence


@dataclass
class Fault:
    """An action on the requests that match: after ``skip`` of them, ``times`` times."""

    matches: Matcher
    action: Action
    times: float = 1
    skip: int = 0
    hits: int = 0

    def take(self, request: Request) -> bool:
        """Whether it strikes this request."""
        if not self.matches(request):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.hits >= self.times:
            return False
        self.hits += 1
        return True


@dataclass
class Write:
    """A request that changes something. ``status`` is None until the API server has answered."""

    cluster: str
    label: str
    owner: str
    name: str
    at: float
    content: Any = None
    status: int | None = None

    @property
    def done(self) -> bool:
        """Whether the API server has done it, as far as we know."""
        return self.status is not None and self.status < 300


@dataclass
class _Stream:
    """An open watch."""

    request: Request
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    how: str = ""


class FaultProxy:
    """The proxy of one API server. All methods are for the thread of the test."""

    def __init__(self, background: Background, cluster: Cluster, name: str = "", host: str = "127.0.0.1") -> None:
        self.name = name or cluster.name
        self.host = host
        self.writes: list[Write] = []
        self.leases = 0
        self.reads: Counter[str] = Counter()
        self.port = 0
        self._background = background
        self._upstream = cluster.access
        self._faults: list[Fault] = []
        self._streams: list[_Stream] = []
        self._owners: dict[str, str] = {}
        background.run(self._start())

    @property
    def url(self) -> str:
        """Where the client finds it."""
        return f"http://{self.host}:{self.port}"

    def close(self) -> None:
        """Stop."""
        self._background.run(self._close())

    # -- what was written ----------------------------------------------------------------------------------------

    def owner_of(self, job: str) -> str:
        """The resource whose run a Job is, as far as its creation was seen."""
        return self._owners.get(job, "")

    def written(self, owner: str = "", since: float = 0.0) -> list[Write]:
        """Writes, of one resource on the hub or of all, in the order in which they came."""
        return [w for w in list(self.writes) if (not owner or w.owner == owner) and w.at >= since]

    # -- what goes wrong -----------------------------------------------------------------------------------------

    def add(self, action: Action, on: Matcher, *, times: float = 1, skip: int = 0) -> Fault:
        """Let something go wrong from now on, ``times`` times."""
        fault = Fault(on, action, times, skip)
        self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Let it go well again."""
        with contextlib.suppress(ValueError):
            self._faults.remove(fault)

    @contextmanager
    def fault(self, action: Action, on: Matcher = lambda _: True, *, times: float = float("inf")) -> Iterator[Fault]:
        """Let something go wrong for a while."""
        fault = self.add(action, on, times=times)
        try:
            yield fault
        finally:
            self.remove(fault)

    def break_watches(self, how: str, on: Matcher = lambda _: True) -> int:
        """End open watches: ``gone`` (410), ``truncated`` (in the middle of a line) or ``cut``; how many it were."""

        async def strike() -> int:
            struck = [stream for stream in self._streams if on(stream.request) and not stream.broken.is_set()]
            for stream in struck:
                stream.how = how
                stream.broken.set()
            return len(struck)

        return self._background.run(strike())

    def watches(self, on: Matcher = lambda _: True) -> int:
        """How many watches are open."""
        return sum(on(stream.request) and not stream.broken.is_set() for stream in list(self._streams))

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Refuse connections for a while, and cut those that are open."""
        self._background.run(self._shut())
        try:
            yield
        finally:
            self._background.run(self._listen())

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Take connections and never answer for a while; open watches fall silent."""
        with self.fault(Hang(), lambda r: not r.watch), self.fault(Silence(), lambda r: r.watch):
            yield

    # -- inside --------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._upstream.tls_anonymous, limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=2**21)
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
        await self._site.start()
        if not self.port:
            self.port = self._runner.addresses[0][1]

    async def _shut(self) -> None:
        await self._site.stop()
        server = self._runner.server
        for connection in list(server.connections) if server else []:
            if connection.transport is not None:
                connection.transport.abort()

    async def _close(self) -> None:
        for stream in self._streams:
            stream.how = "cut"
            stream.broken.set()
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        body = await http.read()
        request = Request(self.name, http.method, http.path, dict(http.query), body)
        if request.watch:
            return await self._stream(http, request)
        write = self._note(request)
        action = next((fault.action for fault in list(self._faults) if fault.take(request)), None)
        match action:
            case None | Silence():
                return await asyncio.shield(self._forward(http, request, write))
            case Answer():
                return _error(action)
            case Drop():
                return _cut(http)
            case Hang():
                await asyncio.sleep(_HOUR)
            case Call(hook, before=True):
                hook()
            case Call(hook):
                await asyncio.shield(self._forward(http, request, write))
                hook()
            case LoseAnswer(hang):
                await asyncio.shield(self._forward(http, request, write))
                if hang:
                    await asyncio.sleep(_HOUR)
        return _cut(http)

    def _note(self, request: Request) -> Write | None:
        if request.lease and request.method != "GET":
            self.leases += 1
        if not request.mutating:
            self.reads[f"{request.method} {request.resource}"] += 1
            return None
        if request.owner and request.method == "POST" and request.resource in ("jobs", "configmaps"):
            self._owners[request.job] = request.owner
        owner = request.owner or self._owners.get(request.job, "")
        write = Write(self.name, request.label, owner, request.name, time.monotonic(), request.content)
        self.writes.append(write)
        return write

    async def _forward(self, http: web.Request, request: Request, write: Write | None) -> web.Response:
        try:
            async with self._upstream_request(http, request.body) as answer:
                content = await answer.read()
                if write:
                    write.status = answer.status
                return web.Response(status=answer.status, headers=_passed_on(answer.headers), body=content)
        except (aiohttp.ClientError, OSError):
            return _cut(http)

    def _upstream_request(self, http: web.Request, body: bytes) -> Any:
        headers = _passed_on(http.headers)
        url = self._upstream.server + str(http.rel_url)
        return self._session.request(http.method, url, data=body or None, headers=headers)

    async def _stream(self, http: web.Request, request: Request) -> web.StreamResponse:
        fault = next((fault for fault in list(self._faults) if fault.take(request)), None)
        match fault.action if fault else None:
            case Answer() as answer:
                return _error(answer)
            case Drop():
                return _cut(http)
            case Hang():
                await asyncio.sleep(_HOUR)
        stream = _Stream(request)
        self._streams.append(stream)
        try:
            async with self._upstream_request(http, b"") as answer:
                response = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers))
                await response.prepare(http)
                async for line in _until(answer.content, stream.broken):
                    if not self._withheld(request, line):
                        await response.write(line)
                await self._end(http, response, stream.how)
                return response
        except (aiohttp.ClientError, OSError):
            return _cut(http)
        finally:
            self._streams.remove(stream)

    def _withheld(self, request: Request, line: bytes) -> bool:
        for fault in list(self._faults):
            if isinstance(fault.action, Silence) and fault.matches(request):
                return not (fault.action.bookmarks and b'"type":"BOOKMARK"' in line[:40])
        return False

    @staticmethod
    async def _end(http: web.Request, response: web.StreamResponse, how: str) -> None:
        if how == "gone":
            status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            await response.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
        if how == "truncated":
            await response.write(b'{"type":"MODIFIED","object":{"metadata":{"na')
        if how in ("truncated", "cut"):
            _cut(http)
        else:
            await response.write_eof()


async def _until(content: aiohttp.StreamReader, broken: asyncio.Event) -> AsyncIterator[bytes]:
    """Lines, until the stream ends or is broken."""
    stop = asyncio.ensure_future(broken.wait())
    line: asyncio.Future[bytes] | None = None
    try:
        while True:
            line = asyncio.ensure_future(content.readline())
            await asyncio.wait({line, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not line.done() or not line.result():
                return
            yield line.result()
    finally:
        stop.cancel()
        if line is not None and not line.cancel() and not line.cancelled():
            line.exception()  # it is known that the connection is closed


def _passed_on(headers: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP]


def _cut(http: web.Request) -> web.Response:
    if http.transport is not None:
        http.transport.abort()
    return web.Response(status=502)


def _error(answer: Answer) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": answer.status,
        "reason": answer.reason,
        "message": f"{answer.reason or answer.status} by the fault proxy",
    }
    headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
    return web.json_response(body, status=answer.status, headers=headers)


def on_write(label: str, owner: str = "") -> Matcher:
    """Writes of this label, of one resource on the hub or of any."""
    return lambda r: r.mutating and r.label == label and (not owner or not r.owner or r.owner == owner)


def on_watch(resource: str = "") -> Matcher:
    """Watches, of one resource or of all."""
    return lambda r: r.watch and (not resource or r.resource == resource)
