"""Faults of a packet filter: an ephemeral container puts an nft table into a pod's network namespace and exits.

The kernel ends the drop when the elements of the table's sets time out. What is undone here is the table itself,
and a drop that is to end early.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from firedrill.api.changes import Change, PacketsDropped
from firedrill.api.faults.network import FilterFault
from firedrill.api.task import Task
from firedrill.engines.chaos.faults.filters import filtered
from firedrill.engines.chaos.views import PodView
from firedrill.runner import nft
from firedrill.runner.faults import ephemeral
from firedrill.runner.faults.inpod import InPodFault
from firedrill.runner.ports import Clock, Cluster, Object


class FilteringFault(InPodFault[PacketsDropped]):
    """Filters packets in each pod."""

    def __init__(self, client: Cluster, clock: Clock, task: Task, fault: FilterFault, duration: timedelta) -> None:
        super().__init__(client, clock, task, duration)
        self._filtered = filtered(fault)

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """One change a pod; names of table and containers follow from the run."""
        wanted = self._filtered
        return [
            PacketsDropped(
                namespace=pod.namespace,
                name=pod.name,
                uid=pod.uid,
                table=nft.table_name(self._task.run_id),
                percent=wanted.percent,
                direction=wanted.direction,
                protocol=wanted.protocol,
                port=wanted.port,
                action=wanted.action,
                **self.times(now),
            )
            for pod in pods
        ]

    def containers(self, change: PacketsDropped) -> list[Object]:
        """One that filters."""
        arguments = (
            "inject",
            "--table",
            change.table,
            "--percent",
            str(change.percent),
            "--direction",
            change.direction,
            "--protocol",
            change.protocol,
            "--action",
            change.action,
            *(() if change.port is None else ("--port", str(change.port))),
            "--seconds",
            f"{change.seconds:g}",
            "--not-after",
            f"{change.not_after.timestamp():.3f}",
        )
        return [ephemeral.container(change.inject_container, self._task.image, arguments)]

    def proven(self, change: PacketsDropped) -> bool:
        """The kernel has counted dropped packets."""
        return bool(change.dropped_packets)
