"""Pods of a Deployment that nobody runs: made by the controllers, said to be Ready by this stand-in for kubelets."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import Conflict, NotFound
from firedrill.engines.chaos.views import PodView, parse_pod

Object = dict[str, Any]
PASSWORD = "Correct-horse-0815"  # noqa: S105 - of a system that does not exist
_LABELS = {"app": "shop"}
#: The only one that could be pulled.
_IMAGE = "shop:1"
_QUERY = {"labelSelector": "app=shop"}


def _ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


class Crowd:
    """So many pods in a namespace of their own, with a Service, a ConfigMap and a Secret."""

    def __init__(self, client: KubeClient, count: int, *, every: float = 0.1) -> None:
        self._client = client
        self.count = count
        self._every = every
        self.namespace = f"crowd-{count}-{uuid.uuid4().hex[:5]}"
        self._kubelet: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Crowd":
        """Make them, and wait until all are ready."""
        for body in self._objects():
            api, kind = body["apiVersion"], body["kind"]
            where = None if kind == "Namespace" else self.namespace
            await self._client.create(paths.path(api, f"{kind.lower()}s", where), body)
        self._kubelet = asyncio.create_task(self._be_kubelet())
        await self.settled()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take them away; the namespace goes in its own time."""
        if self._kubelet:
            self._kubelet.cancel()
            await asyncio.gather(self._kubelet, return_exceptions=True)
        await self._client.delete(paths.namespaces(self.namespace))

    async def pods(self) -> list[Object]:
        """All pods, as they are."""
        listed = await self._client.get(paths.pods(self.namespace), {**_QUERY, "resourceVersion": "0"})
        items: list[Object] = listed.get("items") or []
        return items

    async def views(self) -> Sequence[PodView]:
        """All pods, as a fault sees them."""
        return [parse_pod(pod) for pod in await self.pods()]

    async def settled(self) -> None:
        """Wait until there are as many as there should be, all ready."""
        while True:
            pods = await self.pods()
            if len(pods) == self.count and all(map(_ready, pods)):
                return
            await asyncio.sleep(0.2 + self.count / 3000)

    async def _be_kubelet(self) -> None:
        limit = asyncio.Semaphore(20)

        async def make_ready(name: str) -> None:
            async with limit:
                status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
                try:
                    await self._client.patch(paths.pods(self.namespace, name, "status"), {"status": status})
                except (NotFound, Conflict):
                    return  # it was deleted meanwhile

        while True:
            runnable = [pod for pod in await self.pods() if pod["spec"]["containers"][0]["image"] == _IMAGE]
            waiting = [pod["metadata"]["name"] for pod in runnable if not _ready(pod)]
            await asyncio.gather(*map(make_ready, waiting))
            await asyncio.sleep(self._every + self.count / 3000)

    def _objects(self) -> list[Object]:
        meta = {"name": "shop", "namespace": self.namespace}
        containers = [{"name": "app", "image": _IMAGE}]
        template = {"metadata": {"labels": _LABELS}, "spec": {"containers": containers}}
        spec = {"replicas": self.count, "selector": {"matchLabels": _LABELS}, "template": template}
        marks = {"firedrill.dev/experiments": "enabled"}
        service = {"selector": _LABELS, "ports": [{"port": 80, "targetPort": 8080}]}
        return [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": marks}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mode": "ok"}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"password": PASSWORD}},
            {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec},
        ]
