"""Undoing wrong values, by anyone at any time: what still is ours is put back, what others set since is left."""

from typing import Final

from firedrill.api.changes import ObjectEdited
from firedrill.clusters import paths
from firedrill.clusters.access import Access
from firedrill.clusters.client import JSON_PATCH
from firedrill.clusters.errors import NotFound
from firedrill.engines.chaos import editing
from firedrill.engines.chaos.editing import read
from firedrill.engines.chaos.faults.fields import NODE, POD
from firedrill.runner.faults.asked import asked_by_name, may_be_on_its_way, path_of
from firedrill.runner.faults.listing import pod_at
from firedrill.runner.faults.workloads import is_ready, mark_of, marked, pods_of, selector_of
from firedrill.runner.ports import Object
from firedrill.runner.undoing import Seen, UndoContext, seen, waiting

#: What a controller makes of a template: taken away, or a roll-back by hand would bring the fault back.
_REVISIONS: Final = (("apps/v1", "replicasets"), ("apps/v1", "controllerrevisions"))


async def undo_object_edited(context: UndoContext, change: ObjectEdited) -> Seen:
    """Take one step and say what is seen."""
    label = f"{change.kind} {change.name}"
    # Asked before the look: what lands after it must not be taken for never sent.
    may_land = may_be_on_its_way(change, context.clock)
    body = await _as_it_is(context, change)
    if body is None:
        return seen(change, f"{label} is gone, and what was changed in it")
    if body["metadata"]["uid"] != change.uid:
        return seen(change, f"{label} was replaced by another of that name")
    operations = editing.restoring(body, change.edits)
    if operations:
        # What the API server answers is what it has stored: there is no need to ask for it again.
        body = await context.client.patch(path_of(change), operations, content_type=JSON_PATCH)
        if editing.restoring(body, change.edits):
            return waiting(change, f"{label} was put back, and holds a value of ours all the same")
    if may_land:
        return waiting(change, f"a request to change {label} may still be on its way")
    if change.marked:
        waits = await _clear(context, change, body)
        if waits:
            return waiting(change, f"{label} was put back; {waits}")
    places = ", ".join(editing.told(each.path) for each in change.edits)
    left = editing.foreign(body, change.edits)
    residues = tuple(f"{label}: {place} was set by somebody else meanwhile, and stays" for place in left)
    return seen(change, f"{label} holds none of our values at {places}", residues)


async def _as_it_is(context: UndoContext, change: ObjectEdited) -> Object | None:
    """The object, which must not be changed; None where there is none."""
    if change.kind == POD.kind and not change.subresource:
        return await pod_at(context, change.namespace, change.name)
    try:
        return await context.client.get(path_of(change))
    except NotFound:
        return None


async def _clear(context: UndoContext, change: ObjectEdited, workload: Object) -> str:
    """Take away what was made of the changed template; what is waited for, or nothing.

    Pods that serve are left to their controller, which replaces them by the workload's own strategy: somebody may have
    healed them meanwhile. Those that do not serve it may wait for without end, and would replace one by one: a
    Deployment's go with their ReplicaSet, those of the others are deleted.
    """
    status, generation = workload.get("status") or {}, workload["metadata"].get("generation", 0)
    if status.get("observedGeneration", generation) < generation:
        return "its controller has not seen it yet"
    run, namespace, query = mark_of(change), change.namespace, selector_of(workload)
    pods = [pod for pod in await pods_of(context.client, namespace, workload) if marked(pod, run)]
    deployment = change.kind == "Deployment"
    if not deployment:
        on_delete = read(workload, ("spec", "updateStrategy", "type")) == "OnDelete"
        for pod in pods:
            if on_delete or not is_ready(pod):
                await _delete(context, paths.pods(namespace, pod["metadata"]["name"]), pod)
    if pods and (not deployment or any(map(is_ready, pods))):
        return f"{len(pods)} pods of the changed template are on their way out"
    left = 0
    for api, plural in _REVISIONS:
        listed = await context.client.get(paths.path(api, plural, namespace), query)
        for each in listed.get("items") or ():
            if marked(each, run):
                left += 1
                await _delete(context, paths.path(api, plural, namespace, each["metadata"]["name"]), each)
    return f"{left + len(pods)} pods and revisions of it are on their way out" if left or pods else ""


async def _delete(context: UndoContext, path: str, body: Object) -> None:
    if "deletionTimestamp" in body["metadata"]:
        return
    try:
        await context.client.delete(path, uid=body["metadata"]["uid"])
    except NotFound:
        return


def object_edited_needs(change: ObjectEdited) -> list[Access]:
    """What undoing takes."""
    group = change.api.rpartition("/")[0]
    namespace = "" if change.kind == NODE.kind else change.namespace
    needs = [
        Access(verb, change.plural, namespace, group, change.subresource, asked_by_name(change))
        for verb in ("get", "patch")
    ]
    if change.binds:
        plural, _, name = change.binds.partition("/")
        needs.append(Access("bind", plural, namespace, group, name=name))
    if change.kind == POD.kind:
        needs.append(Access("list", "pods", namespace))
    if change.marked:
        needs += [Access(verb, "pods", namespace) for verb in ("list", "delete")]
        needs += [
            Access(verb, plural, namespace, "apps")
            for plural in ("replicasets", "controllerrevisions")
            for verb in ("list", "delete")
        ]
    return needs
