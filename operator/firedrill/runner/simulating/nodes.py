"""Extended resources: nodes are made to offer what they do not have, such as GPUs, for the scheduler to count."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firedrill.api.errors import InvalidInput
from firedrill.api.meta import LABEL_ROLE, LABEL_UID
from firedrill.api.simulation import ExtendedResource
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.client import APPLY_PATCH, JSON_PATCH
from firedrill.clusters.errors import Invalid, NotFound
from firedrill.runner.context import RunContext
from firedrill.runner.ports import Object
from firedrill.runner.retry import retry
from firedrill.runner.simulating import place, watch_over

#: Of the ConfigMap in the runner namespace with the names of the resources that a Simulation has put on nodes. It is
#: written before any node is changed, and outlives the namespace of the simulation, which anybody may delete.
ROLE: Final = "nodes"
RESOURCES_KEY: Final = "resources.json"


@dataclass(frozen=True)
class Records:
    """Names of resources on nodes: those of this Simulation, and those of all others of the runner namespace."""

    own: frozenset[str]
    others: frozenset[str]


async def check(context: RunContext, wanted: Sequence[ExtendedResource]) -> None:
    """Raises InvalidInput where a node offers one of these that no Simulation has put there."""
    if not wanted:
        return
    records = await _records(context)
    nodes = await _nodes(context)
    for at, resource in enumerate(wanted):
        if resource.name in records.own | records.others:
            continue
        for node in nodes:
            if resource.name in _offered(node):
                raise InvalidInput(
                    f"spec.extendedResources[{at}].name: node {node['metadata']['name']} of {context.task.cluster} "
                    f"offers {resource.name} already, and not for a Simulation"
                )


async def offer(context: RunContext, wanted: Sequence[ExtendedResource]) -> int:
    """Make every node offer these, and take back those that are not wanted any more; returns how many nodes."""
    records = await _records(context)
    counts: dict[str, int | None] = {resource.name: resource.per_node for resource in wanted}
    unwanted = records.own - counts.keys()
    if not counts and not unwanted:
        return 0
    await _record(context, sorted(records.own | counts.keys()))
    nodes = await _nodes(context)
    for node in nodes:
        await _set(context, node, {**dict.fromkeys(sorted(unwanted - records.others)), **counts})
    if not counts:
        await forget(context)
    elif unwanted:
        await _record(context, sorted(counts))
    return len(nodes)


async def withdraw(context: RunContext) -> int:
    """Take back from every node what this Simulation alone has put there; returns from how many.

    The record stays until :func:`forget`.
    """
    records = await _records(context)
    names = sorted(records.own - records.others)
    if not names:
        return 0
    nodes = [node for node in await _nodes(context) if not _offered(node).isdisjoint(names)]
    for node in nodes:
        await _set(context, node, dict.fromkeys(names))
    return len(nodes)


async def forget(context: RunContext) -> None:
    """Delete the record, once nothing of what it names is on nodes for this Simulation."""
    task = context.task
    await place.delete_if_there(context, paths.configmaps(task.runner_namespace, record_name(task)))


def record_name(task: Task) -> str:
    """Name of the ConfigMap that holds the record of a Simulation."""
    return f"{watch_over.conductor_name(task)}-{ROLE}"


async def _records(context: RunContext) -> Records:
    task = context.task
    path, params = paths.configmaps(task.runner_namespace), {"labelSelector": f"{LABEL_ROLE}={ROLE}"}
    found = await retry(context.clock, lambda: context.client.get(path, params), "listing resources put on nodes")
    own: set[str] = set()
    others: set[str] = set()
    for item in found["items"]:
        mine = item["metadata"]["labels"].get(LABEL_UID) == task.uid
        (own if mine else others).update(json.loads((item.get("data") or {}).get(RESOURCES_KEY, "[]")))
    return Records(frozenset(own), frozenset(others))


async def _record(context: RunContext, names: Sequence[str]) -> None:
    task = context.task
    name = record_name(task)
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": watch_over.metadata(task, name, task.runner_namespace, ROLE),
        "data": {RESOURCES_KEY: json.dumps(list(names))},
    }
    path = paths.configmaps(task.runner_namespace, name)
    await retry(
        context.clock,
        lambda: context.client.patch(path, body, content_type=APPLY_PATCH),
        "recording resources put on nodes",
    )


async def _nodes(context: RunContext) -> list[Object]:
    found = await retry(context.clock, lambda: context.client.get(paths.path("v1", "nodes")), "listing nodes")
    items: list[Object] = found["items"]
    return items


def _offered(node: Object) -> set[str]:
    return {name for part in ("capacity", "allocatable") for name in node["status"].get(part) or {}}


async def _set(context: RunContext, node: Object, counts: Mapping[str, int | None]) -> None:
    """A JSON patch of the node's status: a kubelet leaves resources alone that it does not manage itself."""
    has = {part: node["status"].get(part) or {} for part in ("capacity", "allocatable")}
    changes: list[Object] = []
    for name, count in counts.items():
        for part, values in has.items():
            where = f"/status/{part}/{name.replace('~', '~0').replace('/', '~1')}"
            if count is not None:
                changes.append({"op": "add", "path": where, "value": str(count)})
            elif name in values:
                changes.append({"op": "remove", "path": where})
    if not changes:
        return
    path = paths.path("v1", "nodes", name=node["metadata"]["name"], subresource="status")
    try:
        await retry(
            context.clock,
            lambda: context.client.patch(path, changes, content_type=JSON_PATCH),
            f"setting resources of node {node['metadata']['name']}",
        )
    except (NotFound, Invalid):
        # The node went, or the kubelet took a resource away in between: the next list shows it.
        found = {n["metadata"]["name"] for n in await _nodes(context)}
        if node["metadata"]["name"] in found and any(change["op"] == "add" for change in changes):
            raise
