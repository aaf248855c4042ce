"""A drain: nodes take no new pods, and then the chosen pods on them are evicted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from firedrill.api.changes import Change, ObjectEdited, PodDeleted
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.node import NodeDrain
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.context import RunContext
from firedrill.runner.faults.asked import too_late
from firedrill.runner.faults.driver import Look, NotInjected
from firedrill.runner.faults.edits import EditFault
from firedrill.runner.faults.podkill import PodKillFault

_POLL_SECONDS: Final = 0.1


class DrainFault:
    """The mark of the nodes by one fault, the evictions by another: no pod is evicted before all nodes are marked."""

    def __init__(self, context: RunContext, spec: ChaosExperimentSpec) -> None:
        fault = spec.fault.chosen
        assert isinstance(fault, NodeDrain)  # the table of faults says so
        self._marking = EditFault(context.client, context.clock, context.task, spec)
        self._evicting = PodKillFault(context.client, context.clock, fault)
        self._waiting_for: set[str] = set()
        self._failed = ""
        self._clock = context.clock

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """What either says."""
        return await self._marking.precheck(pods) or await self._evicting.precheck(pods)

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """The nodes first: changes are begun in their order."""
        nodes = await self._marking.plan(pods, now)
        self._waiting_for = {node.name for node in nodes}
        return [*nodes, *await self._evicting.plan(pods, now)]

    def schedule(self, change: Any, now: datetime, deadline: datetime) -> Change:
        """The planned change with its times."""
        return self._of(change).schedule(change, now, deadline)

    async def apply(self, change: Any) -> Change:
        """Mark a node; or wait for all nodes to be marked, and evict a pod."""
        if isinstance(change, PodDeleted):
            while self._waiting_for:
                if self._failed or too_late(change, self._clock):
                    raise NotInjected(f"pod {change.key} was not evicted: {self._failed or 'a node is not marked'}")
                await self._clock.sleep(_POLL_SECONDS)
            return await self._evicting.apply(change)
        try:
            applied = await self._marking.apply(change)
        except BaseException as error:
            self._failed = self._failed or f"Node {change.name} was not marked: {error}"
            raise
        self._waiting_for.discard(change.name)
        return applied

    async def look(self, change: Any) -> Look:
        """What is to be seen of a change."""
        return await self._of(change).look(change)

    def ended_at(self, change: Any, undone_at: datetime) -> datetime:
        """When all was undone: a drain is over when the nodes take pods again, whatever became of the pods before."""
        del change
        return undone_at

    def proven(self, change: Any) -> bool:
        """The API server has answered that a pod is evicted."""
        return isinstance(change, PodDeleted) and self._evicting.proven(change)

    def _of(self, change: Change) -> EditFault | PodKillFault:
        return self._marking if isinstance(change, ObjectEdited) else self._evicting
