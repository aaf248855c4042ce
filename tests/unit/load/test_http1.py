"""The lean client against servers that speak HTTP well, oddly, and not at all."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firedrill.sources.load.exchange import End, Exchange
from firedrill.sources.load.http1 import MAX_BODY
from firedrill.sources.load.pool import Peer, Pool
from firedrill.sources.load.request import raw_request
from support.odd_servers import Answer, endless, hanging, http, listening, resetting, saying

REQUEST = raw_request("GET", "http://a/", {}, None)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def ask(answer: Answer, times: int = 1, timeout: float = 2.0) -> list[Exchange]:
    """Requests one after the other on what connections there are."""
    async with listening(answer) as port:
        return await ask_port(port, times, timeout)


async def ask_port(port: int, times: int = 1, timeout: float = 2.0, request: bytes = REQUEST) -> list[Exchange]:
    ended: asyncio.Queue[Exchange] = asyncio.Queue()
    pool = Pool(asyncio.get_running_loop(), Peer("127.0.0.1", port), timeout, ended.put_nowait)
    found = []
    for i in range(times):
        now = pool.now()
        pool.start(Exchange(i, request, now, now))
        found.append(await ended.get())
    pool.close()
    return found


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (http(b"hello"), b"hello"),
        (http(b""), b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + http(b"late"), b"late"),
        (CHUNKED + b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n", b"hello world"),
        (CHUNKED + b"0\r\nTrailer: x\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ncontent-LENGTH:2\r\n\r\nab", b"ab"),
    ],
)
async def test_every_way_to_end_a_body_is_read_and_the_connection_kept(answer: bytes, body: bytes) -> None:
    found = await ask(saying(answer), times=3)
    assert [item.end for item in found] == [End.ANSWERED] * 3
    assert [item.body for item in found] == [body] * 3


async def test_a_body_may_end_with_the_connection() -> None:
    found = await ask(saying(b"HTTP/1.0 200 OK\r\n\r\nuntil the end", close=True), times=2)
    assert [(item.end, item.body) for item in found] == [(End.ANSWERED, b"until the end")] * 2


@pytest.mark.parametrize(
    ("answer", "end", "said"),
    [
        (saying(b"SSH-2.0-OpenSSH\r\n"), End.MALFORMED, "it begins with b'SSH-2.0-OpenSSH"),
        (saying(b"HTTP/1.1 two hundred\r\n\r\n"), End.MALFORMED, "it begins with"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), End.MALFORMED, "Content-Length is below 0"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"), End.MALFORMED, "invalid literal"),
        (saying(http(b"four") + b"more"), End.MALFORMED, "longer than its Content-Length"),
        (saying(CHUNKED + b"zz\r\nhello\r\n"), End.MALFORMED, "invalid literal"),
        (saying(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000), End.MALFORMED, "its head is larger than"),
        (endless, End.MALFORMED, f"larger than {MAX_BODY} bytes"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", close=True), End.TRANSPORT, "middle of an answer"),
        (saying(b"", close=True), End.TRANSPORT, "closed before an answer"),
        (resetting, End.TRANSPORT, "closed before an answer"),
        (hanging, End.TIMEOUT, "no answer within 0.2 s"),
    ],
)
async def test_what_is_no_answer_is_told_as_what_it_is(answer: Answer, end: End, said: str) -> None:
    patience = 0.2 if answer is hanging else 20.0
    [found] = await ask(answer, timeout=patience)
    assert (found.end, said in found.error) == (end, True), found.error


async def test_nobody_listens(unused_tcp_port_of_load: int) -> None:
    [found] = await ask_port(unused_tcp_port_of_load)
    assert (found.end, found.error) == (End.TRANSPORT, "Connection refused")


async def test_an_answer_after_the_timeout_is_not_taken_for_the_next() -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(0.3)
            writer.write(http(b"late"))

    found = await ask(late, times=2, timeout=0.1)
    assert [item.end for item in found] == [End.TIMEOUT] * 2


@given(
    bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=40),
    chunked=st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wherever_the_network_cuts_the_answer_is_the_same(bodies: list[bytes], cuts: list[int], chunked: bool) -> None:
    from firedrill.sources.load.http1 import Connection

    class Owner:
        def __init__(self) -> None:
            self.seen: list[Exchange] = []

        def now(self) -> float:
            return 1.0

        def finished(self, connection: Connection, exchange: Exchange, *, keep: bool) -> None:
            self.seen.append(exchange)

        def lost(self, connection: Connection) -> None: ...

    class Wire(asyncio.Transport):
        def write(self, data: object) -> None: ...

        def abort(self) -> None: ...

    owner = Owner()
    connection = Connection(owner)
    connection.connection_made(Wire())
    for body in bodies:
        connection.send(Exchange(0, REQUEST, 0, 0))
        if chunked:
            pieces = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]) if part]
            wire = CHUNKED + b"".join(pieces) + b"0\r\n\r\n"
        else:
            wire = http(body)
        at = 0
        for i in range(len(wire)):
            if at >= len(wire):
                break
            step = cuts[i % len(cuts)]
            connection.data_received(wire[at : at + step])
            at += step
    assert [item.body for item in owner.seen] == bodies
    assert all(item.end is End.ANSWERED for item in owner.seen)
