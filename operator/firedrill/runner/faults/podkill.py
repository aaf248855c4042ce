"""Pods that are killed or evicted: deletes them, and sees their owners as ready as before.

Nothing has to be written to undo it: the owner does that. Readiness is counted over the pods themselves, because
the status of an owner lags behind: right after a kill it still tells of the pod that is gone.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from firedrill.api.changes import Change, ChangeState, PodDeleted
from firedrill.api.faults.node import NodeDrain
from firedrill.api.faults.pods import PodEvict, PodKill
from firedrill.clusters import paths
from firedrill.clusters.access import Access
from firedrill.clusters.errors import Conflict, NotFound, Throttled, Unreachable
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import Owner, PodView, parse_pod
from firedrill.runner.faults.asked import may_be_on_its_way, send, soon
from firedrill.runner.faults.driver import Look, NotInjected
from firedrill.runner.faults.listing import pod_at
from firedrill.runner.faults.workloads import selector_of
from firedrill.runner.ports import Clock, Cluster, Object
from firedrill.runner.retry import retry
from firedrill.runner.undoing import Seen, UndoContext, seen, waiting

log = logging.getLogger(__name__)

_API: Final = {
    "ReplicaSet": ("apps/v1", "replicasets"),
    "StatefulSet": ("apps/v1", "statefulsets"),
    "DaemonSet": ("apps/v1", "daemonsets"),
    "ReplicationController": ("v1", "replicationcontrollers"),
    "Deployment": ("apps/v1", "deployments"),
}


@dataclass(frozen=True)
class Readiness:
    """How many pods of an owner are ready, how many it is to have, and the Deployment above it, if any."""

    ready: int
    desired: int
    deployment: str


class PodKillFault:
    """Deletes each pod under the precondition that it is still the same pod."""

    def __init__(self, client: Cluster, clock: Clock, fault: PodKill | PodEvict | NodeDrain) -> None:
        self._client = client
        self._clock = clock
        self._fault = fault

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """Owners must be readable, or nothing could be seen undone."""
        for pod in {pod.owner: pod for pod in pods}.values():
            assert pod.owner is not None  # a rule of permission.py
            if await _readiness(self._client, pod.namespace, pod.owner.kind, pod.owner.name, pod.owner.uid) is None:
                return Refusal("NoTargets", f"{pod.owner.kind} {pod.owner.name} of pod {pod.key} is gone")
        return None

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """One change a pod, with the readiness of its owner before."""
        del now
        changes: list[Change] = []
        before: dict[Owner, Readiness | None] = {}
        for pod in pods:
            owner = pod.owner
            assert owner is not None  # a rule of permission.py
            if owner not in before:
                before[owner] = await _readiness(self._client, pod.namespace, owner.kind, owner.name, owner.uid)
            readiness = before[owner]
            if readiness is None:
                raise NotInjected(f"{owner.kind} {owner.name} of pod {pod.key} is gone")
            changes.append(
                PodDeleted(
                    namespace=pod.namespace,
                    name=pod.name,
                    uid=pod.uid,
                    owner_kind=owner.kind,
                    owner_name=owner.name,
                    owner_uid=owner.uid,
                    ready_before=readiness.ready,
                    deployment=readiness.deployment,
                )
            )
        return changes

    def schedule(self, change: PodDeleted, now: datetime, deadline: datetime) -> Change:
        """The kill must be asked for soon: until then, and a little longer, nobody can say that it was not."""
        return soon(change, now, deadline)

    async def apply(self, change: PodDeleted) -> Change:
        """Delete the pod. Where an answer was lost and the pod is gone then, it was us."""
        path = paths.pods(change.namespace, change.name)
        sent_at = self._clock.now()
        lost_answer = False

        async def delete() -> None:
            nonlocal lost_answer
            try:
                asked = self._ask(path, change)
                await send(change, self._clock, asked, f"pod {change.key} could not be killed in time")
            except Unreachable:
                lost_answer = True
                raise
            except Throttled as error:
                if not isinstance(self._fault, PodKill) and "budget" in error.message:
                    raise NotInjected(f"pod {change.key} may not be evicted: {error.message}") from error
                raise
            except (NotFound, Conflict) as error:
                if not lost_answer:
                    raise NotInjected(f"pod {change.key} was gone before it was killed") from error

        await retry(self._clock, delete, f"deleting pod {change.key}")
        evidence = f"deleted pod {change.name} (uid {change.uid})"
        return change.model_copy(
            update={"state": ChangeState.APPLIED, "applied_at": sent_at, "evidence": evidence},
        )

    async def _ask(self, path: str, change: PodDeleted) -> None:
        grace = self._fault.grace_period_seconds
        if isinstance(self._fault, PodKill):
            await self._client.delete(path, uid=change.uid, grace_seconds=grace)
            return
        options: Object = {"preconditions": {"uid": change.uid}}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        metadata = {"name": change.name, "namespace": change.namespace}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata, "deleteOptions": options}
        await self._client.create(f"{path}/eviction", body)

    async def look(self, change: PodDeleted) -> Look:
        """A pod that is deleted can not be brought back."""
        return Look(reverted=False, effect=change.evidence)

    def ended_at(self, change: PodDeleted, undone_at: datetime) -> datetime:
        """The fault is the instant of the kill: all time from there is recovery."""
        return change.applied_at or undone_at

    def proven(self, change: PodDeleted) -> bool:
        """The API server has answered that the pod is deleted, by uid."""
        return change.applied_at is not None


async def undo_pod_deleted(context: UndoContext, change: PodDeleted) -> Seen:
    """See that the killed pod is gone and its owner as ready as it was, or as it is now meant to be."""
    # Asked before the look: what lands after it must not be taken for never sent.
    may_land = may_be_on_its_way(change, context.clock)
    pod = await _same_pod(context, change)
    if pod is not None:
        if change.state is ChangeState.PLANNED and not pod.deleting:
            if may_land:
                return waiting(change, f"a request to delete pod {change.name} may still be on its way")
            return seen(change, f"pod {change.name} was never deleted")
        return waiting(change, f"pod {change.name} is still on its way out")
    where = (change.namespace, change.owner_kind, change.owner_name, change.owner_uid)
    owner = await context.once(where, lambda: _readiness(context.client, *where))
    label = f"{change.owner_kind} {change.owner_name}"
    if change.deployment and (owner is None or owner.desired < change.ready_before):
        # A rollout went on meanwhile: its new ReplicaSet has the pods now.
        above = (change.namespace, "Deployment", change.deployment, "")
        owner = await context.once(above, lambda: _readiness(context.client, *above))
        label = f"Deployment {change.deployment}"
    if owner is None:
        return seen(change, f"{label} is gone, so nothing has to come back")
    needed = min(change.ready_before, owner.desired)
    if owner.ready < needed:
        return waiting(change, f"{label} has {owner.ready} ready pods, {needed} are needed")
    scaled = f"; it is now meant to have {owner.desired}" if owner.desired < change.ready_before else ""
    return seen(
        change,
        f"pod {change.name} is gone and {label} has {owner.ready} ready pods, {change.ready_before} before{scaled}",
    )


def pod_deleted_needs(change: PodDeleted) -> list[Access]:
    """What seeing it undone takes."""
    api_version, plural = _API[change.owner_kind]
    needs = [
        Access("get", "pods", change.namespace),
        Access("list", "pods", change.namespace),
        Access("get", plural, change.namespace, group=api_version.rpartition("/")[0]),
    ]
    if change.deployment:
        needs.append(Access("get", "deployments", change.namespace, group="apps"))
    return needs


async def _same_pod(context: UndoContext, change: PodDeleted) -> PodView | None:
    body = await pod_at(context, change.namespace, change.name)
    if body is None or body["metadata"]["uid"] != change.uid:
        return None
    return parse_pod(body)


async def _readiness(client: Cluster, namespace: str, kind: str, name: str, uid: str) -> Readiness | None:
    """Readiness of an owner; None where it is gone, or is another one of the same name."""
    api_version, plural = _API[kind]
    try:
        body = await client.get(paths.path(api_version, plural, namespace, name))
    except NotFound:
        return None
    if uid and body["metadata"]["uid"] != uid:
        return None
    listed = await client.get(paths.pods(namespace), selector_of(body))
    pods = [parse_pod(item) for item in listed.get("items") or ()]
    if kind == "Deployment":
        own = [pod for pod in pods if pod.owner is not None and pod.owner.kind == "ReplicaSet"]
    else:
        own = [pod for pod in pods if pod.owner is not None and pod.owner.uid == body["metadata"]["uid"]]
    controllers = [ref for ref in body["metadata"].get("ownerReferences") or () if ref.get("controller")]
    return Readiness(
        ready=sum(1 for pod in own if pod.ready and not pod.deleting),
        desired=_desired(kind, body),
        deployment=next((ref["name"] for ref in controllers if ref.get("kind") == "Deployment"), ""),
    )


def _desired(kind: str, body: Object) -> int:
    if kind == "DaemonSet":
        return int((body.get("status") or {}).get("desiredNumberScheduled", 0))
    return int((body.get("spec") or {}).get("replicas", 1))
