"""HTTP/1.1 for load: connections that are kept, one request at a time on each, and nothing that is not needed.

aiohttp takes a fifth of a millisecond of processor a request, this a twentieth: the difference decides whether one core
can send 5,000 requests a second on schedule. Redirects are not followed: an answer of 302 is an answer.
"""

import asyncio
from typing import Final, Protocol

from firedrill.sources.load.exchange import End, Exchange

#: Larger answers are not read: a server that sends without end must not fill our memory.
MAX_BODY: Final = 16 * 1024**2
MAX_HEAD: Final = 65_536
_NO_BODY: Final = frozenset({204, 304})
_UNTIL_CLOSED: Final = -1
_CHUNKED: Final = -2


class Owner(Protocol):
    """Who keeps connections, and is told what becomes of them."""

    def now(self) -> float:
        """The time of the loop."""
        ...

    def finished(self, connection: "Connection", exchange: Exchange, *, keep: bool) -> None:
        """A connection has an answer, or knows that there will be none."""
        ...

    def lost(self, connection: "Connection") -> None:
        """A connection is closed."""
        ...


class _Malformed(Exception):
    """The peer does not speak HTTP."""


class Connection(asyncio.Protocol):
    """A connection with at most one request on it. Tells its pool when that is over."""

    def __init__(self, pool: Owner) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._buffer = b""
        self._length = 0
        self._left = 0
        self._in_body = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._keep = True
        self._known_head = b""
        self._known = (0, 0, True)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, exchange: Exchange) -> None:
        """Put a request on the connection, which must be open and free."""
        assert self._transport is not None
        self._exchange = exchange
        self._transport.write(exchange.request)

    def abandon(self) -> None:
        """Give up the request that is on it, and the connection."""
        self._exchange = None
        self.close()

    def close(self) -> None:
        """Close at once; what is on the way is lost."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read what there is of an answer."""
        exchange = self._exchange
        if exchange is None:
            # Nobody asked: what follows would be taken for the next answer.
            self.close()
            return
        if not exchange.first:
            exchange.first = self._pool.now()
        try:
            if self._in_body:
                self._read_body(data)
            else:
                self._read_head(data)
        except (_Malformed, ValueError) as error:
            self._finish(exchange, End.MALFORMED, f"the answer is not HTTP/1.1: {error}", keep=False)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        """The peer is gone; whether that ends an answer or breaks it off depends on what was read."""
        exchange, self._transport = self._exchange, None
        if exchange is not None:
            if self._in_body and self._length == _UNTIL_CLOSED:
                self._finish(exchange, End.ANSWERED, "", keep=False)
            else:
                half = "in the middle of an answer" if exchange.first else "before an answer"
                self._finish(exchange, End.TRANSPORT, f"the connection was closed {half}", keep=False)
        self._pool.lost(self)

    def _read_head(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > MAX_HEAD:
                raise _Malformed(f"its head is larger than {MAX_HEAD} bytes")
            if not b"HTTP/1.".startswith(buffer[:7]):
                raise _Malformed(f"it begins with {buffer[:16]!r}")
            self._buffer = buffer
            return
        head, rest = buffer[:end], buffer[end + 4 :]
        self._buffer = b""
        # Most answers of a server have the same head.
        if head != self._known_head:
            self._known, self._known_head = _parse_head(head), head
        status, self._length, self._keep = self._known
        if status < 200:
            if rest:
                self._read_head(rest)
            return
        assert self._exchange is not None
        self._exchange.status = status
        self._in_body = True
        self._left = 0 if status in _NO_BODY else self._length
        self._read_body(rest)

    def _read_body(self, data: bytes) -> None:
        exchange = self._exchange
        assert exchange is not None
        if self._length == _CHUNKED:
            if exchange.status in _NO_BODY:
                self._finish(exchange, End.ANSWERED, "", keep=False)
            else:
                self._read_chunks(data)
            return
        if self._left == _UNTIL_CLOSED:
            self._take(data)
            return
        if len(data) > self._left:
            raise _Malformed("it is longer than its Content-Length")
        self._left -= len(data)
        self._take(data)
        if self._left == 0:
            self._finish(exchange, End.ANSWERED, "", keep=self._keep)

    def _read_chunks(self, data: bytes) -> None:
        """``_left`` counts what is missing of the current chunk with its line end; 0 between chunks."""
        buffer = self._buffer + data
        while True:
            if self._left <= 0:
                end = buffer.find(b"\r\n")
                if end < 0:
                    if len(buffer) > MAX_HEAD:
                        raise _Malformed("a chunk has no size")
                    break
                size = int(buffer[:end].split(b";", 1)[0] or b"x", 16)
                if size == 0:
                    if not buffer.endswith(b"\r\n\r\n"):
                        break
                    self._buffer = b""
                    assert self._exchange is not None
                    self._finish(self._exchange, End.ANSWERED, "", keep=self._keep)
                    return
                buffer, self._left = buffer[end + 2 :], size + 2
            piece = buffer[: self._left]
            self._take(piece[: max(self._left - 2, 0)])
            self._left -= len(piece)
            buffer = buffer[len(piece) :]
            if self._left > 0:
                break
        self._buffer = buffer

    def _take(self, data: bytes) -> None:
        if not data:
            return
        assert self._exchange is not None
        self._size += len(data)
        if self._size > MAX_BODY:
            raise _Malformed(f"it is larger than {MAX_BODY} bytes")
        if self._exchange.reader is not None:
            self._exchange.reader(data, self._pool.now())
        self._pieces.append(data)

    def _finish(self, exchange: Exchange, end: End, error: str, *, keep: bool) -> None:
        exchange.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._size, self._buffer, self._in_body, self._left = [], 0, b"", False, 0
        self._exchange = None
        exchange.end, exchange.error = end, error
        if not keep:
            self.close()
        self._pool.finished(self, exchange, keep=keep)


def _parse_head(head: bytes) -> tuple[int, int, bool]:
    """Status, length of the body (or how it is told), and whether the connection stays."""
    line = head.split(b"\r\n", 1)[0]
    if not line.startswith(b"HTTP/1.") or len(line) < 12 or not line[9:12].isdigit():
        raise _Malformed(f"it begins with {line[:32]!r}")
    fields = {}
    for text in head.split(b"\r\n")[1:]:
        name, _, value = text.partition(b":")
        fields[name.strip().lower()] = value.strip()
    keep = fields.get(b"connection", b"").lower() != b"close" and line[7:8] == b"1"
    if fields.get(b"transfer-encoding", b"").lower().endswith(b"chunked"):
        return int(line[9:12]), _CHUNKED, keep
    if b"content-length" not in fields:
        return int(line[9:12]), 0 if int(line[9:12]) in _NO_BODY else _UNTIL_CLOSED, keep
    length = int(fields[b"content-length"])
    if length < 0:
        raise _Malformed("its Content-Length is below 0")
    return int(line[9:12]), length, keep
