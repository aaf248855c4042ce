"""What a run works with: its task, its cluster, who it is, and how it is asked to stop."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from firedrill.api.errors import InvalidInput, describe
from firedrill.api.task import Task
from firedrill.runner.data.stores import Stores
from firedrill.runner.fis.aws import AwsRegions
from firedrill.runner.fis.port import Regions
from firedrill.runner.ports import Clock, Cluster
from firedrill.runner.record_store import RecordStore
from firedrill.runner.surge.port import Surges
from firedrill.runner.surge.system import SystemSurges
from firedrill.runner.toolkit.port import Toolkit
from firedrill.runner.toolkit.system import SystemToolkit
from firedrill.runner.undoing import UndoContext
from firedrill.runner.vault import Vault


@dataclass(frozen=True)
class Identity:
    """The own pod, as the downward API tells it."""

    pod: str
    uid: str
    namespace: str
    node: str


class Stop:
    """A wish to stop, with its first reason. It comes from a signal, from the operator or from the guardian."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._parts: list[Stop] = []
        self.reason = ""

    @property
    def asked(self) -> bool:
        """Whether anybody has asked."""
        return self._event.is_set()

    def ask(self, reason: str) -> None:
        """Ask to stop; only the first reason is kept."""
        if not self.asked:
            self.reason = reason
            self._event.set()
            for part in self._parts:
                part.ask(reason)

    def part(self) -> "Stop":
        """A wish to stop a part of the work alone; who asks to stop the whole asks for that, too."""
        made = Stop()
        self._parts.append(made)
        if self.asked:
            made.ask(self.reason)
        return made

    async def sleep(self, clock: Clock, seconds: float) -> None:
        """Wait, but not past a wish to stop."""
        if self.asked or seconds <= 0:
            return
        waits = (asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(self._event.wait()))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


@dataclass(frozen=True)
class RunContext:
    """One run in one pod."""

    task: Task
    client: Cluster
    store: RecordStore
    clock: Clock
    identity: Identity
    stop: Stop
    toolkit: Toolkit = field(default_factory=SystemToolkit)
    stores: Stores = field(default_factory=Stores)
    surges: Surges = field(default_factory=SystemSurges)
    fis: Regions = field(default_factory=AwsRegions)
    #: That of the whole run, where this is the context of a part of it: what is staged there is written as one.
    own_vault: Vault | None = None

    @cached_property
    def vault(self) -> Vault:
        """Where this pod keeps originals that a record must not hold."""
        return self.own_vault or Vault(
            self.client, self.clock, self.task.runner_namespace, self.task.job, self.identity.uid
        )

    @property
    def for_undoing(self) -> UndoContext:
        """What undo functions of this run work with."""
        return UndoContext(
            self.client, self.task, self.clock, self.vault, toolkit=self.toolkit, stores=self.stores, fis=self.fis
        )


def read_identity(environment: Mapping[str, str] = os.environ) -> Identity:
    """The own pod; raises InvalidInput where the Job does not tell it."""
    names = ("POD_NAME", "POD_UID", "POD_NAMESPACE", "NODE_NAME")
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise InvalidInput(f"{', '.join(missing)} must be set from the downward API")
    return Identity(*(environment[name] for name in names))


def read_task(path: Path) -> Task:
    """The task of a run; raises InvalidInput that names the file and what is wrong with it."""
    try:
        return Task.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"the task {path} can not be read: {error.strerror}") from error
    except ValidationError as error:
        raise InvalidInput(f"the task {path} is not valid: {describe(error, 'task')}") from error
