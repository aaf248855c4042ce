"""AWS FIS in memory: experiments of one template that go on until they are stopped, or for a minute."""

from datetime import datetime, timedelta
from typing import Any

from chaos_cluster import World
from chaos_process import Process

from firedrill.engines.chaos.adapters.awsfis import Action, Experiment
from firedrill.runner.fis.port import FisError, FisUnreachable

TEMPLATE = "EXT1a2b3c4d5e6f7"
_STOPS_IN = timedelta(seconds=3)
_LASTS = timedelta(seconds=60)


class Account:
    """What AWS knows."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.started: dict[str, tuple[str, datetime]] = {}
        self.stopped: dict[str, datetime] = {}
        self.ends_as = "completed"
        self.closed_to: set[str] = set()
        self.away = False
        #: What is raised, one after the other, by requests to start; with whether they start it all the same.
        self.odd_starts: list[tuple[Exception, bool]] = []
        self.forgotten = False

    def status(self, identity: str) -> str:
        """Where an experiment stands."""
        now = self.world.clock.now()
        begun = self.started[identity][1]
        asked = self.stopped.get(identity)
        if asked is not None:
            return "stopped" if now >= asked + _STOPS_IN else "stopping"
        return self.ends_as if now >= begun + _LASTS else "running"

    @property
    def hurts(self) -> bool:
        """Whether one goes on."""
        return any(self.status(each) in ("running", "stopping") for each in self.started)


class FisInWorld:
    """The service as one process asks it; starting and stopping are writes that it can be killed at."""

    def __init__(self, process: Process, account: Account) -> None:
        self._process = process
        self._account = account

    def region(self, name: str) -> "FisInWorld":
        assert name == "eu-west-1"
        return self

    async def _do(self, what: str, action: Any, *, write: bool = False) -> Any:
        if self._account.away:
            raise FisUnreachable("nobody answers")
        if self._process.name in self._account.closed_to:
            raise FisError("AccessDeniedException", "not you")
        return await self._process._write("FIS", what, action, not write)

    async def actions(self, template: str) -> list[str]:
        if template != TEMPLATE:
            raise FisError("ResourceNotFoundException", "no such template")
        return await self._do("template", lambda: ["aws:ec2:stop-instances"])  # type: ignore[no-any-return]

    async def start(self, template: str, token: str) -> str:
        account = self._account

        def begin() -> str:
            for identity, (used, _) in account.started.items():
                if used == token:
                    return identity
            identity = f"EXP{len(account.started) + 1}"
            account.started[identity] = (token, account.world.clock.now())
            return identity

        odd = account.odd_starts.pop(0) if account.odd_starts else None
        if odd is not None and not odd[1]:
            raise odd[0]
        identity = str(await self._do("start", begin, write=True))
        if odd is not None:
            raise odd[0]
        return identity

    async def find(self, template: str, token: str) -> list[str]:
        def look() -> list[str]:
            return [identity for identity, (used, _) in self._account.started.items() if used == token]

        return await self._do("find", look)  # type: ignore[no-any-return]

    async def experiment(self, identity: str) -> Experiment:
        def look() -> Experiment:
            if self._account.forgotten:
                raise FisError("ResourceNotFoundException", "no such experiment")
            status = self._account.status(identity)
            return Experiment(status, "", {"stop": Action("aws:ec2:stop-instances", status)})

        return await self._do("look", look)  # type: ignore[no-any-return]

    async def stop(self, identity: str) -> None:
        now = self._account.world.clock.now()
        await self._do("stop", lambda: self._account.stopped.setdefault(identity, now), write=True)
