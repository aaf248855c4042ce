"""Surges as the simulated cluster has them: processes that end with the one that has started them, or in time."""

from collections import Counter
from datetime import UTC, datetime

from chaos_process import Process

from firedrill.runner.surge.port import Surge, Told


class SurgeInWorld:
    """One surge; the API server refuses every other request of it."""

    def __init__(self, process: Process, surge: Surge) -> None:
        self._process = process
        self._begun = process.world.clock.now()
        self._ends = datetime.fromtimestamp(surge.until, UTC)
        self._rate = surge.rate
        self._ended = False

    @property
    def alive(self) -> bool:
        """Whether its process lives."""
        return not self._ended and not self._process.dead and self._process.world.clock.now() < self._ends

    def told(self) -> Told:
        seconds = (self._process.world.clock.now() - self._begun).total_seconds()
        half = int(seconds * self._rate) // 2
        return Told(Counter({200: half, 429: half}) if half else Counter())

    async def look(self) -> tuple[bool, str]:
        return self.alive, str(self.told())

    async def close(self) -> None:
        self._ended = True


class SurgesInWorld:
    """Begins surges for one process; that is a write that it can be killed at."""

    def __init__(self, process: Process, begun: list[SurgeInWorld]) -> None:
        self._process = process
        self._begun = begun

    async def begin(self, surge: Surge) -> SurgeInWorld:
        def begin() -> SurgeInWorld:
            self._begun.append(SurgeInWorld(self._process, surge))
            return self._begun[-1]

        made: SurgeInWorld = await self._process._write("SURGE", surge.path, begin, False)
        return made
