"""A cluster in memory with the controllers that a fix waits for, on a clock that only waiting moves on."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jsonpatch
from fix_builders import BAD, GOOD, T0, deployment, not_pulled, pod, replica_set, template

from firedrill.api.task import Task
from firedrill.clusters.client import JSON_PATCH
from firedrill.clusters.errors import ApiError, Conflict, Forbidden, Invalid, NotFound
from firedrill.engines.fix.tryout import Attempt
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.record_store import RecordStore

Object = dict[str, Any]
GATEWAY = "/apis/apps/v1/namespaces/devices/deployments/gateway"
SANDBOX = "/api/v1/namespaces/firedrill-sandbox-run1"
RECORD = "/api/v1/namespaces/firedrill/configmaps/aut-mend-1-record"


class FakeClock:
    """Time that passes while somebody waits, and only then."""

    def __init__(self) -> None:
        self._now = T0
        self.on_tick: list[Callable[[datetime], None]] = []

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        for callback in list(self.on_tick):
            callback(self._now)


@dataclass
class Behaviour:
    """What the cluster of a test does."""

    #: Seconds until the try-out is ready; None for never.
    sandbox_ready: float | None = 3.0
    #: Addresses that the canary reaches although it should not.
    leaks: tuple[str, ...] = ()
    isolate_fails: str = ""
    #: Seconds until the rollout of a replaced template is complete; None for never.
    rollout_complete: float | None = 4.0
    namespace_gone: float = 4.0
    guardian_armed: float | None = 1.0
    refuse_dry_run: str = ""


@dataclass
class World:
    """Objects by path, and what is asked of them. ``hooks`` see each write before it happens."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    objects: dict[str, Object] = field(default_factory=dict)
    writes: list[tuple[str, str]] = field(default_factory=list)
    hooks: list[Callable[[str, str, Any], None]] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)
    reachable: tuple[str, ...] = ("10.0.0.1:443", "10.0.0.77:80", "10.1.0.9:8080")
    _version: int = 100
    _born: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock.on_tick.append(self._controllers)
        self.put("/api/v1/namespaces/devices", {"metadata": {"labels": {"firedrill.dev/experiments": "enabled"}}})
        self.put(GATEWAY, deployment())
        for item in (replica_set("old", 1, template(GOOD), 2), replica_set("new", 2, template(BAD))):
            self.put(f"/apis/apps/v1/namespaces/devices/replicasets/{item['metadata']['name']}", item)
        for item in (pod("old-a", "old"), pod("old-b", "old"), not_pulled("new-a", "new")):
            self.put(f"/api/v1/namespaces/devices/pods/{item['metadata']['name']}", item)
        self.put(
            "/api/v1/namespaces/firedrill/pods/guardian", {"metadata": {"uid": "g"}, "status": {"phase": "Running"}}
        )
        service = {"spec": {"clusterIP": "10.0.0.77", "ports": [{"port": 80}]}}
        self.put("/api/v1/namespaces/devices/services/gateway", service)

    def context(self, task: Task) -> RunContext:
        """What the runner gets."""
        identity = Identity("runner-pod", "pod-uid", "firedrill", "node-1")
        client: Any = self
        return RunContext(task, client, RecordStore(client, task, self.clock), self.clock, identity, Stop())

    async def dial(self, address: str, timeout: float) -> Attempt:
        """A connection of the runner."""
        return Attempt(address, address in self.reachable)

    # The API server.

    def put(self, path: str, body: Object) -> Object:
        """Store an object as it is."""
        meta = body.setdefault("metadata", {})
        self._version += 1
        meta.setdefault("name", path.rsplit("/", 1)[1])
        meta.setdefault("uid", f"uid-of-{meta['name']}")
        meta.setdefault("creationTimestamp", "2026-01-01T12:00:00Z")
        meta["resourceVersion"] = str(self._version)
        self.objects[path] = body
        self._born.setdefault(path, self.clock.now())
        return copy.deepcopy(body)

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Object:
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        items = [item for key, item in self.objects.items() if key.rsplit("/", 1)[0] == path]
        if path.rsplit("/", 1)[1] in ("pods", "replicasets", "services", "configmaps"):
            return {"items": copy.deepcopy(items)}
        raise NotFound(404, "NotFound", f"{path} not found")

    async def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        self._ask("create", path, body)
        key = f"{path}/{body['metadata']['name']}"
        if key in self.objects:
            raise Conflict(409, "AlreadyExists", f"{key} exists")
        return self.put(key, copy.deepcopy(body))

    async def replace(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        self._ask("replace", path, body)
        return self.put(path, copy.deepcopy(body))

    async def patch(
        self, path: str, body: Any, *, content_type: str = "application/merge-patch+json", dry_run: bool = False
    ) -> Object:
        self._ask("dry-run" if dry_run else "patch", path, body)
        current = copy.deepcopy(self.objects.get(path))
        if current is None:
            raise NotFound(404, "NotFound", f"{path} not found")
        if content_type == JSON_PATCH:
            try:
                changed = jsonpatch.apply_patch(current, body)
            except jsonpatch.JsonPatchException as error:
                raise Invalid(422, "Invalid", f"the server rejected our request: {error}") from error
        else:
            wanted = body["metadata"].get("resourceVersion")
            if wanted and wanted != current["metadata"]["resourceVersion"]:
                raise Conflict(409, "Conflict", "changed since it was read")
            changed = {**current, "data": {**current["data"], **body["data"]}}
            changed["metadata"] = {**current["metadata"], **body["metadata"]}
        if dry_run:
            if self.behaviour.refuse_dry_run:
                raise Invalid(422, "Invalid", self.behaviour.refuse_dry_run)
            return changed
        if path == GATEWAY and changed["spec"] != current["spec"]:
            changed["metadata"]["generation"] += 1
            self._born["rollout"] = self.clock.now()
        return self.put(path, changed)

    async def delete(self, path: str, *, uid: str | None = None, **_: Any) -> Object:
        self._ask("delete", path, None)
        if path not in self.objects:
            raise NotFound(404, "NotFound", f"{path} not found")
        if uid and self.objects[path]["metadata"]["uid"] != uid:
            raise Conflict(409, "Conflict", "another UID")
        self.objects[path]["metadata"]["deletionTimestamp"] = "now"
        self._born[path] = self.clock.now()
        return {}

    def _ask(self, verb: str, path: str, body: Any) -> None:
        for hook in list(self.hooks):
            hook(verb, path, body)
        self.writes.append((verb, path))

    # The controllers.

    def _controllers(self, now: datetime) -> None:
        behaviour = self.behaviour
        for path in [key for key, item in self.objects.items() if "deletionTimestamp" in item["metadata"]]:
            if now - self._born[path] >= timedelta(seconds=behaviour.namespace_gone):
                for key in [key for key in self.objects if key == path or key.startswith(f"{path}/")]:
                    del self.objects[key]
        self._guardian(now)
        self._kubelet(now)
        self._deployment_controller(now)

    def _guardian(self, now: datetime) -> None:
        body, after = self.objects.get(RECORD), self.behaviour.guardian_armed
        if body is None or after is None or now - self._born[RECORD] < timedelta(seconds=after):
            return
        record = json.loads(body["data"]["record.json"])
        if "guardian" not in record:
            record["guardian"] = {
                "podUid": "g", "node": "n", "armedAt": "2026-01-01T12:00:00Z", "permitted": True,
            }  # fmt: skip
            body["data"]["record.json"] = json.dumps(record)
            self.put(RECORD, body)

    def _kubelet(self, now: datetime) -> None:
        path = f"{SANDBOX}/pods/try-out"
        found = self.objects.get(path)
        if found is None:
            return
        targets = found["spec"]["initContainers"][1]["command"]
        addresses = targets[targets.index("--canary") + 1 :]
        attempts = [{"address": item, "connected": item in self.behaviour.leaks} for item in addresses]
        rules: Object = (
            {"exitCode": 1, "message": self.behaviour.isolate_fails}
            if self.behaviour.isolate_fails
            else {"exitCode": 0}
        )
        canary = {"exitCode": 1 if self.behaviour.leaks else 0, "message": json.dumps({"attempts": attempts})}
        after = self.behaviour.sandbox_ready
        ready = after is not None and now - self._born[path] >= timedelta(seconds=after)
        found["status"] = {
            "phase": "Running" if ready else "Pending",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "initContainerStatuses": [
                {"name": "firedrill-isolate", "state": {"terminated": rules}},
                {"name": "firedrill-canary", "state": {"terminated": canary}},
            ],
            "containerStatuses": [
                {
                    "name": "gateway",
                    "ready": ready,
                    "restartCount": 0,
                    "state": {} if ready else {"waiting": {"reason": "CrashLoopBackOff"}},
                }
            ],
        }

    def _deployment_controller(self, now: datetime) -> None:
        found, after, since = self.objects.get(GATEWAY), self.behaviour.rollout_complete, self._born.get("rollout")
        if found is None or since is None or found["spec"]["template"] == template(BAD):
            return
        complete = after is not None and now - since >= timedelta(seconds=after)
        found["status"] = {
            "observedGeneration": found["metadata"]["generation"], "replicas": 2 if complete else 3,
            "updatedReplicas": 2 if complete else 1, "availableReplicas": 2, "readyReplicas": 2,
        }  # fmt: skip


def refuse(error: ApiError) -> Callable[[str, str, Any], None]:
    """A hook that refuses every write with an error."""

    def hook(verb: str, path: str, _: Any) -> None:
        raise error

    return hook


FORBIDDEN = Forbidden(403, "Forbidden", "may not")
