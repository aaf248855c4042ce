"""What the Deployment controller does with a Deployment that somebody has changed, as far as faults go.

A template that carries the mark of a run is broken: its pods never become ready.
"""

from typing import Any

from chaos_cluster import World

from firedrill.clusters import paths

Object = dict[str, Any]
_SYNC_SECONDS = 0.4
_START_SECONDS = 1.2


def follow(world: World, namespace: str = "payments") -> None:
    """Have every change of a Deployment of a namespace followed by a rollout."""
    prefix = paths.deployments(namespace) + "/"

    def changed(path: str) -> None:
        if path.startswith(prefix):
            body = world.objects[path]
            body["metadata"]["generation"] = body["metadata"].get("generation", 1) + 1
            body.setdefault("status", {}).setdefault("observedGeneration", 1)
            world.later(_SYNC_SECONDS, lambda: _sync(world, path, namespace))

        elif path.startswith(paths.pods(namespace) + "/"):
            world.later(_SYNC_SECONDS, lambda: _restart(world, path))

    world.on_patch = changed


def _restart(world: World, path: str) -> None:
    """What the kubelet does with a container whose image has changed: it ends it, and starts it if it has the image."""
    pod = world.objects.get(path)
    if pod is None:
        return
    (status,) = pod["status"]["containerStatuses"]
    if "invalid" in pod["spec"]["containers"][0]["image"]:
        if "terminated" not in status.get("state", {}):
            status["state"] = {"terminated": {"containerID": status["containerID"], "exitCode": 143}}
            pod["status"]["conditions"][0]["status"] = "False"
    elif "terminated" in status.get("state", {}):
        count = status["restartCount"] + 1
        status.update(state={}, lastState=status["state"], containerID=f"after-{count}", restartCount=count)
        world.later(_START_SECONDS, lambda: world.make_ready(pod))


def _sync(world: World, path: str, namespace: str) -> None:
    body = world.objects[path]
    body["status"]["observedGeneration"] = body["metadata"]["generation"]
    spec = body["spec"]
    annotations = spec["template"]["metadata"].get("annotations") or {}
    app = body["metadata"]["name"]
    name = f"{app}-{'broken' if annotations else '1'}"
    where = paths.path("apps/v1", "replicasets", namespace, name)
    owner = {"kind": "Deployment", "name": app, "uid": body["metadata"]["uid"], "controller": True}
    for each in [item for item in world.replica_sets(namespace) if item["metadata"]["name"] != name]:
        each["spec"]["replicas"] = 0
        _scale(world, each, namespace, annotations={})
    if where not in world.objects:
        meta = {"ownerReferences": [owner], "labels": {"app": app}}
        world.put(where, {"kind": "ReplicaSet", "metadata": meta, "spec": {"template": spec["template"]}})
    replica_set = world.objects[where]
    replica_set["spec"] = {**spec, "replicas": spec["replicas"]}
    _scale(world, replica_set, namespace, annotations)


def _scale(world: World, replica_set: Object, namespace: str, annotations: Object) -> None:
    name, wanted = replica_set["metadata"]["name"], replica_set["spec"]["replicas"]
    app = name.rpartition("-")[0]
    own = [
        pod
        for pod in world.pods(app, namespace)
        if pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]
    ]
    for pod in own[wanted:]:
        world.remove(paths.pods(namespace, pod["metadata"]["name"]))
    for number in range(len(own), wanted):
        fresh = world.pod(
            f"{name}-{number}-{world.next_number()}", replica_set, {"app": app}, ready=False, ns=namespace
        )
        fresh["metadata"]["annotations"] = dict(annotations)
        if not annotations:
            world.later(_START_SECONDS, lambda fresh=fresh: world.make_ready(fresh))
