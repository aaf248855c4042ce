"""Faults of traffic: a container with NET_ADMIN leads it to a proxy, which runs in another one without any capability.

Both are asked for in one request, so that they are admitted together or not at all. The kernel ends the redirect as it
ends a drop, and the proxy ends by its own time limit; so nothing of ours is needed to end the fault. Where there is no
proxy (a slow queue), there is the container with NET_ADMIN alone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.changes import Change, HeldInPod
from firedrill.api.faults.traffic import TrafficFault
from firedrill.api.task import Task
from firedrill.engines.chaos.faults.traffic import proxy_port, traffic
from firedrill.engines.chaos.views import PodView
from firedrill.runner import nft
from firedrill.runner.faults import ephemeral, holders
from firedrill.runner.faults.inpod import InPodFault
from firedrill.runner.ports import Clock, Cluster, Object

#: Nobody else runs as this user: by it the kernel knows what the proxy asks itself.
PROXY_USER: Final = 64321


class TrafficInPod(InPodFault[HeldInPod]):
    """Leads traffic of each pod through a proxy, or through a slow queue."""

    def __init__(self, client: Cluster, clock: Clock, task: Task, fault: TrafficFault, duration: timedelta) -> None:
        super().__init__(client, clock, task, duration)
        self._traffic = traffic(fault)

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """One change a pod; all names follow from run and pod."""
        run, wanted = self._task.run_id, self._traffic
        held = bool(wanted.settings)
        return [
            HeldInPod(
                namespace=pod.namespace,
                name=pod.name,
                uid=pod.uid,
                way="redirect" if held else "shape",
                table=nft.table_name(run),
                holder=holders.name_of(run, pod.uid) if held else "",
                hold_container=f"firedrill-{run}-hold" if held else "",
                settings={**wanted.settings, "listen": proxy_port(run)} if held else {},
                **self.times(now),
            )
            for pod in pods
        ]

    def containers(self, change: HeldInPod) -> list[Object]:
        """The proxy, and what leads traffic to it."""
        inject = ephemeral.container(change.inject_container, self._task.image, self._arguments(change))
        if not change.holder:
            return [inject]
        hold = ephemeral.podfault(change.hold_container, self._task.image, holders.hold(change), user=PROXY_USER)
        return [hold, inject]

    def _arguments(self, change: HeldInPod) -> tuple[str, ...]:
        wanted = self._traffic
        arguments = [
            wanted.action,
            "--table",
            change.table,
            "--seconds",
            f"{change.seconds:g}",
            "--not-after",
            f"{change.not_after.timestamp():.3f}",
        ]
        if wanted.port is not None:
            arguments += ["--port", str(wanted.port)]
        if wanted.rate:
            arguments += ["--rate", str(wanted.rate)]
        if change.holder:
            arguments += ["--holder", change.holder, "--to", str(change.settings["listen"]), "--user", str(PROXY_USER)]
        if wanted.action == "delay":
            arguments += ["--delay-ms", str(wanted.delay_ms), "--jitter-ms", str(wanted.jitter_ms)]
        return tuple(arguments)

    def proven(self, change: HeldInPod) -> bool:
        """The proxy, or the rule in the kernel, has counted what was hit."""
        return bool(change.hits)
