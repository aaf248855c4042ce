"""Workloads and their pods, as far as a fault of a workload must know them."""

from collections.abc import Iterable
from typing import Any, Final

from firedrill.api.changes import ObjectEdited
from firedrill.clusters import paths
from firedrill.clusters.errors import NotFound
from firedrill.engines.chaos import labels
from firedrill.engines.chaos.editing import read
from firedrill.engines.chaos.faults.fields import POD, WORKLOADS
from firedrill.engines.chaos.faults.template import MARK
from firedrill.engines.chaos.views import Owner, PodView, parse_pod
from firedrill.runner.faults.driver import NotInjected
from firedrill.runner.ports import Cluster, Object

_FINALIZERS: Final = ["metadata", "finalizers"]
_REPLICA_SETS: Final = ("apps/v1", "replicasets")


async def top_owner(client: Cluster, pod: PodView) -> Owner:
    """The Deployment above a pod's ReplicaSet, else what owns the pod; raises NotInjected where nothing does."""
    if pod.owner is None:
        raise NotInjected(f"pod {pod.key} has no controller")
    if pod.owner.kind != "ReplicaSet":
        return pod.owner
    try:
        body = await client.get(paths.path(*_REPLICA_SETS, pod.namespace, pod.owner.name))
    except NotFound as error:
        raise NotInjected(f"ReplicaSet {pod.owner.name} of pod {pod.key} is gone") from error
    above = next((ref for ref in body["metadata"].get("ownerReferences") or () if ref.get("controller")), None)
    return Owner(above["kind"], above["name"], above["uid"]) if above else pod.owner


async def top_owners(client: Cluster, pods: Iterable[PodView]) -> set[tuple[str, Owner]]:
    """Namespace and top owner of all pods; each owner of pods is asked for once. Raises as :func:`top_owner`."""
    one_each = {(pod.namespace, pod.owner): pod for pod in pods}
    return {(pod.namespace, await top_owner(client, pod)) for pod in one_each.values()}


def selector_of(workload: Object) -> dict[str, str] | None:
    """The workload's selector as a query; None where it selects all pods of its namespace."""
    selector = (workload.get("spec") or {}).get("selector") or {}
    if not {"matchLabels", "matchExpressions"} & set(selector):
        # That of a ReplicationController is the labels themselves.
        selector = {"matchLabels": selector}
    terms = labels.query(selector)
    return {"labelSelector": terms} if terms else None


async def pods_of(client: Cluster, namespace: str, workload: Object) -> list[Object]:
    """All pods that a workload selects."""
    listed = await client.get(paths.pods(namespace), selector_of(workload))
    items: list[Object] = listed.get("items") or []
    return items


async def ready_pods(client: Cluster, namespace: str, workload: Object) -> int:
    """How many pods of a workload are ready, counted over the pods: a status lags behind."""
    return sum(1 for pod in await pods_of(client, namespace, workload) if is_ready(pod))


def marked(body: Object, run: str) -> bool:
    """Whether an object, or the template in it, carries the mark of a run."""
    places = (
        ("metadata", "annotations", MARK),
        ("spec", "template", "metadata", "annotations", MARK),
        ("data", "spec", "template", "metadata", "annotations", MARK),
    )
    return any(read(body, place) == run for place in places)


def mark_of(change: ObjectEdited) -> str:
    """The mark that pods of a changed template carry."""
    return next((str(each.value) for each in change.edits if each.path[-1] == MARK), "")


async def describe(client: Cluster, change: ObjectEdited, body: Object) -> str:
    """What can be seen of a fault in pods, apart from our own values; empty where nothing can."""
    if change.kind == POD.kind and any(each.path[:2] == _FINALIZERS for each in change.edits):
        return "it was deleted, and does not go" if "deletionTimestamp" in body["metadata"] else ""
    if change.kind == POD.kind:
        return _not_ready([body])
    if change.kind not in WORKLOADS:
        return ""
    pods = await pods_of(client, change.namespace, body)
    if change.marked:
        pods_of_it = [pod for pod in pods if marked(pod, mark_of(change))]
        if not pods_of_it:
            return ""
        return f"{len(pods_of_it)} pods of the changed template; {_not_ready(pods_of_it) or 'all of them ready'}"
    ready = sum(map(is_ready, pods))
    if change.ready_before is not None and ready != change.ready_before:
        return f"{ready} ready pods, {change.ready_before} before"
    return ""


def is_ready(pod: Object) -> bool:
    """Whether a pod is ready, and not on its way out."""
    view = parse_pod(pod)
    return view.ready and not view.deleting


def _not_ready(pods: list[Object]) -> str:
    failing = [pod for pod in pods if not is_ready(pod)]
    if not failing:
        return ""
    reasons = sorted({reason for pod in failing for reason in _reasons(pod)})
    return f"{len(failing)} of {len(pods)} not ready ({', '.join(reasons) or 'no reason yet'})"


def _reasons(pod: Object) -> list[str]:
    status: dict[str, Any] = pod.get("status") or {}
    found = []
    for each in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        for state in (each.get("state") or {}, each.get("lastState") or {}):
            for kind in ("waiting", "terminated"):
                reason = (state.get(kind) or {}).get("reason")
                if reason and reason not in ("ContainerCreating", "PodInitializing", "Completed"):
                    found.append(str(reason))
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            found.append(str(condition.get("reason") or "Unschedulable"))
    return found
