"""A target in memory: namespaces, ConfigMaps and nodes, and every write in its order."""

import asyncio
import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.client import APPLY_PATCH, JSON_PATCH
from firedrill.clusters.errors import Conflict, Invalid, NotFound
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.record_store import RecordStore

Object = dict[str, Any]
RUNNERS = "firedrill"
BEGIN = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Time:
    """A clock that jumps over every wait; what is to happen at a wait is told to it."""

    def __init__(self) -> None:
        self._now = BEGIN
        self.at_wait: list[Callable[[], None]] = []

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        if self.at_wait:
            self.at_wait.pop(0)()
        await asyncio.sleep(0)


class Target:
    """Answers as an API server does; ``writes`` tells which objects were changed how."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.writes: list[tuple[str, str]] = []
        self.time = Time()

    def put(self, path: str, body: Object) -> None:
        """An object that is there."""
        body.setdefault("metadata", {}).setdefault("name", path.rsplit("/", 1)[1])
        self.objects[path] = body

    def node(self, name: str, **resources: str) -> None:
        """A node; names of resources have no dots here, and ``_`` for their slash."""
        has = {key.replace("_", "/"): value for key, value in resources.items()}
        status = {"capacity": {"cpu": "4", **has}, "allocatable": {"cpu": "4", **has}}
        self.put(paths.path("v1", "nodes", name=name), {"status": status})

    def offered(self, name: str) -> dict[str, str]:
        """What a node has beside processors."""
        status = self.objects[paths.path("v1", "nodes", name=name)]["status"]
        assert status["capacity"] == status["allocatable"]
        return {key: value for key, value in status["capacity"].items() if key != "cpu"}

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Object:
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        if path.rsplit("/", 1)[1] not in ("nodes", "configmaps", "namespaces", "pods", "clusterrolebindings"):
            raise NotFound(404, "NotFound", path)
        wanted = dict(part.split("=") for part in (params or {}).get("labelSelector", "").split(",") if part)
        items = [
            copy.deepcopy(item)
            for key, item in self.objects.items()
            if key.rsplit("/", 1)[0] == path and wanted.items() <= (item["metadata"].get("labels") or {}).items()
        ]
        return {"items": items}

    async def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        full = f"{path}/{body['metadata']['name']}"
        if full in self.objects:
            raise Conflict(409, "AlreadyExists", full)
        self.writes.append(("create", full))
        self.objects[full] = copy.deepcopy(body)
        return body

    async def patch(
        self, path: str, body: Any, *, content_type: str = "", dry_run: bool = False, manager: str = ""
    ) -> Object:
        self.writes.append(("patch", path))
        if content_type == JSON_PATCH:
            return self._patch_status(path.removesuffix("/status"), body)
        assert content_type == APPLY_PATCH
        self.objects[path] = copy.deepcopy(body)
        return dict(body)

    def _patch_status(self, path: str, changes: list[Object]) -> Object:
        if path not in self.objects:
            raise NotFound(404, "NotFound", path)
        status = copy.deepcopy(self.objects[path]["status"])
        for change in changes:
            _, _, part, key = change["path"].split("/")
            name = key.replace("~1", "/").replace("~0", "~")
            if change["op"] == "add":
                status[part][name] = change["value"]
            elif name not in status[part]:
                raise Invalid(422, "Invalid", change["path"])
            else:
                del status[part][name]
        self.objects[path]["status"] = status
        return self.objects[path]

    async def delete(self, path: str, **_: Any) -> Object:
        if path not in self.objects:
            raise NotFound(404, "NotFound", path)
        self.writes.append(("delete", path))
        del self.objects[path]
        return {}

    async def replace(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        raise AssertionError("nothing is replaced")


def context(target: Target, uid: str = "bank-uid", *, name: str = "bank") -> RunContext:
    """A run of a Simulation in that target, with ten minutes of time."""
    task = Task.model_validate(
        {
            "kind": "Simulation",
            "namespace": "sre",
            "name": name,
            "uid": uid,
            "runId": "abc1234567",
            "cluster": "finance",
            "runnerNamespace": RUNNERS,
            "job": "sim-bank-0123456789ab",
            "jobUid": "job-uid",
            "startedAt": BEGIN,
            "deadline": BEGIN + timedelta(minutes=10),
            "image": "docker.io/firedrill/runner:dev",
            "images": {"simulator": "simulator:dev", "components": "components:dev"},
            "policy": {"faultFamilies": [], "maxAffectedPercent": 50},
            "spec": {},
        }
    )
    identity = Identity("runner", "runner-uid", RUNNERS, "node-1")
    return RunContext(task, target, RecordStore(target, task, target.time), target.time, identity, Stop())
