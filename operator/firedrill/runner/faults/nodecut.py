"""A node that is cut off from the API server: a pod in its network puts a drop in place that the kernel ends."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from firedrill.api.base import format_duration
from firedrill.api.changes import Change, ChangeState, NodeCutOff
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.node import NodeNotReady
from firedrill.clusters import paths
from firedrill.clusters.errors import Conflict, Forbidden, Invalid, NotFound
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner import nft
from firedrill.runner.context import RunContext
from firedrill.runner.faults import nodepods
from firedrill.runner.faults.asked import send, soon
from firedrill.runner.faults.driver import Look, NothingDone, NotInjected
from firedrill.runner.ports import Object
from firedrill.runner.retry import retry

#: The control plane takes a node for lost when it has not heard from it for 40 to 50 s.
_SHORTEST: Final = timedelta(seconds=90)
#: Pods are evicted after 300 s, counted from then.
_LONGEST: Final = timedelta(seconds=240)
#: The drop outlives the duration by so much, to be seen in place at its end.
_SLACK: Final = timedelta(seconds=5)
_POLL_SECONDS: Final = 0.5
_SLICE: Final = paths.path("discovery.k8s.io/v1", "endpointslices", "default", "kubernetes")


class NodeCutFault:
    """One node."""

    def __init__(self, context: RunContext, spec: ChaosExperimentSpec, fault: NodeNotReady) -> None:
        self._context = context
        self._fault = fault
        self._duration = spec.duration
        self._effects: set[str] = set()

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """What can be known without changing anything, pod security by a dry run."""
        if self._duration < _SHORTEST:
            said = f"duration must be at least {format_duration(_SHORTEST)}: a node counts as lost after 40 to 50 s"
            return Refusal("NotApplicable", said)
        if self._duration > _LONGEST and not self._fault.allow_evictions:
            said = (
                f"duration {format_duration(self._duration)} is longer than {format_duration(_LONGEST)}: pods would be "
                "evicted from the node; set allowEvictions where that is meant"
            )
            return Refusal("NotPermitted", said)
        try:
            (change,) = await self.plan(pods, self._context.clock.now())
        except NotInjected as error:
            return Refusal("NotApplicable", str(error))
        assert isinstance(change, NodeCutOff)  # it is planned above
        try:
            where = paths.pods(change.pods_in)
            for body in (self._injecting(change), self._undoing(change)):
                await self._context.client.create(where, body, dry_run=True)
        except Forbidden as error:
            said = f"the runner may not create a pod in a node's network, or admission refuses it: {error.message}"
            return Refusal("NotPermitted", said)
        except Invalid as error:
            return Refusal("NotApplicable", error.message)
        return None

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """The one node, and the addresses that its kubelet is cut off from."""
        del now
        names = sorted({pod.node for pod in pods})
        if len(names) != 1:
            raise NotInjected(f"the chosen pods are on {len(names)} nodes; one node is cut off at a time")
        node = await self._node(names[0])
        is_ready, words = nodepods.ready(node)
        if not is_ready:
            raise NotInjected(f"node {names[0]} is not ready before the fault: {words}")
        addresses, port = await self._api_server()
        own = {each.get("address") for each in (node.get("status") or {}).get("addresses") or ()}
        if own & set(addresses):
            raise NotInjected(f"node {names[0]} runs the API server: it reaches it without a network")
        run = self._context.task.run_id
        return [
            NodeCutOff(
                namespace="",
                name=names[0],
                uid=node["metadata"]["uid"],
                pods_in=self._context.task.runner_namespace,
                inject_pod=f"firedrill-node-{run}",
                undo_pod=f"firedrill-node-{run}-undo",
                table=nft.table_name(run),
                addresses=addresses,
                port=port,
                seconds=(self._duration + _SLACK).total_seconds(),
            )
        ]

    async def _node(self, name: str) -> Object:
        try:
            return await self._context.client.get(paths.path("v1", "nodes", name=name))
        except NotFound as error:
            raise NotInjected(f"node {name} does not exist") from error

    async def _api_server(self) -> tuple[list[str], int]:
        try:
            found: Mapping[str, Any] = await self._context.client.get(_SLICE)
        except NotFound as error:
            raise NotInjected(
                "the Service kubernetes has no endpoints: nobody knows the API server's address"
            ) from error
        addresses = {address for each in found.get("endpoints") or () for address in each.get("addresses") or ()}
        ports = [each.get("port") for each in found.get("ports") or () if each.get("port")]
        port = self._fault.port or (ports[0] if ports else None)
        if not addresses or port is None:
            raise NotInjected("the endpoints of the Service kubernetes tell no address, or no port")
        return sorted(addresses | set(self._fault.addresses)), int(port)

    def schedule(self, change: NodeCutOff, now: datetime, deadline: datetime) -> Change:
        """The pod is asked for soon; its container refuses to inject after a time; the kernel ends it after another."""
        begun = soon(change, now, deadline)
        by = now + nodepods.STARTS_WITHIN
        return begun.model_copy(update={"inject_by": by, "expires_at": nodepods.kernel_ends(by, change.seconds)})

    async def apply(self, change: NodeCutOff) -> Change:
        """Create the pod and see its container run: it injects a moment later."""
        await self._guardian_is_elsewhere(change)
        label = f"pod {change.inject_pod}"
        # A refusal is sure only where no earlier request is without an answer.
        refused: type[NotInjected] = NothingDone

        async def create() -> Object:
            nonlocal refused
            try:
                created = self._context.client.create(paths.pods(change.pods_in), self._injecting(change))
                return await send(change, self._context.clock, created, f"{label} could not be created in time")
            except Conflict:
                return await self._context.client.get(paths.pods(change.pods_in, change.inject_pod))
            except (Forbidden, Invalid) as error:
                raise refused(f"{label} was refused: {error.message}") from error
            finally:
                refused = NotInjected

        await retry(self._context.clock, create, f"creating {label}")
        now = await self._started(change)
        applied_at = now + timedelta(seconds=nodepods.DELAY)
        update = {
            "state": ChangeState.APPLIED,
            "applied_at": applied_at,
            "evidence": f"{label} runs on node {change.name}, and drops what it sends to {', '.join(change.addresses)}",
        }
        return change.model_copy(update=update)

    async def _started(self, change: NodeCutOff) -> datetime:
        """When the container was seen to run; raises NotInjected."""
        clock = self._context.clock
        while change.inject_by is None or clock.now() < change.inject_by:
            found = await retry(
                clock, lambda: nodepods.read(self._context.client, change, change.inject_pod), "looking at the pod"
            )
            if found is None:
                raise NotInjected(f"pod {change.inject_pod} is gone")
            if found.run != self._context.task.run_id:
                raise NotInjected(f"pod {change.inject_pod} exists and is not of this run")
            if found.ended:
                raise NotInjected(f"pod {change.inject_pod} has ended before it could inject: {found.message[:300]}")
            if found.started:
                return clock.now()
            await clock.sleep(_POLL_SECONDS)
        raise NotInjected(f"pod {change.inject_pod} did not start in time")

    async def _guardian_is_elsewhere(self, change: NodeCutOff) -> None:
        """On a node that is not heard from, a guardian that ends is not replaced."""
        record, _ = await retry(self._context.clock, self._context.store.read, "looking where the guardian is")
        if record is None or record.guardian is None or record.guardian.node != change.name:
            return
        listed = await self._context.client.get(paths.path("v1", "nodes"))
        others = [each for each in listed.get("items") or () if each["metadata"]["name"] != change.name]
        free = [
            each for each in others if nodepods.ready(each)[0] and not (each.get("spec") or {}).get("unschedulable")
        ]
        if free:
            raise NothingDone(f"the guardian runs on node {change.name} itself, and there are others: try again")

    async def look(self, change: NodeCutOff) -> Look:
        """What the control plane says of the node."""
        try:
            is_ready, words = nodepods.ready(await self._node(change.name))
        except NotInjected:
            return Look(reverted=True)
        if is_ready:
            return Look(reverted=False)
        self._effects.add(change.name)
        return Look(reverted=False, effect=f"of node {change.name} the control plane says that {words}")

    def ended_at(self, change: NodeCutOff, undone_at: datetime) -> datetime:
        """When the kernel had ended it."""
        return min(change.expires_at or undone_at, undone_at)

    def proven(self, change: NodeCutOff) -> bool:
        """The node was seen not ready."""
        return change.name in self._effects

    def _injecting(self, change: NodeCutOff) -> Object:
        return nodepods.injecting_pod(change, self._context.task.image, self._context.task.run_id)

    def _undoing(self, change: NodeCutOff) -> Object:
        return nodepods.undoing_pod(change, self._context.task.image, self._context.task.run_id)
