"""Extended resources: nodes are made to offer what they do not have, such as GPUs, for the scheduler to count."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from firedrill.api.simulation import ExtendedResource
from firedrill.clusters import paths
from firedrill.clusters.client import JSON_PATCH
from firedrill.clusters.errors import Invalid, NotFound
from firedrill.runner.context import RunContext
from firedrill.runner.ports import Object
from firedrill.runner.retry import retry

#: On the namespace: names of the resources that were put on nodes, written before any node is changed.
ANNOTATION_RESOURCES: Final = "firedrill.dev/extended-resources"


async def offer(context: RunContext, namespace: Object, wanted: Sequence[ExtendedResource]) -> int:
    """Make every node offer these, and take back those that are not wanted any more; returns how many nodes."""
    before = recorded(namespace)
    names = sorted(set(before) | {resource.name for resource in wanted})
    if not names:
        return 0
    await _record(context, namespace["metadata"]["name"], names)
    nodes = await _nodes(context)
    counts = {resource.name: resource.per_node for resource in wanted}
    for node in nodes:
        await _set(context, node, {name: counts.get(name) for name in names})
    if sorted(counts) != names:
        await _record(context, namespace["metadata"]["name"], sorted(counts))
    return len(nodes)


async def withdraw(context: RunContext, namespace: Object) -> int:
    """Take back from every node what was put there for this namespace; returns from how many."""
    names = recorded(namespace)
    if not names:
        return 0
    nodes = [node for node in await _nodes(context) if set(names) & set(node["status"].get("capacity") or {})]
    for node in nodes:
        await _set(context, node, dict.fromkeys(names))
    return len(nodes)


def recorded(namespace: Object) -> list[str]:
    """Names of the resources that were put on nodes for this namespace."""
    text = (namespace["metadata"].get("annotations") or {}).get(ANNOTATION_RESOURCES, "[]")
    names: list[str] = json.loads(text)
    return names


async def _record(context: RunContext, namespace: str, names: Sequence[str]) -> None:
    body = {"metadata": {"annotations": {ANNOTATION_RESOURCES: json.dumps(list(names))}}}
    path = paths.namespaces(namespace)
    await retry(context.clock, lambda: context.client.patch(path, body), f"recording resources of {namespace}")


async def _nodes(context: RunContext) -> list[Object]:
    found = await retry(context.clock, lambda: context.client.get(paths.path("v1", "nodes")), "listing nodes")
    items: list[Object] = found["items"]
    return items


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
