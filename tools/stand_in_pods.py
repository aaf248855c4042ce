"""Pods of a Deployment that nobody runs: made by the controllers, said to be Ready by this stand-in for kubelets."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from typing import Any, Final

from fault_cases import DEVICE
from stand_in_objects import IMAGE, LABELS, NODE_PODS, node_of, objects_of

from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import Conflict, Gone, NotFound, Unreachable
from firedrill.engines.chaos.faults.template import MARK
from firedrill.engines.chaos.views import PodView, parse_pod

Object = dict[str, Any]
_QUERY: Final = {"labelSelector": ",".join(f"{key}={value}" for key, value in LABELS.items())}
#: Status writes at a time: a kubelet each would send as many.
_AT_ONCE: Final = 20
#: Bound of every wait, in seconds.
_WITHIN: Final = 900.0


def is_ready(pod: Object) -> bool:
    """Whether a pod's status says so."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def can_run(pod: Object) -> bool:
    """Whether a kubelet could make it ready: its image is there, and no fault has changed its template."""
    images = {each["image"] for each in pod["spec"]["containers"]}
    return images == {IMAGE} and MARK not in (pod["metadata"].get("annotations") or {})


class Crowd:
    """So many pods in a namespace of their own, with all that a fault can be put in.

    ``client`` is that of the stand-in: what it may ask in a second is no limit of the runner's.
    """

    def __init__(self, client: KubeClient, count: int) -> None:
        self._client = client
        self.count = count
        self.namespace = f"crowd-{count}-{uuid.uuid4().hex[:5]}"
        self._pods: dict[str, Object] = {}
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._work: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Crowd":
        """Make them, and wait until all are ready."""
        for number in range(-(-self.count // NODE_PODS)):
            await self._make_node(node_of(self.namespace, number * NODE_PODS))
        for body in objects_of(self.namespace, self.count):
            where = None if body["kind"] == "Namespace" else self.namespace
            plural = body["kind"].lower() + "s"
            await self._client.create(paths.path(body["apiVersion"], plural, where), body)
        self._work = [asyncio.create_task(self._follow())]
        self._work += [asyncio.create_task(self._be_kubelet()) for _ in range(_AT_ONCE)]
        await self.settled()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take them away, and wait until they are gone: the next should not be measured meanwhile."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self._client.delete(paths.namespaces(self.namespace))
        for number in range(-(-self.count // NODE_PODS)):
            await self._client.delete(paths.path("v1", "nodes", name=node_of(self.namespace, number * NODE_PODS)))
        end = time.monotonic() + _WITHIN
        while time.monotonic() < end:
            try:
                await self._client.get(paths.namespaces(self.namespace))
            except NotFound:
                return
            await asyncio.sleep(0.5)
        raise RuntimeError(f"namespace {self.namespace} is not gone {_WITHIN:.0f} s after it was deleted")

    async def pods(self) -> list[Object]:
        """All pods, as they were last seen."""
        return list(self._pods.values())

    async def views(self) -> Sequence[PodView]:
        """All pods as a fault sees them; each is said to be on a node, so many on each."""
        placed = enumerate(sorted(self._pods.items()))
        return [
            parse_pod({**pod, "spec": {**pod["spec"], "nodeName": node_of(self.namespace, index)}})
            for index, (_, pod) in placed
        ]

    async def settled(self) -> None:
        """Wait until the Deployment's controller has all pods as they should be, all ready; raises RuntimeError."""
        end = time.monotonic() + _WITHIN
        while time.monotonic() < end:
            if self._all_ready() and await self._rolled_out():
                return
            for task in self._work:
                if task.done():
                    task.result()
            await asyncio.sleep(0.1)
        ready = sum(map(is_ready, self._pods.values()))
        raise RuntimeError(f"{ready} of {self.count} pods in {self.namespace} are ready {_WITHIN:.0f} s after a fault")

    def _all_ready(self) -> bool:
        pods = self._pods.values()
        return len(pods) == self.count and all(
            can_run(pod) and is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods
        )

    async def _rolled_out(self) -> bool:
        """A moment after a fault, the pods that were last seen are those of before."""
        body = await self._client.get(paths.deployments(self.namespace, "shop"))
        status = body.get("status") or {}
        counts = ("replicas", "readyReplicas", "updatedReplicas")
        return status.get("observedGeneration") == body["metadata"]["generation"] and all(
            status.get(name, 0) == self.count for name in counts
        )

    async def _follow(self) -> None:
        """Keep what is known of the pods up to date, and have each looked at that has changed."""
        where = paths.pods(self.namespace)
        while True:
            listed = await self._client.get(where, _QUERY)
            self._pods = {}
            for pod in listed.get("items") or ():
                self._saw(pod)
            since = {**_QUERY, "resourceVersion": listed["metadata"]["resourceVersion"]}
            try:
                async with self._client.watch(where, since, silence=300) as events:
                    async for event in events:
                        if event["type"] == "DELETED":
                            self._pods.pop(event["object"]["metadata"]["name"], None)
                        elif event["type"] != "BOOKMARK":
                            self._saw(event["object"])
            except (Gone, Unreachable):
                continue  # it is listed anew

    def _saw(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        self._pods[name] = pod
        if is_ready(pod) is not can_run(pod):
            self._waiting.put_nowait(name)

    async def _be_kubelet(self) -> None:
        while True:
            name = await self._waiting.get()
            pod = self._pods.get(name)
            if pod is None or is_ready(pod) is can_run(pod):
                continue
            ready = "True" if can_run(pod) else "False"
            status = {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}
            try:
                await self._client.patch(paths.pods(self.namespace, name, "status"), {"status": status})
            except (NotFound, Conflict):
                continue  # it was deleted meanwhile
            except Unreachable:
                self._waiting.put_nowait(name)

    async def _make_node(self, name: str) -> None:
        await self._client.create(
            paths.path("v1", "nodes"), {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        )
        device = {"status": {part: {DEVICE: "2"} for part in ("capacity", "allocatable")}}
        await self._client.patch(paths.path("v1", "nodes", name=name, subresource="status"), device)
