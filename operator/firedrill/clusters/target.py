"""One target: its client, its watches, what is known of it. Its failures are its own."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from firedrill.api.meta import LABEL_MANAGED, LABEL_ROLE, LABEL_UID
from firedrill.api.resource import Target
from firedrill.api.targetcluster import Capability
from firedrill.clusters import paths
from firedrill.clusters.access import Access, allowed
from firedrill.clusters.cache import Key, RunCache
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ClusterError, Forbidden
from firedrill.clusters.informer import SILENCE, Informer
from firedrill.clusters.workloads import Workloads
from firedrill.core.observed import TargetView

logger = logging.getLogger(__name__)

_PROBE_EVERY = 5.0
_JOB_ROLES = ("runner", "guardian")
_CONFIGMAP_ROLES = ("task", "result", "record", "state", "reaction")
_NEEDED = (
    ("create", "jobs", "batch"),
    ("delete", "jobs", "batch"),
    ("watch", "jobs", "batch"),
    ("create", "configmaps", ""),
    ("patch", "configmaps", ""),
    ("watch", "configmaps", ""),
)


def _in(roles: tuple[str, ...]) -> str:
    """A selector of what has one of these roles: the operator has no room for what workers leave to each other."""
    return f"{LABEL_ROLE} in ({','.join(roles)})"


@dataclass
class Facts:
    """What was seen of a target's API server."""

    version: str = ""
    #: UID of the namespace kube-system, which no two clusters share.
    cluster_uid: str = ""
    nodes: int | None = None
    capabilities: list[Capability] = field(default_factory=list)


class TargetWatch:
    """Follows a target until it is closed.

    ``on_key`` is told of each resource that has something new here; ``on_change`` when the target's own state
    changed.
    """

    def __init__(
        self,
        target: Target,
        client: KubeClient,
        *,
        on_key: Callable[[Key], None],
        on_change: Callable[[], None],
        owns_client: bool = True,
        silence: float = SILENCE,
    ) -> None:
        self.target = target
        self.client = client
        self.cache = RunCache()
        self.workloads = Workloads(client, target.name, on_key)
        self.facts = Facts()
        self._on_key = on_key
        self._on_change = on_change
        self._owns_client = owns_client
        self._silence = silence
        self._errors: dict[str, str | None] = {
            "jobs": "not listed yet",
            "configmaps": "not listed yet",
            "server": "not asked yet",
        }
        self._unasked = set(self._errors)
        #: The address leads to another cluster than it did in the beginning: nothing known of it counts any more.
        self.moved = False
        #: Set once every part has answered, or failed, for the first time.
        self.looked = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def problem(self) -> str:
        """Why the view is not whole; empty where it is."""
        return next((error for error in self._errors.values() if error), "")

    def view(self, uid: str) -> TargetView:
        """What a step gets to see."""
        return TargetView(self.target, not self.problem, self.problem, self.cache.of(uid), self.facts.cluster_uid)

    async def confirm(self, key: Key, uid: str, job: str) -> None:
        """Read all of a run anew, and have its resource looked at again. Raises ClusterError."""
        namespace, before = self.target.spec.runner_namespace, self.cache.of(uid).get(job)
        of_resource = f"{LABEL_UID}={uid}"
        # Jobs first: whatever a Job that has ended was to leave is there by then.
        jobs = await self.client.get(paths.jobs(namespace), {"labelSelector": f"{of_resource},{_in(_JOB_ROLES)}"})
        configmaps = await self.client.get(
            paths.configmaps(namespace), {"labelSelector": f"{of_resource},{_in(_CONFIGMAP_ROLES)}"}
        )
        self.cache.confirm(uid, job, [*jobs["items"], *configmaps["items"]], before)
        self._on_key(key)

    def start(self) -> None:
        """Begin to follow."""
        namespace = self.target.spec.runner_namespace
        jobs = self._informer("jobs", paths.jobs(namespace), _JOB_ROLES)
        configmaps = self._informer("configmaps", paths.configmaps(namespace), _CONFIGMAP_ROLES)
        loops = {"jobs": jobs.run, "configmaps": configmaps.run, "server": self._probe}
        self._tasks = [
            asyncio.create_task(self._kept_up(part, loop), name=f"{self.target.name} {part}")
            for part, loop in loops.items()
        ]
        self._tasks.append(asyncio.create_task(self.workloads.run(), name=f"{self.target.name} workloads"))

    async def close(self) -> None:
        """Stop following and let the client go."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._owns_client:
            await self.client.close()

    async def _kept_up(self, part: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Run a loop for ever. What it knows counts for nothing once it has broken off, whatever the cause."""
        while True:
            try:
                await loop()
            except Exception as error:
                logger.exception("%s of target %s broke off", part, self.target.name)
                self._set(part, f"internal error: {error!r}")
            await asyncio.sleep(_PROBE_EVERY)

    def _informer(self, part: str, path: str, roles: tuple[str, ...]) -> Informer:
        def on_list(objects: list[dict[str, Any]]) -> None:
            before = self.cache.keys()
            self.cache.clear(roles)
            for obj in objects:
                self.cache.apply(obj)
            for key in before | self.cache.keys():
                self._on_key(key)

        def on_event(kind: str, obj: dict[str, Any]) -> None:
            key = self.cache.apply(obj, deleted=kind == "DELETED")
            if key:
                self._on_key(key)

        return Informer(
            self.client,
            path,
            f"{LABEL_MANAGED}=true,{_in(roles)}",
            on_list=on_list,
            on_event=on_event,
            on_state=lambda error: self._set(part, error),
            silence=self._silence,
        )

    def _set(self, part: str, error: str | None) -> None:
        before, looked = self.problem, self.looked.is_set()
        self._errors[part] = error
        self._unasked.discard(part)
        if not self._unasked:
            self.looked.set()
        if bool(before) != bool(self.problem) or looked != self.looked.is_set():
            self._on_change()
        if before and not self.problem:
            # Whoever looked in the meantime was told that nothing can be known here, and need not look again.
            held = self.cache.keys()
            for key in held:
                self._on_key(key)

    async def _probe(self) -> None:
        """Ask the server for its version every few seconds: a watch alone tells of a dead target late."""
        fresh = True
        while True:
            try:
                uid = await self.verify()
                version = await self.client.get("/version")
                if fresh or version.get("gitVersion") != self.facts.version:
                    self.facts = await self._look(str(version.get("gitVersion", "")), uid)
                    self._on_change()
                fresh = False
                if not self.moved:
                    self._set("server", None)
            except ClusterError as error:
                fresh = True
                self._set("server", str(error))
            await asyncio.sleep(_PROBE_EVERY)

    async def verify(self) -> str:
        """UID of the cluster. Raises ClusterError where it is another than what is known here comes from."""
        uid = await self._identity()
        if self.facts.cluster_uid not in ("", uid):
            self.moved = True
            self._set("server", f"the address leads to another cluster now ({uid}, not {self.facts.cluster_uid})")
            self._on_change()
            raise ClusterError(str(self._errors["server"]))
        return uid

    async def _identity(self) -> str:
        try:
            system = await self.client.get(paths.path("v1", "namespaces", name="kube-system"))
        except Forbidden as error:
            raise ClusterError(
                f"which cluster this is can not be told, its credentials may not get namespace kube-system: {error}"
            ) from error
        return str(system["metadata"]["uid"])

    async def _look(self, version: str, uid: str) -> Facts:
        nodes: int | None = None
        try:
            listed = await self.client.get(paths.path("v1", "nodes"), {"limit": "500"})
            nodes = len(listed["items"]) + int(listed["metadata"].get("remainingItemCount", 0))
        except ClusterError as error:
            logger.info("nodes of %s are not counted: %s", self.target.name, error)
        return Facts(version, uid, nodes, [await self._may(*needed) for needed in _NEEDED])

    async def _may(self, verb: str, resource: str, group: str) -> Capability:
        need = Access(verb, resource, self.target.spec.runner_namespace, group)
        return Capability(name=f"{verb} {need.kind}", allowed=await allowed(self.client, need))
