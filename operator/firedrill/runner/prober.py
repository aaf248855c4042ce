"""The probe: asks at a fixed rate whatever the answers do, and keeps every outcome with its time."""

import asyncio
import logging
from bisect import insort
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from firedrill.engines.chaos.samples import Sample
from firedrill.runner.ports import Clock

log = logging.getLogger(__name__)

#: One question: whether the answer was good, or None where there was nobody to tell, and what was wrong with it. It
#: never raises.
Ask = Callable[[], Awaitable[tuple[bool | None, str]]]


class Prober:
    """Asks in an open loop from :meth:`start` to :meth:`stop`.

    A slow answer does not delay the next question; were questions sent one after the other, an outage would be
    asked about less often than the good times before and after it, and look smaller than it was.
    """

    def __init__(self, clock: Clock, interval: timedelta, ask: Ask) -> None:
        self._clock = clock
        self._interval = interval
        self._ask = ask
        self._samples: list[Sample] = []
        self._pending: dict[asyncio.Task[None], datetime] = {}
        self._loop: asyncio.Task[None] | None = None

    @property
    def samples(self) -> Sequence[Sample]:
        """All outcomes known so far, by the time they were sent."""
        return self._samples

    @property
    def observed_until(self) -> datetime:
        """All questions sent before this moment have their outcome."""
        return min(self._pending.values(), default=self._clock.now())

    def start(self) -> None:
        """Begin to ask."""
        self._loop = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Ask no more, and forget questions without an answer."""
        tasks = [task for task in (self._loop, *self._pending) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        due = self._clock.now()
        while True:
            sent_at = self._clock.now()
            task = asyncio.ensure_future(self._one(sent_at))
            self._pending[task] = sent_at
            task.add_done_callback(lambda done: self._pending.pop(done, None))
            due += self._interval
            late = (self._clock.now() - due) // self._interval
            if late > 0:
                # This process was not running. What was not asked then can not be asked now.
                log.warning("the probe was held up: %d requests were not sent", late)
                due += late * self._interval
            await self._clock.sleep(max(0.0, (due - self._clock.now()).total_seconds()))

    async def _one(self, sent_at: datetime) -> None:
        good, detail = await self._ask()
        if good is None:
            log.warning("the probe can not tell: %s", detail)
            return
        took = (self._clock.now() - sent_at).total_seconds()
        insort(self._samples, Sample(sent_at, took, good, detail), key=lambda sample: sample.at)
