"""Faked nodes of a simulation, and the one right of its controller that goes beyond its namespace.

They belong to the simulation's namespace, so that the cluster takes them away with it whoever deletes it.
"""

import logging
from collections.abc import Mapping
from typing import Final

from firedrill.api.errors import InvalidInput
from firedrill.clusters import paths
from firedrill.clusters.client import APPLY_PATCH
from firedrill.clusters.errors import NotFound
from firedrill.runner.context import RunContext
from firedrill.runner.ports import Object
from firedrill.runner.retry import retry
from firedrill.runner.simulating import place
from firedrill.simulation import faked_nodes
from firedrill.simulation.labels import MANAGER

log = logging.getLogger(__name__)

_BINDINGS: Final = paths.path("rbac.authorization.k8s.io/v1", "clusterrolebindings")
_NODES: Final = paths.path("v1", "nodes")


async def stand(context: RunContext, namespace: Object, count: int) -> None:
    """Make this many faked nodes, and take away those that are too many.

    Raises InvalidInput where a node of such a name is not of this Simulation, ClusterError where the target refuses.
    """
    if not count:
        await withdraw(context)
        return
    name = namespace["metadata"]["name"]
    await _apply(context, f"{_BINDINGS}/{_binding(name)}", _owned(context, namespace, faked_nodes.binding(name)))
    wanted = {node["metadata"]["name"]: node for node in faked_nodes.nodes(name, count)}
    known = set(await left(context))
    for surplus in sorted(known - wanted.keys()):
        await place.delete_if_there(context, f"{_NODES}/{surplus}")
    for node, made in wanted.items():
        if node not in known and await _is_there(context, node):
            raise InvalidInput(
                f"spec.faked: node {node} exists in {context.task.cluster} and is not of this Simulation"
            )
        await _apply(context, f"{_NODES}/{node}", _owned(context, namespace, made))
    log.info("%d faked nodes, %d of them new", count, len(wanted.keys() - known))


async def withdraw(context: RunContext) -> None:
    """Take away what was made outside of the namespace, if anything was: it carries the Simulation's uid."""
    for collection in (_NODES, _BINDINGS):
        for name in await _marked(context, collection):
            await place.delete_if_there(context, f"{collection}/{name}")


async def left(context: RunContext) -> list[str]:
    """Names of the faked nodes of this Simulation."""
    return await _marked(context, _NODES)


async def _marked(context: RunContext, collection: str) -> list[str]:
    params = {"labelSelector": f"{place.LABEL_SIMULATION}={context.task.uid}"}
    found = await retry(context.clock, lambda: context.client.get(collection, params), f"listing {collection}")
    return [each["metadata"]["name"] for each in found["items"]]


def _binding(namespace: str) -> str:
    name: str = faked_nodes.binding(namespace)["metadata"]["name"]
    return name


def _owned(context: RunContext, namespace: Mapping[str, Object], made: Object) -> Object:
    meta = made["metadata"]
    owner = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "name": namespace["metadata"]["name"],
        "uid": namespace["metadata"]["uid"],
    }
    labels = {**(meta.get("labels") or {}), place.LABEL_SIMULATION: context.task.uid}
    return {**made, "metadata": {**meta, "labels": labels, "ownerReferences": [owner]}}


async def _is_there(context: RunContext, node: str) -> bool:
    try:
        await retry(context.clock, lambda: context.client.get(f"{_NODES}/{node}"), f"reading node {node}")
    except NotFound:
        return False
    return True


async def _apply(context: RunContext, path: str, made: Object) -> None:
    await retry(
        context.clock,
        lambda: context.client.patch(path, made, content_type=APPLY_PATCH, manager=MANAGER),
        f"applying {made['kind']} {made['metadata']['name']}",
    )
