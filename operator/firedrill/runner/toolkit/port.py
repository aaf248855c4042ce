"""What is asked of Chaos Toolkit. Its library keeps state for the whole process, so it never runs in ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from firedrill.engines.chaos.toolkit.journal import Activity, Hypothesis, Journal

Object = dict[str, Any]


class ToolkitRefused(Exception):
    """The experiment can not be run; the text says why."""


@dataclass(frozen=True)
class Request:
    """An experiment as it is given: what it reads from the environment, and the only namespace that it may name."""

    experiment: Object
    env: dict[str, str]
    namespace: str


@dataclass(frozen=True)
class RolledBack:
    """What came of a try to run rollbacks: ``done`` are those that have succeeded, by their place."""

    done: Sequence[int]
    rollbacks: Sequence[Activity]
    verified: Hypothesis | None
    error: str = ""


class Running(Protocol):
    """An experiment that was started."""

    @property
    def ended(self) -> bool:
        """Whether its process has ended."""
        ...

    @property
    def journal(self) -> Journal:
        """What it has told last."""
        ...

    def interrupt(self) -> None:
        """Ask it to stop, and to run its rollbacks."""
        ...

    def kill(self) -> None:
        """End its process at once."""
        ...


class Toolkit(Protocol):
    """Chaos Toolkit. Everything it does is done in processes that end with ours."""

    async def prepare(self, request: Request) -> Object:
        """Check an experiment and resolve its configuration by reading alone; raises ToolkitRefused."""
        ...

    async def start(self, experiment: Object, hypothesis: str, every: timedelta, ends_in: timedelta) -> Running:
        """Begin a prepared experiment. Its process has ended after ``ends_in``, whatever it does."""
        ...

    async def roll_back(self, experiment: Object, done: Sequence[int], limit: timedelta) -> RolledBack:
        """Run the rollbacks that are not ``done`` in their order, for no longer than ``limit``."""
        ...
