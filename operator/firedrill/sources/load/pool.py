"""Connections of a load to one peer: opened when they are needed, kept, and given up when time is over."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from firedrill.sources.load.exchange import End, Exchange
from firedrill.sources.load.http1 import Connection


@dataclass(frozen=True)
class Peer:
    """Where connections go to. ``tls`` is None for plain text; ``name`` is what the certificate must be for."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    name: str | None = None


class Pool:
    """Connections to one peer, opened when they are needed and kept. The one used last is used first.

    ``done`` is called for each request once, with ``end`` and ``error`` set.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, peer: Peer, timeout: float, done: Callable[[Exchange], None]
    ) -> None:
        self._loop = loop
        self._peer = peer
        self._timeout = timeout
        self._done = done
        self.now = loop.time
        self._free: list[Connection] = []
        self._open: dict[Connection, None] = {}
        self._in_flight: dict[Exchange, Connection | None] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None

    @property
    def in_flight(self) -> int:
        """Requests without an answer yet."""
        return len(self._in_flight)

    def start(self, exchange: Exchange) -> None:
        """Send a request now; opening a connection for it is part of its latency."""
        exchange.sent = self.now()
        if self._watch is None:
            self._watch = self._loop.call_at(exchange.sent + self._timeout, self._expire)
        if self._free:
            connection = self._free.pop()
            self._in_flight[exchange] = connection
            connection.send(exchange)
            return
        self._in_flight[exchange] = None
        task = self._loop.create_task(self._connect(exchange))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def finished(self, connection: Connection, exchange: Exchange, *, keep: bool) -> None:
        """A connection has an answer, or knows that there will be none."""
        if keep:
            self._free.append(connection)
        self._end(exchange)

    def lost(self, connection: Connection) -> None:
        """A connection is closed."""
        self._open.pop(connection, None)
        if connection in self._free:
            self._free.remove(connection)

    def close(self) -> None:
        """Close all connections."""
        if self._watch is not None:
            self._watch.cancel()
        for task in self._opening:
            task.cancel()
        for connection in list(self._open):
            connection.abandon()

    async def _connect(self, exchange: Exchange) -> None:
        try:
            _, connection = await self._loop.create_connection(
                lambda: Connection(self),
                self._peer.host,
                self._peer.port,
                ssl=self._peer.tls,
                server_hostname=self._peer.name if self._peer.tls else None,
            )
        except OSError as error:
            if exchange in self._in_flight:
                exchange.end, exchange.error = End.TRANSPORT, _why(error)
                self._end(exchange)
            return
        self._open[connection] = None
        if exchange in self._in_flight:
            self._in_flight[exchange] = connection
            connection.send(exchange)
        else:
            # It has timed out meanwhile; the connection serves the next.
            self._free.append(connection)

    def _end(self, exchange: Exchange) -> None:
        exchange.done = self.now()
        self._in_flight.pop(exchange, None)
        self._done(exchange)

    def _expire(self) -> None:
        """All have the same time, so the first in flight is the first to expire."""
        now = self.now()
        while self._in_flight:
            exchange = next(iter(self._in_flight))
            if exchange.sent + self._timeout > now:
                self._watch = self._loop.call_at(exchange.sent + self._timeout, self._expire)
                return
            connection = self._in_flight[exchange]
            exchange.end, exchange.error = End.TIMEOUT, f"no answer within {self._timeout:g} s"
            if connection is not None:
                connection.abandon()
            self._end(exchange)
        self._watch = None


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return f"its name is not known: {error.strerror}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS: {error.reason or error}"
    # asyncio says only that a call has failed; the number says why.
    return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
