"""Pods that the changes of a round of undoing are looked for in: one by one, or all of a namespace at once."""

import logging
from typing import Final

from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, NotFound
from firedrill.runner.ports import Cluster, Object
from firedrill.runner.undoing import UndoContext

log = logging.getLogger(__name__)

#: From so many changes on, all pods of a namespace are listed at once instead of each being asked for.
_LIST_FROM: Final = 20


async def pod_at(context: UndoContext, namespace: str, name: str) -> Object | None:
    """The pod of that name as it is in this round, which must not be changed; None where there is none."""
    client = context.client
    if context.pending > _LIST_FROM:
        try:
            return (await context.once(("pods", namespace), lambda: _pods_by_name(client, namespace))).get(name)
        except ClusterError as error:
            log.warning("pods of %s can not be listed, so they are asked for one by one: %s", namespace, error)
    try:
        return await client.get(paths.pods(namespace, name))
    except NotFound:
        return None


async def _pods_by_name(client: Cluster, namespace: str) -> dict[str, Object]:
    listed = await client.get(paths.pods(namespace))
    return {pod["metadata"]["name"]: pod for pod in listed.get("items") or ()}
