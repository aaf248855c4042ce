"""Applies objects, and takes away those that are not wanted any more."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firedrill.clusters import paths
from firedrill.clusters.client import APPLY_PATCH
from firedrill.clusters.errors import NotFound
from firedrill.runner.ports import Clock, Cluster, Object
from firedrill.runner.retry import retry
from firedrill.simulation.labels import MANAGER

log = logging.getLogger(__name__)

#: Kinds that a simulation consists of, with their collections, in the order in which they are applied: a binding is
#: refused before its role is there, and a pod waits for what it mounts. What others made is left alone.
COLLECTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "ServiceAccount": ("v1", "serviceaccounts"),
    "Role": ("rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings"),
    "Secret": ("v1", "secrets"),
    "ConfigMap": ("v1", "configmaps"),
    "Service": ("v1", "services"),
    "StatefulSet": ("apps/v1", "statefulsets"),
    "Deployment": ("apps/v1", "deployments"),
    "Job": ("batch/v1", "jobs"),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "horizontalpodautoscalers"),
}
#: Kinds that the builder has no right to read: they stay until the namespace goes.
NOT_PRUNED: Final = frozenset({"Secret"})
_SIDE_BY_SIDE: Final = 8


@dataclass(frozen=True)
class Applied:
    """What applying has changed: names of workloads that were made or that roll, and how many objects went."""

    created: Sequence[str] = ()
    rolled: Sequence[str] = ()
    pruned: int = 0


class Applier:
    """Works in one namespace, with server-side apply under the field manager of simulations."""

    def __init__(self, client: Cluster, clock: Clock, namespace: str) -> None:
        self._client = client
        self._clock = clock
        self._namespace = namespace

    async def apply(self, objects: Sequence[Object]) -> Applied:
        """Apply all, several at once; raises the first ClusterError that does not pass by itself."""
        limit = asyncio.Semaphore(_SIDE_BY_SIDE)
        before = await self._generations()
        created: list[str] = []
        rolled: list[str] = []

        async def one(made: Object) -> None:
            kind, name = made["kind"], made["metadata"]["name"]
            path = paths.path(*_collection(kind, self._namespace), name)
            async with limit:
                found = await retry(
                    self._clock,
                    lambda: self._client.patch(path, made, content_type=APPLY_PATCH, manager=MANAGER),
                    f"applying {kind} {name}",
                )
            if kind in ("Deployment", "StatefulSet"):
                generation = before.get((kind, name))
                if generation is None:
                    created.append(name)
                elif generation != found["metadata"]["generation"]:
                    rolled.append(name)

        for kind in COLLECTIONS:
            await asyncio.gather(*(one(made) for made in objects if made["kind"] == kind))
        return Applied(sorted(created), sorted(rolled))

    async def _generations(self) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for kind in ("Deployment", "StatefulSet"):
            for item in await self.listed(kind):
                found[kind, item["metadata"]["name"]] = item["metadata"]["generation"]
        return found

    async def prune(self, wanted: Sequence[Object]) -> int:
        """Delete what an earlier graph had and this one has not, but for Secrets; returns how many objects."""
        keep = {(made["kind"], made["metadata"]["name"]) for made in wanted}
        count = 0
        for kind in (kind for kind in COLLECTIONS if kind not in NOT_PRUNED):
            for item in await self.listed(kind):
                name = item["metadata"]["name"]
                if (kind, name) in keep:
                    continue
                path = paths.path(*_collection(kind, self._namespace), name)
                log.info("%s %s is not wanted any more", kind, name)
                try:
                    await retry(self._clock, lambda path=path: self._client.delete(path), f"deleting {kind} {name}")  # type: ignore[misc]
                    count += 1
                except NotFound:
                    log.info("%s %s is gone already", kind, name)
        return count

    async def listed(self, kind: str) -> list[Object]:
        """Objects of a kind that belong to the simulation."""
        path = paths.path(*_collection(kind, self._namespace))
        params = {"labelSelector": f"app.kubernetes.io/managed-by={MANAGER}"}
        found = await retry(self._clock, lambda: self._client.get(path, params), f"listing {kind}")
        items: list[Object] = found["items"]
        return items


def _collection(kind: str, namespace: str) -> tuple[str, str, str]:
    api_version, plural = COLLECTIONS[kind]
    return api_version, plural, namespace
