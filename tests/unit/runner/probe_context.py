"""What a probe is asked with: a run in real time over a world whose requests take none."""

from typing import Any

from chaos_cluster import World
from chaos_lab import spec, task
from chaos_process import Process

from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.ports import SystemClock
from firedrill.runner.record_store import RecordStore


class Requests(Process):
    """Requests to a world in memory that take no time of their own."""

    async def sleep(self, seconds: float) -> None:
        """Nothing is waited for."""

    async def _begin(self, verb: str, path: str) -> None:
        self.world.requests.append((self.name, f"{verb} {path}"))
        error = self.fail(verb, path)
        if error:
            raise error


def context_of(world: World, fault: dict[str, Any] | None = None) -> RunContext:
    """A run of namespace ``sre`` on the hub."""
    client, run, clock = Requests(world, "runner"), task(spec(fault or {"podKill": {}})), SystemClock()
    identity = Identity("pod", "uid", "firedrill", "node")
    return RunContext(run, client, RecordStore(client, run, clock), clock, identity, Stop())
