"""A second pair of eyes on the hub: lists what is there, and tells where the watches have missed something."""

import asyncio
import logging
import random
import time
from dataclasses import dataclass

from firedrill.api.kinds import RUN_KINDS, TARGET_CLUSTER
from firedrill.clusters import paths
from firedrill.clusters.cache import Key
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ClusterError, NotFound
from firedrill.clusters.informer import SILENCE
from firedrill.clusters.queue import WorkQueue
from firedrill.clusters.reconciler import HALT_CONFIGMAP
from firedrill.clusters.registry import Registry

logger = logging.getLogger(__name__)

#: The hub must have answered a list within this time.
_LIST_LAG = 120.0


@dataclass(frozen=True)
class _Behind:
    """A version of an object that was listed, and not delivered by the watch yet."""

    kind: str
    name: str
    version: int
    since: float

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class HubWatch:
    """Compares what the hub lists with what its watches have delivered. Idle, it only reads.

    A version that was listed and that no watch delivers within about ``silence`` seconds means that the watch is dead,
    unless it has delivered something later: then it has left one event out, which the comparison makes up for.
    """

    def __init__(
        self,
        hub: KubeClient,
        namespace: str,
        queue: WorkQueue[Key],
        registry: Registry,
        targets: WorkQueue[str],
        silence: float = SILENCE,
    ) -> None:
        self._hub = hub
        self._namespace = namespace
        self._queue = queue
        self._registry = registry
        self._targets = targets
        self._every = silence * 0.4
        self._lag = silence * 0.8
        #: Of each object that a watch has delivered: the version, and the key to look at when it is gone.
        self._delivered: dict[str, tuple[int, Key | str]] = {}
        self._behind: dict[str, _Behind] = {}
        self._latest: dict[str, int] = {}
        self._listed_at = time.monotonic()
        self._halted = False

    def delivered(self, key: Key | str, uid: str, version: str) -> None:
        """A watch has delivered this version of an object."""
        before, _ = self._delivered.get(uid, (0, key))
        self._delivered[uid] = (max(before, int(version)), key)
        self._behind.pop(uid, None)
        kind = key.kind if isinstance(key, Key) else TARGET_CLUSTER.name
        self._latest[kind] = max(self._latest.get(kind, 0), int(version))

    def forget(self, uid: str) -> None:
        """A watch has delivered the deletion of an object."""
        self._delivered.pop(uid, None)
        self._behind.pop(uid, None)

    def problem(self) -> str:
        """Why this process does not know what the hub holds; empty where it does."""
        now = time.monotonic()
        if now - self._listed_at > _LIST_LAG:
            return f"the hub has not answered a list for {now - self._listed_at:.0f} s"
        for behind in self._behind.values():
            dead = self._latest.get(behind.kind, 0) < behind.version
            if dead and now - behind.since > self._lag:
                return f"the watch of the hub has not delivered {behind} for {now - behind.since:.0f} s"
        return ""

    async def run(self) -> None:
        """List now and then, with jitter; put on the queue whatever is new."""
        while True:
            try:
                await self._look()
                self._listed_at = time.monotonic()
            except ClusterError as error:
                logger.warning("resync: %s", error)
            await asyncio.sleep(self._every * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

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
        known, listed = set(self._delivered) | set(self._behind), set()
        for kind in (*RUN_KINDS.values(), TARGET_CLUSTER):
            params = {"limit": "500"}
            while True:
                page = await self._hub.get(paths.firedrill(kind.plural), params)
                for item in page["items"]:
                    listed.add(item["metadata"]["uid"])
                    self._compare(kind.name, item["metadata"], everything)
                if not page["metadata"].get("continue"):
                    break
                params["continue"] = page["metadata"]["continue"]
        for uid in known - listed:
            self._missed_deletion(uid)

    def _compare(self, kind: str, meta: dict[str, str], everything: bool) -> None:
        behind = self._delivered.get(meta["uid"], (0, ""))[0] < int(meta["resourceVersion"])
        if behind:
            version = int(meta["resourceVersion"])
            self._behind.setdefault(meta["uid"], _Behind(kind, meta["name"], version, time.monotonic()))
        if not behind and not everything:
            return
        if kind == TARGET_CLUSTER.name:
            self._targets.add(meta["name"])
        else:
            self._queue.add(Key(kind, meta["namespace"], meta["name"]))

    def _missed_deletion(self, uid: str) -> None:
        """An object went while nobody watched: what it has left is looked for now."""
        self._behind.pop(uid, None)
        _, key = self._delivered.pop(uid, (0, None))
        if isinstance(key, Key):
            self._queue.add(key)
        elif key:
            self._targets.add(key)
