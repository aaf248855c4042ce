"""Chaos Mesh and Litmus as they are documented to behave, at the level of their objects."""

from typing import Any

from chaos_cluster import World

Object = dict[str, Any]
MESH_FINALIZER = "chaos-mesh/records"
LITMUS_FINALIZER = "chaosengine.litmuschaos.io/finalizer"
PAUSE = "experiment.chaos-mesh.org/pause"
_SYNC = 0.4


def operate(world: World) -> None:
    """Have both follow what is written."""

    def written(path: str) -> None:
        if "/networkchaos/" in path:
            world.later(_SYNC, lambda: _mesh(world, path))
        elif "/chaosengines/" in path:
            world.later(_SYNC, lambda: _litmus(world, path))

    world.on_write = written


def _mesh(world: World, path: str) -> None:
    body = world.objects.get(path)
    if body is None:
        return
    metadata = body["metadata"]
    if "status" not in body:
        metadata["finalizers"] = [MESH_FINALIZER]
        # Nothing is injected yet, so all counts as recovered.
        _tell(body, injected=False, desired="Run", count=0)
        world.later(_SYNC, lambda: _inject(world, path))
    elif "deletionTimestamp" in metadata or (metadata.get("annotations") or {}).get(PAUSE) == "true":
        _recover(world, path)
    if "deletionTimestamp" in metadata:
        world.later(_SYNC, lambda: world.remove(path))


def _inject(world: World, path: str) -> None:
    body = world.objects.get(path)
    if body is None or body["status"]["experiment"]["desiredPhase"] == "Stop":
        return
    world.engine_faults.add(path)
    _tell(body, injected=True, desired="Run", count=1)
    world.later(float(body["spec"]["duration"].rstrip("s")), lambda: _recover(world, path))


def _recover(world: World, path: str) -> None:
    body = world.objects.get(path)
    world.engine_faults.discard(path)
    if body is not None:
        count = body["status"]["experiment"]["containerRecords"][0]["injectedCount"]
        _tell(body, injected=False, desired="Stop", count=count)


def _tell(body: Object, *, injected: bool, desired: str, count: int) -> None:
    phase = "Injected" if injected else "Not Injected"
    truth = {"Selected": True, "AllInjected": injected, "AllRecovered": not injected, "Paused": desired == "Stop"}
    body["status"] = {
        "conditions": [{"type": name, "status": str(value)} for name, value in truth.items()],
        "experiment": {
            "desiredPhase": desired,
            "containerRecords": [{"id": "payments/ledger-1-0", "phase": phase, "injectedCount": count}],
        },
    }


def _litmus(world: World, path: str) -> None:
    body = world.objects.get(path)
    if body is None:
        return
    metadata = body["metadata"]
    if "status" not in body:
        metadata["finalizers"] = [LITMUS_FINALIZER]
        body["status"] = {"engineStatus": "initialized"}
        world.later(_SYNC, lambda: _attack(world, path))
    elif body["spec"]["engineState"] == "stop" or "deletionTimestamp" in metadata:
        _end(world, path, "stopped", "Stopped")
    if "deletionTimestamp" in metadata:
        world.later(_SYNC, lambda: world.remove(path))


def _result(path: str, body: Object) -> str:
    name = f"{body['metadata']['name']}-{body['spec']['experiments'][0]['name']}"
    return f"{path.rsplit('/', 2)[0]}/chaosresults/{name}"


def _attack(world: World, path: str) -> None:
    body = world.objects.get(path)
    if body is None or body["status"]["engineStatus"] == "stopped":
        return
    world.engine_faults.add(path)
    target = {"name": "ledger-1-0", "kind": "pod", "chaosStatus": "injected"}
    status = {"experimentStatus": {"phase": "Running", "verdict": "Awaited"}, "history": {"targets": [target]}}
    world.put(_result(path, body), {"status": status})
    env = {each["name"]: each["value"] for each in body["spec"]["experiments"][0]["spec"]["components"]["env"]}
    world.later(float(env["TOTAL_CHAOS_DURATION"]), lambda: _end(world, path, "completed", "Pass"))


def _end(world: World, path: str, state: str, verdict: str) -> None:
    body = world.objects.get(path)
    world.engine_faults.discard(path)
    if body is None or body["status"]["engineStatus"] in ("completed", "stopped"):
        return
    body["status"]["engineStatus"] = state
    result = world.objects.get(_result(path, body))
    if result is not None:
        result["status"]["experimentStatus"] = {"phase": "Completed", "verdict": verdict}
        result["status"]["history"]["targets"][0]["chaosStatus"] = "reverted"
