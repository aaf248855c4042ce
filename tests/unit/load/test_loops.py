"""Loops of load: what is counted, from when latency counts, and who sees a stall."""

import asyncio
import time

import numpy as np
import pytest

from firedrill.sources.load.exchange import End
from firedrill.sources.load.loops import ClosedLoad, Halt, OpenLoad, Samples, Traffic, arrivals
from firedrill.sources.load.pool import Peer
from firedrill.sources.load.request import raw_request
from firedrill.sources.load.timing import exact_loop
from firedrill.sources.load.tokens import TokenReader
from support.odd_servers import Answer, http, listening, read_request

pytestmark = pytest.mark.system

REQUEST = raw_request("GET", "http://a/", {}, None)


def stalling(every: float, stall: float) -> Answer:
    """Answers at once, but for a stall that all of its connections wait for together."""
    started = time.monotonic()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader):
            at = (time.monotonic() - started) % every
            if at < stall:
                await asyncio.sleep(stall - at)
            writer.write(http(b"ok"))

    return answer


class Taken:
    """Collects samples."""

    def __init__(self) -> None:
        self.parts: list[Samples] = []

    def __call__(self, samples: Samples) -> None:
        self.parts.append(samples)

    @property
    def latency(self) -> np.ndarray:
        return np.concatenate([part.latency for part in self.parts])


def traffic(port: int, taken: Taken, halt: Halt | None = None) -> Traffic:
    return Traffic(
        Peer("127.0.0.1", port),
        [REQUEST],
        10.0,
        lambda item: item.end is End.ANSWERED,
        taken,
        halt=halt or Halt(),
    )


async def test_a_stall_is_in_the_open_loop_and_hidden_from_the_closed_one() -> None:
    """Coordinated omission: of two seconds the server stalls for one."""
    quantile = {}
    for name in ("open", "closed"):
        taken = Taken()
        async with listening(stalling(every=60, stall=1.0)) as port:
            sent = traffic(port, taken)
            load = OpenLoad(sent, 200, 2.0, 1000, (1,)) if name == "open" else ClosedLoad(sent, 1, 2.0)
            await load.run()
        quantile[name] = float(np.quantile(taken.latency, 0.99))
    assert quantile["open"] > 0.8
    assert quantile["closed"] < 0.5


async def test_every_arrival_is_sent_and_counted_once() -> None:
    taken = Taken()
    async with listening(stalling(60, 0)) as port:
        result = await OpenLoad(traffic(port, taken), 300, 1.0, 50, (7, 1)).run()
    expected = len(list(arrivals(300, 1.0, (7, 1))))
    assert result.sent == len(taken.latency) == expected
    assert np.isfinite(taken.latency).all()


async def test_where_all_places_are_taken_the_wait_counts() -> None:
    taken = Taken()
    async with listening(stalling(60, 0.5)) as port:
        result = await OpenLoad(traffic(port, taken), 200, 0.3, 1, (1,)).run()
    assert result.blocked > 10
    assert float(taken.latency.max()) > 0.3


async def test_a_load_can_be_ended_from_outside() -> None:
    taken, halt = Taken(), Halt()
    async with listening(stalling(60, 0)) as port:
        loads = [OpenLoad(traffic(port, taken, halt), 100, 60, 10, (1,)), ClosedLoad(traffic(port, taken, halt), 2, 60)]
        running = [asyncio.create_task(load.run()) for load in loads]
        await asyncio.sleep(0.2)
        halt.asked = True
        async with asyncio.timeout(10):
            results = await asyncio.gather(*running)
    assert all(result.elapsed < 9 for result in results)


def test_arrivals_are_poisson() -> None:
    times = np.array(list(arrivals(1000, 60, (3,))))
    gaps = np.diff(times)
    assert times[-1] < 60
    assert len(times) == pytest.approx(60_000, rel=0.02)
    # Of exponential gaps the deviation is the mean.
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.02)


def test_exact_timers_keep_less_than_a_millisecond_where_the_machine_lets_them() -> None:
    async def sleeps() -> list[float]:
        found = []
        for _ in range(50):
            begun = time.perf_counter()
            await asyncio.sleep(0.0003)
            found.append(time.perf_counter() - begun)
        return found

    with asyncio.Runner(loop_factory=exact_loop) as runner:
        # The best of fifty: how busy the machine is does not matter. epoll alone can not do better than 1 ms.
        assert min(runner.run(sleeps())) < 0.0009


def test_tokens_are_timed_whatever_the_pieces() -> None:
    events = [b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n']
    events += [b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % i for i in range(5)]
    events += [b"data: [DONE]\n\n"]
    reader = TokenReader()
    for now, piece in enumerate(b"".join(events)[i : i + 11] for i in range(0, 400, 11)):
        reader(piece, float(now))
    assert (len(reader.times), reader.complete) == (5, True)
    assert reader.times == sorted(reader.times)


def test_what_a_model_thinks_before_it_answers_are_tokens_too() -> None:
    events = [b'data: {"choices":[{"delta":{"%s":"hm"}}]}\n\n' % key for key in (b"reasoning_content", b"reasoning")]
    reader = TokenReader()
    reader(b"".join([*events, b'data: {"choices":[{"delta":{"content":"42"}}]}\n\ndata: [DONE]\n\n']), 1.0)
    assert (len(reader.times), reader.complete, reader.error) == (3, True, b"")


def test_an_error_in_a_stream_that_ends_well_is_kept() -> None:
    events = [
        b'data: {"choices":[{"delta":{"content":"so"}}]}\n\n',
        b'data: {"error":{"message":"CUDA out of memory"}}\n\n',
        b"data: [DONE]\n\n",
    ]
    reader = TokenReader()
    reader(b"".join(events), 1.0)
    assert (len(reader.times), reader.complete) == (1, True)
    assert b"CUDA" in reader.error
