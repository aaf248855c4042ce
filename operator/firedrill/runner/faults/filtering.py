"""Faults of a packet filter: an ephemeral container puts an nft table into a pod's network namespace and exits.

The kernel ends the drop when the elements of the table's sets time out. What is undone here is the table itself,
and a drop that is to end early.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from firedrill.api.faults.network import FilterFault
from firedrill.api.record import Change, ChangeState, PacketsDropped
from firedrill.api.task import Task
from firedrill.clusters.errors import ApiError, Conflict, Forbidden, Invalid, NotFound
from firedrill.engines.chaos.faults.filters import filtered
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner import nft
from firedrill.runner.faults import ephemeral
from firedrill.runner.faults.driver import Look, NotInjected
from firedrill.runner.ports import Clock, Cluster
from firedrill.runner.retry import retry

#: A container that the kubelet has not started by then injects nothing.
START_LIMIT: Final = timedelta(seconds=45)
#: Clocks of nodes may differ by so much from ours.
CLOCK_SKEW: Final = timedelta(seconds=5)
_POLL_SECONDS: Final = 0.25
_REMAINING_WAYS: Final = (
    "Ways that remain: the fault podKill; label the namespace pod-security.kubernetes.io/enforce=privileged; or an "
    "experiment in a namespace that admits NET_ADMIN"
)


class FilteringFault:
    """Filters packets in each pod for the duration of the experiment, exactly."""

    def __init__(self, client: Cluster, clock: Clock, task: Task, fault: FilterFault, duration: timedelta) -> None:
        self._client = client
        self._clock = clock
        self._task = task
        self._filtered = filtered(fault)
        self._duration = duration

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """Ask the API server, without doing it, whether the container would be admitted into each pod."""
        for pod in pods:
            (change,) = await self.plan([pod], self._clock.now())
            assert isinstance(change, PacketsDropped)
            spec = self._injecting(change)
            try:
                await ephemeral.add_container(self._client, pod.namespace, pod.name, pod.uid, spec, dry_run=True)
            except Forbidden as error:
                return Refusal("NotPermitted", f"{_explain(error)} {_REMAINING_WAYS}.")
            except (Conflict, NotFound):
                return Refusal("NoTargets", f"pod {pod.key} went away before the fault")
            except Invalid as error:
                return Refusal("NotPermitted", f"pod {pod.key} does not admit the container: {error.message}")
        return None

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """One change a pod; names of table and containers follow from the run."""
        run, wanted = self._task.run_id, self._filtered
        return [
            PacketsDropped(
                namespace=pod.namespace,
                name=pod.name,
                uid=pod.uid,
                table=nft.table_name(run),
                percent=wanted.percent,
                direction=wanted.direction,
                protocol=wanted.protocol,
                port=wanted.port,
                action=wanted.action,
                seconds=self._duration.total_seconds(),
                not_after=now + START_LIMIT,
                expires_at=now + START_LIMIT + self._duration,
                inject_container=f"firedrill-{run}-in",
                undo_container=f"firedrill-{run}-out",
            )
            for pod in pods
        ]

    def schedule(self, change: PacketsDropped, now: datetime, deadline: datetime) -> Change:
        """The container may start until shortly from now, and so that the kernel ends the drop by the deadline."""
        not_after = min(now + START_LIMIT, deadline - self._duration)
        return change.model_copy(update={"not_after": not_after, "expires_at": not_after + self._duration})

    async def apply(self, change: PacketsDropped) -> Change:
        """Start the injecting container and wait for its proof."""
        sent_at = self._clock.now()
        try:
            await retry(self._clock, lambda: self._add(change), f"injecting into {change.key}")
        except (NotFound, Conflict, Invalid, Forbidden) as error:
            raise NotInjected(f"pod {change.key} took no container: {error.message}") from error
        proof = await self._await_proof(change)
        seen_at = self._clock.now()
        # The proof carries the time of the pod's node; it is believed as far as our own clock allows.
        applied_at = min(max(datetime.fromtimestamp(float(proof["at"]), UTC), sent_at), seen_at)
        return change.model_copy(
            update={
                "state": ChangeState.APPLIED,
                "applied_at": applied_at,
                "expires_at": applied_at + timedelta(seconds=change.seconds),
                "evidence": f"nft lists table {change.table} with {proof.get('rules')} rules and "
                f"{proof.get('elements')} elements: {proof.get('listing', '')}",
            }
        )

    async def look(self, change: PacketsDropped) -> Look:
        """Whether the pod, and with it the fault, went away; what the kernel counts is told in the end."""
        host = await ephemeral.read_host(self._client, change.namespace, change.name, change.uid)
        return Look(reverted=host is None or host.deleting or host.phase in ephemeral.ENDED)

    def ended_at(self, change: PacketsDropped, undone_at: datetime) -> datetime:
        """The kernel's end of it, or ours if that came before."""
        return min(undone_at, change.expires_at) if change.expires_at else undone_at

    def proven(self, change: PacketsDropped) -> bool:
        """The kernel has counted dropped packets."""
        return bool(change.dropped_packets)

    async def _add(self, change: PacketsDropped) -> None:
        await ephemeral.add_container(self._client, change.namespace, change.name, change.uid, self._injecting(change))

    async def _await_proof(self, change: PacketsDropped) -> dict[str, Any]:
        label = f"pod {change.key}"
        while True:
            host = await retry(
                self._clock,
                lambda: ephemeral.read_host(self._client, change.namespace, change.name, change.uid),
                f"reading {label}",
            )
            if host is None or host.deleting or host.phase in ephemeral.ENDED:
                raise NotInjected(f"{label} went away while the fault was put in place")
            container = host.find(change.inject_container)
            if container is not None and container.exit_code is not None:
                if container.exit_code == 0 and container.proof.get("table") == change.table:
                    return container.proof
                raise NotInjected(
                    f"the injecting container in {label} exited with {container.exit_code}: "
                    f"{container.message[:300] or 'no message'}"
                )
            if self._clock.now() > change.not_after:
                waiting = container.waiting if container else "not seen"
                raise NotInjected(f"the injecting container in {label} did not start in time: {waiting or 'no reason'}")
            await self._clock.sleep(_POLL_SECONDS)

    def _injecting(self, change: PacketsDropped) -> dict[str, object]:
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
        return ephemeral.container(change.inject_container, self._task.image, arguments)


def _explain(error: ApiError) -> str:
    if "PodSecurity" in error.message or "violates" in error.message:
        return f"pod security does not admit an ephemeral container with NET_ADMIN: {error.message[:400]}."
    return f"the runner may not add ephemeral containers: {error.message[:400]}."
