"""Watches the abort conditions while a fault is on."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from firedrill.api.shape import AbortCondition
from firedrill.engines.chaos import aborting
from firedrill.engines.chaos.aborting import AbortLook
from firedrill.runner.context import Stop
from firedrill.runner.ports import Clock
from firedrill.runner.prober import Prober

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.25


class AbortWatch:
    """Asks ``stop`` to stop as soon as a condition is met with a fault on, from :meth:`start` to :meth:`stop`."""

    def __init__(
        self, clock: Clock, conditions: Sequence[AbortCondition], probers: Mapping[str, Prober], stop: Stop
    ) -> None:
        self._clock = clock
        self._probers = probers
        self._stop = stop
        self._since: datetime | None = None
        self._task: asyncio.Task[None] | None = None
        self.looks = [AbortLook(condition) for condition in conditions]
        #: What was met; empty while nothing was.
        self.met = ""

    def start(self) -> None:
        """Begin to watch, where there is anything to watch."""
        if self.looks:
            self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Watch no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def fault_is_on(self, since: datetime) -> None:
        """From ``since`` on answers count; called again with a fault on, it changes nothing."""
        self._since = self._since or since

    def fault_is_off(self) -> None:
        """Answers count no more."""
        self._since = None

    async def _run(self) -> None:
        while not self._stop.asked:
            if self._since is not None:
                self._look(self._since)
            await self._clock.sleep(POLL_SECONDS)

    def _look(self, since: datetime) -> None:
        now = self._clock.now()
        for index, before in enumerate(self.looks):
            samples = self._probers[before.condition.name].samples
            self.looks[index] = seen = aborting.look(before, samples, since, now)
            if seen.met and not self._stop.asked:
                self.met = seen.judged().sentence
                log.warning("the abort condition %s is met: %s", before.condition.name, self.met)
                self._stop.ask(f"{aborting.MET}: {self.met}")
