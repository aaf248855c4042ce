"""What a benchmark sends, made ready: requests as bytes, and the judge of answers."""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from firedrill.api.performancebenchmark import HttpTarget, ModelTarget, PerformanceBenchmarkSpec
from firedrill.engines.benchmark import Tally
from firedrill.runner.reaching import access_to, reached
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.load.exchange import End, Exchange
from firedrill.sources.load.loops import Halt, Samples, Traffic
from firedrill.sources.load.pool import Peer
from firedrill.sources.load.request import peer_of, raw_request
from firedrill.sources.load.tokens import TokenReader
from firedrill.sources.read import read_table
from firedrill.sources.serving.http import excerpt, parse_json
from firedrill.sources.serving.port import Ready, ReadyState, Reply, ReplyKind, ServedModel
from firedrill.sources.serving.rows import plain_rows

#: Rows that are sent in turn; more would take memory for nothing.
MAX_ROWS: Final = 10_000
_EXCERPT: Final = 20_000


@dataclass(frozen=True)
class Prepared:
    """A target made ready. ``peer`` is None where it is not HTTP/1.1, and ``model`` is asked with ``bodies``.

    ``good`` says why an answer with a status of success is none; an empty text where it is one.
    """

    peer: Peer | None
    requests: Sequence[bytes]
    good: Callable[[Exchange], str]
    model: ServedModel | None = None
    bodies: Sequence[bytes] = ()
    streams: bool = False


@asynccontextmanager
async def prepared(spec: PerformanceBenchmarkSpec, sources: SourceContext) -> AsyncIterator[Prepared | Ready]:
    """The target, ready for load; Ready says why it can not be asked. Raises SourceError, which names the field."""
    if spec.target.http is not None:
        yield await _service(spec.target.http, sources)
        return
    assert spec.target.model is not None, "the model admits no target without a member"
    target = spec.target.model
    streams = target.endpoint.chat is not None
    where = "spec.target.model"
    async with reached(
        target.endpoint, sources, spec.max_in_flight, f"{where}.endpoint", f"{where}.source", stream=streams
    ) as model:
        ready = model if isinstance(model, Ready) else await model.ready()
        if isinstance(model, Ready) or ready.state is not ReadyState.READY:
            yield ready
            return
        yield await _model(target, model, sources, streams=streams)


async def _service(target: HttpTarget, sources: SourceContext) -> Prepared:
    field = "spec.target.http"
    access = await access_to(target.credentials, target.tls_server_name, sources, field)
    wanted = target.contains.encode() if target.contains is not None else None

    def good(exchange: Exchange) -> str:
        return "" if wanted is None or wanted in exchange.body else f"the answer does not contain {target.contains!r}"

    try:
        peer = peer_of(target.url, access.ssl_context(), target.tls_server_name)
    except ValueError as error:
        raise SourceError(SourceReason.INVALID_DATA, field, str(error)) from error
    body = target.body.encode() if target.body is not None else None
    request = raw_request(target.method.value, target.url, {**access.headers(), **target.headers}, body)
    return Prepared(peer, [request], good)


async def _model(target: ModelTarget, model: ServedModel, sources: SourceContext, *, streams: bool) -> Prepared:
    field = "spec.target.model.source"
    table = await read_table(target.source, sources, field)
    rows = plain_rows(table, set(target.ignore_columns))
    if not rows.features:
        raise SourceError(SourceReason.INVALID_DATA, field, f"no usable row; {rows.skipped} rows have blanks")
    await model.prepare(rows.columns)
    bodies = [model.body(row) for row in rows.features[:MAX_ROWS]]

    def good(exchange: Exchange) -> str:
        if isinstance(exchange.reader, TokenReader):
            return _broken_off(exchange.reader, exchange.request)
        parsed = parse_json(exchange.body)
        body = parsed if parsed is not None else exchange.body.decode(errors="replace")
        return model.decode(Reply(ReplyKind.ANSWERED, exchange.status, body=body)).error

    address = model.address
    if address is None:
        return Prepared(None, (), good, model, bodies)
    access = await access_to(target.endpoint.credentials, target.endpoint.tls_server_name, sources, field)
    try:
        peer = peer_of(address.url, access.ssl_context(), target.endpoint.tls_server_name)
    except ValueError as error:
        raise InvalidTable(str(error)) from error
    requests = [raw_request("POST", address.url, address.headers, body) for body in bodies]
    return Prepared(peer, requests, good, model, bodies, streams)


def traffic(target: Prepared, timeout: float, tally: Tally, halt: Halt) -> Traffic:
    """The load's side of a tally: every request that ends is judged and counted in it."""
    assert target.peer is not None, "what is not HTTP/1.1 is asked request by request"
    gaps: list[float] = []
    at: list[float] = []

    def judge(exchange: Exchange) -> bool:
        why = _why_not(exchange, target.good)
        if why is not None:
            tally.failed(*why)
            return False
        if isinstance(exchange.reader, TokenReader):
            times = exchange.reader.times
            exchange.first = times[0]
            tally.tokens += len(times)
            gaps.extend(b - a for a, b in itertools.pairwise(times))
            at.extend([exchange.intended] * (len(times) - 1))
        return True

    def sink(samples: Samples) -> None:
        tally.add(samples.intended, samples.latency, samples.lag, samples.first)
        if gaps:
            # By the clock of the loop: pieces of time that are told apart, wherever they begin.
            start = min(at)
            tally.between.add(tally.batch(np.array(at) - start), np.array(gaps))
            gaps.clear()
            at.clear()

    return Traffic(target.peer, target.requests, timeout, judge, sink, TokenReader if target.streams else None, halt)


def _why_not(exchange: Exchange, good: Callable[[Exchange], str]) -> tuple[str, str] | None:
    """Kind and words of a failure; None for a good answer."""
    if exchange.end is not End.ANSWERED:
        return exchange.end.value, exchange.error
    if not 200 <= exchange.status < 300:
        said = _said(exchange.body, exchange.request)
        return "http-error", f"status {exchange.status}{f', {said}' if said else ''}"
    why = good(exchange)
    return ("malformed", why) if why else None


def _said(content: bytes, request: bytes) -> str:
    """What the server says of an error, without what was sent."""
    content = content[:_EXCERPT]
    return excerpt(content, "", parse_json(content), request.partition(b"\r\n\r\n")[2])


def _broken_off(reader: TokenReader, request: bytes) -> str:
    """Why a stream is no answer; empty where it is one."""
    if reader.error:
        return f"the stream holds an error after {len(reader.times)} pieces: {_said(reader.error, request)}"
    if not reader.times:
        return "the answer holds no pieces of text: it was asked for as a stream"
    return "" if reader.complete else f"the stream ended without [DONE], after {len(reader.times)} pieces"
