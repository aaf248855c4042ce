"""A cluster in memory: what the API server, the ReplicaSet controller and the kubelet do with what we write."""

import asyncio
import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chaos_clock import VirtualClock
from chaos_kernel import Netns

from firedrill.clusters import paths
from firedrill.clusters.client import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from firedrill.clusters.errors import Conflict, Forbidden, Invalid, NotFound
from firedrill.clusters.executing import Executed
from firedrill.runner import netfault
from firedrill.runner.container import Tools
from support.jsonpatch import TestFailed, patched

Object = dict[str, Any]
_COLLECTIONS = ("pods", "configmaps", "replicasets", "controllerrevisions", "jobs", "poddisruptionbudgets", "nodes")
APP: Object = {"name": "app", "image": "ledger:1", "resources": {"limits": {"memory": "96Mi"}}}
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class World:
    """The cluster with all its objects, and the network namespace of every pod."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.objects: dict[str, Object] = {}
        self.netns: dict[str, Netns] = {}
        self.created_at = "2026-07-01T12:00:00Z"
        self.forbidden: set[tuple[str, str]] = set()
        self.pod_security = ""
        self.container_delay = 0.8
        self.replace_delay: float | None = 1.5
        self.requests: list[tuple[str, str]] = []
        #: Called with the path of an object that was changed by a JSON Patch.
        self.on_patch: Callable[[str], None] = lambda _path: None
        #: Called with the path of an object that was created, changed by a merge patch, or is to be deleted.
        self.on_write: Callable[[str], None] = lambda _path: None
        #: What other operators do at this moment.
        self.engine_faults: set[str] = set()
        self._version = 0
        self._tasks: set[asyncio.Task[None]] = set()

    # -- what tests set up and look at

    def put(self, path: str, body: Object) -> Object:
        """Store an object as it is."""
        self._version += 1
        metadata = body.setdefault("metadata", {})
        metadata.setdefault("name", path.rsplit("/", 1)[1])
        metadata.setdefault("uid", f"uid-{self._version}")
        metadata.setdefault("creationTimestamp", self.created_at)
        metadata["resourceVersion"] = str(self._version)
        self.objects[path] = body
        return body

    def remove(self, path: str) -> None:
        """Take an object away, as somebody else would."""
        self.objects.pop(path, None)

    def pod(
        self, name: str, owner: Object, labels: Mapping[str, str], *, ready: bool = True, ns: str = "payments"
    ) -> Object:
        """A running pod of an owner."""
        meta = owner["metadata"]
        reference = {"kind": owner["kind"], "name": meta["name"], "uid": meta["uid"], "controller": True}
        body = self.put(
            paths.pods(ns, name),
            {
                "metadata": {"namespace": ns, "labels": dict(labels), "ownerReferences": [reference]},
                "spec": {"nodeName": "node-1", "containers": [copy.deepcopy(APP)], "terminationGracePeriodSeconds": 1},
                "status": {
                    "phase": "Running",
                    "conditions": [_ready(ready)],
                    "containerStatuses": [{"name": "app", "containerID": "first", "restartCount": 0}],
                },
            },
        )
        self.netns[body["metadata"]["uid"]] = Netns(lambda: self.clock.now().timestamp())
        return body

    def service(self, app: str, replicas: int, *, ns: str = "payments") -> None:
        """A Deployment with its ReplicaSet and ready pods, and the Service that leads to them."""
        labels = {"app": app}
        containers = [{"name": "app", "image": f"{app}:1"}]
        template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
        spec = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate"},
            "template": template,
        }
        deployment = self.put(paths.deployments(ns, app), {"kind": "Deployment", "spec": copy.deepcopy(spec)})
        self.put(paths.path("v1", "services", ns, app), {"spec": {"selector": dict(labels), "ports": [{"port": 8080}]}})
        owner = {"kind": "Deployment", "name": app, "uid": deployment["metadata"]["uid"], "controller": True}
        replica_set = self.put(
            paths.path("apps/v1", "replicasets", ns, f"{app}-1"),
            {"kind": "ReplicaSet", "metadata": {"ownerReferences": [owner], "labels": labels}, "spec": dict(spec)},
        )
        for number in range(replicas):
            self.pod(f"{app}-1-{number}", replica_set, labels, ns=ns)

    def pods(self, app: str, ns: str = "payments") -> list[Object]:
        """Pods of an app."""
        found = self._list(paths.pods(ns), {"labelSelector": f"app={app}"})
        return found["items"]

    def replica_sets(self, ns: str = "payments") -> list[Object]:
        """ReplicaSets of a namespace, as they are stored."""
        prefix = paths.path("apps/v1", "replicasets", ns)
        return [item for path, item in self.objects.items() if path.rsplit("/", 1)[0] == prefix]

    def selected(self, service: str, ns: str = "payments") -> list[Object]:
        """Pods that a Service selects."""
        found = self.objects.get(paths.path("v1", "services", ns, service))
        if found is None:
            return []
        terms = found["spec"]["selector"]
        return self._list(paths.pods(ns), {"labelSelector": ",".join(f"{k}={v}" for k, v in terms.items())})["items"]

    def ready(self, app: str) -> int:
        """Ready pods of an app."""
        return sum(1 for pod in self.pods(app) if pod["status"]["conditions"][0]["status"] == "True")

    def live_faults(self) -> list[str]:
        """Tables of ours in the network namespaces of pods that exist."""
        uids = {item["metadata"]["uid"] for path, item in self.objects.items() if "/pods/" in path}
        own = [
            name for uid, netns in self.netns.items() if uid in uids for name in (*netns.tables, *netns.holders.names())
        ]
        return [*own, *sorted(self.engine_faults)]

    # -- requests

    def get(self, path: str, params: Mapping[str, str] | None) -> Object:
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        if path.rsplit("/", 1)[1] in _COLLECTIONS:
            return self._list(path, params or {})
        raise NotFound(404, "NotFound", f"{path} not found")

    def create(self, path: str, body: Object, dry_run: bool) -> Object:
        if path == REVIEWS:
            asked = body["spec"]["resourceAttributes"]
            resource = "/".join(part for part in (asked["resource"], asked.get("subresource", "")) if part)
            return {"status": {"allowed": (asked["verb"], resource) not in self.forbidden}}
        if path.endswith("/eviction"):
            asked = body["deleteOptions"]
            uid, grace = asked.get("preconditions", {}).get("uid"), asked.get("gracePeriodSeconds")
            return self.delete(path.removesuffix("/eviction"), uid, grace, dry_run=dry_run or "dryRun" in asked)
        full = f"{path}/{body['metadata']['name']}"
        if full in self.objects:
            raise Conflict(409, "AlreadyExists", f"{full} exists")
        if self.pod_security and path.endswith("/pods"):
            raise Forbidden(403, "Forbidden", self.pod_security)
        if dry_run:
            return body
        self.put(full, copy.deepcopy(body))
        self.on_write(full)
        return copy.deepcopy(self.objects[full])

    def patch(self, path: str, body: Any, content_type: str, dry_run: bool) -> Object:
        if path.endswith("/ephemeralcontainers"):
            assert content_type == STRATEGIC_PATCH
            return self._add_container(path.removesuffix("/ephemeralcontainers"), body, dry_run)
        found = self.objects.get(path)
        if found is None:
            raise NotFound(404, "NotFound", f"{path} not found")
        if content_type == JSON_PATCH:
            return self._json_patch(path, found, body, dry_run)
        assert content_type == MERGE_PATCH
        version = body.get("metadata", {}).get("resourceVersion")
        if version and version != found["metadata"]["resourceVersion"]:
            raise Conflict(409, "Conflict", "the object has been modified")
        self.put(path, _merge(found, body))
        self.on_write(path)
        return copy.deepcopy(self.objects[path])

    def _json_patch(self, path: str, found: Object, operations: list[Object], dry_run: bool) -> Object:
        try:
            made = _without_empty(patched(found, operations))
        except TestFailed as error:
            raise Invalid(422, "Invalid", f"the server rejected the test: {error}") from error
        if not dry_run:
            self.put(path, made)
            self.on_patch(path)
        return copy.deepcopy(made)

    def delete(
        self, path: str, uid: str | None, grace: int | None, version: str | None = None, dry_run: bool = False
    ) -> Object:
        found = self.objects.get(path)
        if found is None:
            raise NotFound(404, "NotFound", f"{path} not found")
        if uid and found["metadata"]["uid"] != uid:
            raise Conflict(409, "Conflict", "the uid differs")
        if version and found["metadata"]["resourceVersion"] != version:
            raise Conflict(409, "Conflict", "the version differs")
        if dry_run:
            return {}
        if found["metadata"].get("finalizers"):
            found["metadata"]["deletionTimestamp"] = "2026-07-01T12:00:00Z"
            self.on_write(path)
        elif grace:
            found["metadata"]["deletionTimestamp"] = "2026-07-01T12:00:00Z"
            self.later(grace, lambda: self._gone(path, found))
        else:
            self._gone(path, found)
        return {}

    def _list(self, path: str, params: Mapping[str, str]) -> Object:
        wanted = dict(part.split("=") for part in params.get("labelSelector", "").split(",") if part)
        items = [
            copy.deepcopy(item)
            for key, item in self.objects.items()
            if key.rsplit("/", 1)[0] == path and wanted.items() <= (item["metadata"].get("labels") or {}).items()
        ]
        return {"items": items}

    def _gone(self, path: str, found: Object) -> None:
        if self.objects.get(path) is not found:
            return
        del self.objects[path]
        if "/replicasets/" in path:
            for pod in [each for each in self.objects.values() if _owned_by(each, found)]:
                self._gone(paths.pods(pod["metadata"]["namespace"], pod["metadata"]["name"]), pod)
        if "/pods/" in path and self.replace_delay is not None:
            self.later(self.replace_delay, lambda: self._replace(found))

    def _replace(self, pod: Object) -> None:
        """What the ReplicaSet controller does."""
        reference = pod["metadata"]["ownerReferences"][0]
        ns = pod["metadata"]["namespace"]
        owner = self.objects.get(paths.path("apps/v1", "replicasets", ns, reference["name"]))
        if owner is None or len(self.pods(pod["metadata"]["labels"]["app"], ns)) >= owner["spec"]["replicas"]:
            return
        name = f"{reference['name']}-n{self._version}"
        fresh = self.pod(name, owner, pod["metadata"]["labels"], ready=False, ns=ns)
        self.later(1.0, lambda: self.make_ready(fresh))

    def _add_container(self, path: str, body: Object, dry_run: bool) -> Object:
        pod = self.objects.get(path)
        if pod is None:
            raise NotFound(404, "NotFound", f"{path} not found")
        if self.pod_security:
            raise Forbidden(403, "Forbidden", self.pod_security)
        if body["metadata"]["uid"] != pod["metadata"]["uid"]:
            raise Conflict(409, "Conflict", "the uid differs")
        there = pod["spec"].setdefault("ephemeralContainers", [])
        fresh = []
        for container in body["spec"]["ephemeralContainers"]:
            same = [item for item in there if item["name"] == container["name"]]
            if same and same[0] != container:
                raise Invalid(422, "Invalid", "existing ephemeral containers may not be changed")
            fresh += [] if same else [container]
        uid = pod["metadata"]["uid"]
        for number, container in enumerate([] if dry_run else fresh, start=1):
            there.append(copy.deepcopy(container))
            self.later(
                self.container_delay * number,
                lambda container=container: self._start_container(path, uid, container),
            )
        return {}

    def execute(self, path: str, container: str, command: Sequence[str]) -> Executed:
        """What a command says that is started in a container of a pod."""
        pod = self.objects.get(path)
        if pod is None:
            raise NotFound(404, "NotFound", f"{path} not found")
        assert container in {"app", *(item["name"] for item in pod["spec"].get("ephemeralContainers", ()))}
        assert command[0].endswith("/usr/local/bin/podfault")
        return Executed(self.netns[pod["metadata"]["uid"]].holders.tool(command[1:])[1])

    def _start_container(self, path: str, uid: str, container: Object) -> None:
        """What the kubelet does."""
        pod = self.objects.get(path)
        if pod is None or pod["metadata"]["uid"] != uid:
            return
        statuses = pod["status"].setdefault("ephemeralContainerStatuses", [])
        status: Object = {"name": container["name"], "state": {"running": {}}}
        statuses.append(status)
        netns, command = self.netns[uid], container["command"]
        if command[1] == "hold":
            until = netns.holders.hold(command[2:])
            if until is not None:
                left = until - self.clock.now().timestamp()
                self.later(left, lambda: status.update(state=self._ended(0, "{}")))
                return
            code, message = 3, "{}"
        elif command[0].endswith("podfault"):
            code, message, _ = netns.holders.tool(command[1:])
        else:
            with tempfile.TemporaryDirectory() as folder:
                log = Path(folder) / "termination-log"
                arguments = ["--termination-log", str(log), *command[2:]]
                tools = Tools(netns.nft, netns.tc, netns.tc, netns.holders.tool)
                code = netfault.main(arguments, netns.nft, lambda: self.clock.now().timestamp(), tools)
                message = log.read_text()
        spec = pod["spec"]
        # As the kubelet does: the containers of a pod share what their messages may be in all.
        share = 12 * 1024 // len([*spec["containers"], *spec["ephemeralContainers"]])
        status["state"] = self._ended(code, message[:share])

    def _ended(self, code: int, message: str) -> Object:
        return {"terminated": {"exitCode": code, "message": message, "finishedAt": self.clock.now().isoformat()}}

    def next_number(self) -> int:
        """A number that was not given before."""
        self._version += 1
        return self._version

    def make_ready(self, pod: Object) -> None:
        """Have a pod become ready."""
        pod["status"]["conditions"][0] = _ready(True)

    def later(self, seconds: float, action: Callable[[], Any]) -> None:
        async def wait() -> None:
            await self.clock.sleep(seconds)
            action()

        task = asyncio.ensure_future(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _merge(old: Any, new: Any) -> Any:
    if not isinstance(new, dict):
        return copy.deepcopy(new)
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _without_empty(body: Any) -> Any:
    """An API server does not store empty maps."""
    if isinstance(body, dict):
        return {key: _without_empty(value) for key, value in body.items() if value != {}}
    return [_without_empty(each) for each in body] if isinstance(body, list) else body


def _owned_by(each: Object, owner: Object) -> bool:
    references = each["metadata"].get("ownerReferences") or []
    return any(reference.get("uid") == owner["metadata"]["uid"] for reference in references)


def _ready(ready: bool) -> Object:
    return {"type": "Ready", "status": "True" if ready else "False"}
