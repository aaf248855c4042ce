"""What every fault can do, seen from the experiment. How it is undone is in the table of undo functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from firedrill.api.changes import Change
from firedrill.engines.chaos.outcome import EngineOutcome
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.context import Stop


class NotInjected(Exception):
    """The fault could not be put in place; the text says why."""


class NotAsked(NotInjected):
    """As that, and nothing was asked for that could take effect yet: there is nothing to undo."""


@dataclass(frozen=True)
class Look:
    """A look at a change while the fault is on.

    ``reverted`` is whether somebody else has taken the fault away. ``effect`` is what suffers by it, in words; empty
    where nothing is seen but our own change.
    """

    reverted: bool
    effect: str = ""


@runtime_checkable
class Engine(Protocol):
    """What a fault can do beside, that another engine carries out."""

    async def hold(self, stop: Stop, end: datetime) -> None:
        """Wait until the engine has ended by itself, until ``end``, or until somebody asks to stop."""
        ...

    def outcome(self) -> EngineOutcome:
        """What the engine says of the experiment, once it has ended."""
        ...


class Fault(Protocol):
    """One fault of one experiment. All methods may raise ClusterError."""

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """Why the target will not admit the fault, found without changing anything."""
        ...

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """All changes, with what is needed to undo them and to see them undone."""
        ...

    def schedule(self, change: Any, now: datetime, deadline: datetime) -> Change:
        """The planned change with its times, as applying begins. ``deadline`` is that of the record."""
        ...

    async def apply(self, change: Any) -> Change:
        """Carry out a change of the record and return it as applied, with evidence; raises NotInjected."""
        ...

    async def look(self, change: Any) -> Look:
        """What is to be seen of a change of the record that is in place."""
        ...

    def ended_at(self, change: Any, undone_at: datetime) -> datetime:
        """When the fault ended, given when it was seen undone."""
        ...

    def proven(self, change: Any) -> bool:
        """Whether the fault's own evidence shows that it took effect."""
        ...
