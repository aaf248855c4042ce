"""When requests leave: on a schedule of their own (open), or each after the answer before it (closed)."""

import asyncio
import gc
import math
import time
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firedrill.sources.load.exchange import BodyReader, Exchange
from firedrill.sources.load.pool import Peer, Pool
from firedrill.sources.load.timing import exact_loop

#: Requests that leave before answers are looked at again.
_BURST: Final = 16
_GAPS: Final = 8192
_FLUSH: Final = 8192


@dataclass(frozen=True)
class Samples:
    """Requests that have ended, as arrays of one length. Times in seconds since the start of the load.

    ``latency`` counts from the intended time (in a closed loop, from sending) and is infinite where a request failed;
    ``lag`` is the client's own delay; ``first`` the time to the first byte.
    """

    intended: NDArray[np.float64]
    latency: NDArray[np.float64]
    lag: NDArray[np.float64]
    first: NDArray[np.float64]


@dataclass
class Halt:
    """A wish to end a load, from another thread: no request leaves after it."""

    asked: bool = False


@dataclass
class LoopResult:
    """What a load has been for its client. ``busy`` is the share of the time that this thread had the processor."""

    sent: int = 0
    blocked: int = 0
    elapsed: float = 0.0
    busy: float = 0.0


#: Whether an answer counts; called for each request that has ended, in the loop: it has to be quick. It may move
#: ``first`` to the first piece of the answer that matters.
Judge = Callable[[Exchange], bool]
#: Takes what has ended since it was called last.
Sink = Callable[[Samples], None]


@dataclass
class _Columns:
    intended: "array[float]" = field(default_factory=lambda: array("d"))
    latency: "array[float]" = field(default_factory=lambda: array("d"))
    lag: "array[float]" = field(default_factory=lambda: array("d"))
    first: "array[float]" = field(default_factory=lambda: array("d"))

    def take(self) -> Samples:
        """All that there is; it is empty afterwards."""
        taken = Samples(*(np.array(column) for column in (self.intended, self.latency, self.lag, self.first)))
        for column in (self.intended, self.latency, self.lag, self.first):
            del column[:]
        return taken


@dataclass(frozen=True)
class Traffic:
    """What is sent, to whom, and who takes the outcome. ``requests`` are whole HTTP requests, used in turn.

    ``reader`` makes a reader of the body for a request, where the pieces of an answer matter.
    """

    peer: Peer
    requests: Sequence[bytes]
    timeout: float
    judge: Judge
    sink: Sink
    reader: Callable[[], BodyReader] | None = None
    halt: Halt = field(default_factory=Halt)


class Load(ABC):
    """What both loops share: the pool, the columns, the end."""

    def __init__(self, traffic: Traffic) -> None:
        self._loop = asyncio.get_running_loop()
        self._traffic = traffic
        self._pool = Pool(self._loop, traffic.peer, traffic.timeout, self._ended)
        self._columns = _Columns()
        self._finished = asyncio.Event()
        self._start = 0.0
        self.result = LoopResult()

    async def run(self) -> LoopResult:
        """Send until the end; returns when the last answer is in."""
        worked, self._start = time.thread_time(), self._loop.time()
        try:
            self.begin()
            await self._finished.wait()
        finally:
            self._pool.close()
        self._traffic.sink(self._columns.take())
        self.result.elapsed = self._loop.time() - self._start
        busy = (time.thread_time() - worked) / self.result.elapsed if self.result.elapsed > 0 else 0.0
        self.result.busy = min(busy, 1.0)
        return self.result

    @abstractmethod
    def begin(self) -> None:
        """Send the first request."""

    @abstractmethod
    def after(self) -> None:
        """A request has ended."""

    def launch(self, intended: float, due: float) -> None:
        """Send the next request; times since the start."""
        number, requests = self.result.sent, self._traffic.requests
        self.result.sent = number + 1
        reader = self._traffic.reader
        exchange = Exchange(
            number,
            requests[number % len(requests)],
            self._start + intended,
            self._start + due,
            reader() if reader is not None else None,
        )
        self._pool.start(exchange)

    def _ended(self, exchange: Exchange) -> None:
        columns = self._columns
        columns.intended.append(exchange.intended - self._start)
        good = self._traffic.judge(exchange)
        columns.latency.append(exchange.done - exchange.intended if good else math.inf)
        columns.lag.append(exchange.sent - exchange.due)
        columns.first.append(exchange.first - exchange.intended if good else math.inf)
        if len(columns.intended) >= _FLUSH:
            self._traffic.sink(columns.take())
        self.after()


class OpenLoad(Load):
    """Poisson arrivals at ``rate`` a second for ``seconds``, whatever becomes of the requests before.

    At most ``max_in_flight`` are open; beyond, the next one waits, and its wait counts.
    """

    def __init__(self, traffic: Traffic, rate: float, seconds: float, max_in_flight: int, seed: Sequence[int]) -> None:
        super().__init__(traffic)
        self._times = arrivals(rate, seconds, seed)
        self._next = next(self._times, math.inf)
        self._max = max_in_flight
        self._resumed = 0.0
        self._waiting = False

    def begin(self) -> None:
        """Send the first request when it is due."""
        self._tick()

    def after(self) -> None:
        """A place is free, or all is over."""
        if self._waiting:
            self._waiting = False
            self._resumed = self._loop.time() - self._start
            self._tick()
        elif self._next == math.inf and self._pool.in_flight == 0:
            self._finished.set()

    def _tick(self) -> None:
        now = self._loop.time() - self._start
        if self._traffic.halt.asked:
            self._next = math.inf
        for _ in range(_BURST):
            if self._next > now:
                break
            if self._pool.in_flight >= self._max:
                self._waiting = True
                self.result.blocked += 1
                return
            intended, self._next = self._next, next(self._times, math.inf)
            self.launch(intended, max(intended, self._resumed))
        if self._next == math.inf:
            if self._pool.in_flight == 0:
                self._finished.set()
            return
        self._loop.call_at(self._start + self._next, self._tick)


class ClosedLoad(Load):
    """``concurrency`` clients for ``seconds``, each of which asks again when it has an answer."""

    def __init__(self, traffic: Traffic, concurrency: int, seconds: float) -> None:
        super().__init__(traffic)
        self._concurrency = concurrency
        self._seconds = seconds

    def begin(self) -> None:
        """All clients ask."""
        for _ in range(self._concurrency):
            self.launch(0.0, 0.0)

    def after(self) -> None:
        """Ask again, or stop."""
        now = self._loop.time() - self._start
        if now < self._seconds and not self._traffic.halt.asked:
            # By way of the loop: where nobody listens, an error comes at once, and the stack would grow.
            self._loop.call_soon(self._again)
        elif self._pool.in_flight == 0:
            self._finished.set()

    def _again(self) -> None:
        now = self._loop.time() - self._start
        self.launch(now, now)


def arrivals(rate: float, seconds: float, seed: Sequence[int]) -> Iterator[float]:
    """Times in seconds of Poisson arrivals at ``rate`` a second, ascending, up to ``seconds``."""
    generator = np.random.default_rng(list(seed))
    now = 0.0
    while True:
        times = now + np.cumsum(generator.exponential(1.0 / rate, _GAPS))
        now = float(times[-1])
        if now >= seconds:
            yield from times[times < seconds].tolist()
            return
        yield from times.tolist()


def run_load(make: Callable[[], Load]) -> LoopResult:
    """Run a load in this thread, on a loop of its own with exact timers; ``make`` is called with the loop running.

    What is in memory already is kept out of the garbage collector meanwhile: looking through it takes milliseconds, and
    they would be latency.
    """

    async def run() -> LoopResult:
        return await make().run()

    gc.collect()
    gc.freeze()
    try:
        with asyncio.Runner(loop_factory=exact_loop) as runner:
            return runner.run(run())
    finally:
        gc.unfreeze()
