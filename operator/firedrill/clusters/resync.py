"""A second pair of eyes on the hub: lists what is there, and tells where the watches have missed something."""

import asyncio
import logging
import random
import time

from firedrill.api.kinds import RUN_KINDS, TARGET_CLUSTER
from firedrill.clusters import paths
from firedrill.clusters.cache import Key
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ClusterError, NotFound
from firedrill.clusters.queue import WorkQueue
from firedrill.clusters.reconciler import HALT_CONFIGMAP
from firedrill.clusters.registry import Registry

logger = logging.getLogger(__name__)

_EVERY = 30.0
#: A version that was listed and not delivered by a watch within this time means that the watch is dead.
_WATCH_LAG = 60.0
#: The hub must have answered a list within this time.
_LIST_LAG = 120.0


class HubWatch:
    """Compares what the hub lists with what its watches have delivered. Idle, it only reads."""

    def __init__(
        self, hub: KubeClient, namespace: str, queue: WorkQueue[Key], registry: Registry, targets: WorkQueue[str]
    ) -> None:
        self._hub = hub
        self._namespace = namespace
        self._queue = queue
        self._registry = registry
        self._targets = targets
        self._delivered: dict[str, int] = {}
        self._behind: dict[str, tuple[str, float]] = {}
        self._listed_at = time.monotonic()
        self._halted = False

    def delivered(self, uid: str, version: str) -> None:
        """A watch has delivered this version of an object."""
        self._delivered[uid] = max(self._delivered.get(uid, 0), int(version))
        self._behind.pop(uid, None)

    def forget(self, uid: str) -> None:
        """A watch has delivered the deletion of an object."""
        self._delivered.pop(uid, None)
        self._behind.pop(uid, None)

    def problem(self) -> str:
        """Why this process does not know what the hub holds; empty where it does."""
        now = time.monotonic()
        if now - self._listed_at > _LIST_LAG:
            return f"the hub has not answered a list for {now - self._listed_at:.0f} s"
        for name, since in self._behind.values():
            if now - since > _WATCH_LAG:
                return f"the watch of the hub has not delivered {name} for {now - since:.0f} s"
        return ""

    async def run(self) -> None:
        """List now and then, with jitter; put on the queue whatever is new."""
        while True:
            try:
                await self._look()
                self._listed_at = time.monotonic()
            except ClusterError as error:
                logger.warning("resync: %s", error)
            await asyncio.sleep(_EVERY * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    async def watch_halt(self) -> None:
        """Look for a hub-wide halt every few seconds; its coming and going concerns every kind that changes."""
        while True:
            try:
                halted = await self._is_halted()
                if halted != self._halted:
                    self._halted = halted
                    logger.warning("halt %s", "begins" if halted else "ends")
                    await self._look(everything=True)
            except ClusterError as error:
                logger.warning("halt is not known: %s", error)
            await asyncio.sleep(5)

    async def _is_halted(self) -> bool:
        try:
            await self._hub.get(paths.configmaps(self._namespace, HALT_CONFIGMAP))
        except NotFound:
            return False
        return True

    async def _look(self, *, everything: bool = False) -> None:
        for kind in (*RUN_KINDS.values(), TARGET_CLUSTER):
            params = {"limit": "500"}
            while True:
                page = await self._hub.get(paths.firedrill(kind.plural), params)
                for item in page["items"]:
                    self._compare(kind.name, item["metadata"], everything)
                if not page["metadata"].get("continue"):
                    break
                params["continue"] = page["metadata"]["continue"]

    def _compare(self, kind: str, meta: dict[str, str], everything: bool) -> None:
        behind = self._delivered.get(meta["uid"], 0) < int(meta["resourceVersion"])
        if behind:
            self._behind.setdefault(meta["uid"], (f"{kind} {meta['name']}", time.monotonic()))
        if not behind and not everything:
            return
        if kind == TARGET_CLUSTER.name:
            self._targets.add(meta["name"])
        else:
            self._queue.add(Key(kind, meta["namespace"], meta["name"]))
