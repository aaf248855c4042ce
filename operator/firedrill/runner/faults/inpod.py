"""Faults that ephemeral containers bring into pods: what is the same whatever they bring.

A container has a time after which it injects nothing, and what it puts in place ends by itself. What is undone is what
remains then, and a fault that is to end early.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from firedrill.api.changes import Change, ChangeState, InPod
from firedrill.api.task import Task
from firedrill.clusters.errors import ApiError, Conflict, Forbidden, Invalid, NotFound
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.container import MOST_CONTAINERS
from firedrill.runner.faults import ephemeral
from firedrill.runner.faults.driver import Look, NotInjected
from firedrill.runner.ports import Clock, Cluster, Object
from firedrill.runner.retry import retry

#: A container that the kubelet has not started by then injects nothing.
START_LIMIT: Final = timedelta(seconds=45)
POLL_SECONDS: Final = 0.25

Brought = TypeVar("Brought", bound=InPod)


class InPodFault(ABC, Generic[Brought]):
    """Brings something into each pod for the duration of the experiment, exactly."""

    #: What the containers ask pod security for, in words.
    asks_for = "NET_ADMIN"
    #: What else could be done where they are not admitted.
    remaining_ways = (
        "Ways that remain: the fault podKill; label the namespace pod-security.kubernetes.io/enforce=privileged; or an "
        "experiment in a namespace that admits NET_ADMIN"
    )

    def __init__(self, client: Cluster, clock: Clock, task: Task, duration: timedelta) -> None:
        self._client = client
        self._clock = clock
        self._task = task
        self._duration = duration

    @abstractmethod
    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """One change a pod."""

    @abstractmethod
    def containers(self, change: Brought) -> list[Object]:
        """The ephemeral containers that inject; all are admitted, or none."""

    @abstractmethod
    def proven(self, change: Brought) -> bool:
        """Whether the fault's own evidence shows that it took effect."""

    def times(self, now: datetime) -> dict[str, Any]:
        """What every change begins with."""
        return {
            "seconds": self._duration.total_seconds(),
            "not_after": now + START_LIMIT,
            "expires_at": now + START_LIMIT + self._duration,
            "inject_container": f"firedrill-{self._task.run_id}-in",
            "undo_container": f"firedrill-{self._task.run_id}-out",
        }

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """Ask the API server, without doing it, whether the containers would be admitted into each pod."""
        for pod in pods:
            (change,) = await self.plan([pod], self._clock.now())
            assert isinstance(change, InPod)
            specs = self.containers(change)  # type: ignore[arg-type]
            if pod.containers + len(specs) + 1 > MOST_CONTAINERS:
                return Refusal("NotApplicable", _crowded(pod))
            try:
                await ephemeral.add_containers(self._client, pod.namespace, pod.name, pod.uid, specs, dry_run=True)
            except Forbidden as error:
                return Refusal("NotPermitted", f"{self._explain(error)} {self.remaining_ways}.")
            except (Conflict, NotFound):
                return Refusal("NoTargets", f"pod {pod.key} went away before the fault")
            except Invalid as error:
                return Refusal("NotPermitted", f"pod {pod.key} does not admit the container: {error.message}")
        return None

    def schedule(self, change: Brought, now: datetime, deadline: datetime) -> Change:
        """The container may start until shortly from now, and so that the fault has ended by itself by the deadline."""
        not_after = min(now + START_LIMIT, deadline - self._duration)
        update = {"not_after": not_after, "expires_at": not_after + self._duration}
        return change.model_copy(update=update)  # type: ignore[return-value]

    async def apply(self, change: Brought) -> Change:
        """Start the injecting containers and wait for their proof."""
        sent_at = self._clock.now()
        await self.bring(change)
        proof = await self.await_proof(change)
        return self.applied(change, proof, sent_at)

    async def bring(self, change: Brought) -> None:
        """Ask for the containers."""
        try:
            await retry(self._clock, lambda: self._add(change), f"injecting into {change.key}")
        except (NotFound, Conflict, Invalid, Forbidden) as error:
            raise NotInjected(f"pod {change.key} took no container: {error.message}") from error

    def applied(self, change: Brought, proof: dict[str, Any], sent_at: datetime) -> Change:
        """The change as applied, by a proof that carries the time of the pod's node."""
        seen_at = self._clock.now()
        # It is believed as far as our own clock allows.
        applied_at = min(max(datetime.fromtimestamp(float(proof["at"]), UTC), sent_at), seen_at)
        update = {
            "state": ChangeState.APPLIED,
            "applied_at": applied_at,
            "expires_at": applied_at + timedelta(seconds=change.seconds),
            "evidence": self.told(change, proof),
        }
        return change.model_copy(update=update)  # type: ignore[return-value]

    def told(self, change: Brought, proof: dict[str, Any]) -> str:
        """The proof in words."""
        way = f" ({proof['way']})" if proof.get("way") else ""
        return (
            f"nft lists table {change.table}{way} with {proof.get('rules')} rules and {proof.get('elements')} "
            f"elements: {proof.get('listing', '')}"
        )

    async def look(self, change: Brought) -> Look:
        """Whether the pod, and with it the fault, went away; what was hit is told in the end."""
        host = await ephemeral.read_host(self._client, change.namespace, change.name, change.uid)
        return Look(reverted=host is None or host.deleting or host.phase in ephemeral.ENDED)

    def ended_at(self, change: Brought, undone_at: datetime) -> datetime:
        """Its own end, or ours if that came before."""
        return min(undone_at, change.expires_at) if change.expires_at else undone_at

    async def read_container(self, change: Brought, name: str) -> ephemeral.ContainerView | None:
        """The container as it is, None where nothing is told of it; raises NotInjected where the pod is gone."""
        host = await retry(
            self._clock,
            lambda: ephemeral.read_host(self._client, change.namespace, change.name, change.uid),
            f"reading pod {change.key}",
        )
        if host is None or host.deleting or host.phase in ephemeral.ENDED:
            raise NotInjected(f"pod {change.key} went away while the fault was put in place")
        return host.find(name)

    async def await_proof(self, change: Brought) -> dict[str, Any]:
        """What the injecting container has left; raises NotInjected."""
        label = f"pod {change.key}"
        while True:
            container = await self.read_container(change, change.inject_container)
            if container is not None and container.exit_code is not None:
                if container.exit_code == 0 and container.proof.get("table") == change.table:
                    return container.proof
                raise NotInjected(
                    f"the injecting container in {label} exited with {container.exit_code}: "
                    f"{container.message[:300] or 'no message'}"
                )
            self.check_time(change, container)
            await self._clock.sleep(POLL_SECONDS)

    def check_time(self, change: Brought, container: ephemeral.ContainerView | None) -> None:
        """Raises NotInjected where the time in which a container may start is over."""
        if self._clock.now() > change.not_after:
            waiting = container.waiting if container else "not seen"
            raise NotInjected(
                f"the injecting container in pod {change.key} did not start in time: {waiting or 'no reason'}"
            )

    async def _add(self, change: Brought) -> None:
        specs = self.containers(change)
        await ephemeral.add_containers(self._client, change.namespace, change.name, change.uid, specs)

    def _explain(self, error: ApiError) -> str:
        if "PodSecurity" in error.message or "violates" in error.message:
            return f"pod security does not admit an ephemeral container with {self.asks_for}: {error.message[:400]}."
        return f"the runner may not add ephemeral containers: {error.message[:400]}."


def _crowded(pod: PodView) -> str:
    return (
        f"pod {pod.key} lists {pod.containers} containers, spent ones of earlier faults too, which Kubernetes does not "
        f"remove: with more than {MOST_CONTAINERS} the kubelet would cut short what ours have to tell. Replace the pod "
        "(kubectl rollout restart of its workload) and try again"
    )
