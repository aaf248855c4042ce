"""Stand-ins of Chaos Mesh and Litmus at a real API server: what their controllers are documented to write.

Their CustomResourceDefinitions are ours, with the groups, versions and kinds of theirs and schemas that take anything.
That something is under fault is a ConfigMap in its namespace: a witness that is neither theirs nor Firedrill's.
"""

import threading
import time
from typing import Any

from firedrill.clusters import paths
from support.kube import Cluster, HttpError

Object = dict[str, Any]
MESH = ("chaos-mesh.org/v1alpha1", "networkchaos", "NetworkChaos")
ENGINE = ("litmuschaos.io/v1alpha1", "chaosengines", "ChaosEngine")
RESULT = ("litmuschaos.io/v1alpha1", "chaosresults", "ChaosResult")
FINALIZERS = {MESH[2]: "chaos-mesh/records", ENGINE[2]: "chaosengine.litmuschaos.io/finalizer"}
PAUSE = "experiment.chaos-mesh.org/pause"
WITNESS = "under-fault"


def definitions() -> list[Object]:
    """The definitions of their kinds."""
    return [_definition(*kind) for kind in (MESH, ENGINE, RESULT)]


def _definition(api: str, plural: str, kind: str) -> Object:
    group, version = api.split("/")
    open_object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": open_object, "status": open_object}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


class OtherOperators:
    """Both controllers in one thread, from ``start`` to ``stop``."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to act."""
        self._over.clear()
        self._thread = threading.Thread(target=self._run, name="other operators", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Act no more, as after a crash."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(30)

    def _run(self) -> None:
        while not self._over.wait(0.2):
            for kind, act in ((MESH, self._mesh), (ENGINE, self._litmus)):
                for body in self._cluster.items(paths.path(kind[0], kind[1])):
                    try:
                        act(body)
                    except HttpError as error:
                        if error.status not in (404, 409):
                            raise

    def _mesh(self, body: Object) -> None:
        metadata, status = body["metadata"], body.get("status")
        stop = "deletionTimestamp" in metadata or (metadata.get("annotations") or {}).get(PAUSE) == "true"
        if status is None:
            metadata["finalizers"] = [FINALIZERS[MESH[2]]]
            self._write(MESH, {**body, "status": _mesh_status("Run", injected=False, count=0)})
        elif stop and status["experiment"]["desiredPhase"] == "Run":
            self._witness(metadata["namespace"], there=False)
            count = status["experiment"]["containerRecords"][0]["injectedCount"]
            self._write(MESH, {**body, "status": _mesh_status("Stop", injected=False, count=count)})
        elif "deletionTimestamp" in metadata:
            metadata["finalizers"] = []
            self._write(MESH, body)
        elif status["experiment"]["desiredPhase"] == "Run" and not status["experiment"]["containerRecords"][0]["since"]:
            self._witness(metadata["namespace"], there=True)
            self._write(MESH, {**body, "status": _mesh_status("Run", injected=True, count=1)})

    def _litmus(self, body: Object) -> None:
        metadata, state = body["metadata"], (body.get("status") or {}).get("engineStatus")
        namespace = metadata["namespace"]
        stop = "deletionTimestamp" in metadata or body["spec"]["engineState"] == "stop"
        env = {each["name"]: each["value"] for each in body["spec"]["experiments"][0]["spec"]["components"]["env"]}
        if state is None:
            metadata["finalizers"] = [FINALIZERS[ENGINE[2]]]
            self._write(ENGINE, {**body, "status": {"engineStatus": "initialized", "since": time.time()}})
            self._witness(namespace, there=True)
            self._result(body, "Awaited", "injected")
        elif state == "initialized" and (
            stop or time.time() - body["status"]["since"] > float(env["TOTAL_CHAOS_DURATION"])
        ):
            self._witness(namespace, there=False)
            self._result(body, "Stopped" if stop else "Pass", "reverted")
            self._write(ENGINE, {**body, "status": {"engineStatus": "stopped" if stop else "completed"}})
        elif "deletionTimestamp" in metadata:
            metadata["finalizers"] = []
            self._write(ENGINE, body)

    def _write(self, kind: tuple[str, str, str], body: Object) -> None:
        metadata = body["metadata"]
        self._cluster.replace(paths.path(kind[0], kind[1], metadata["namespace"], metadata["name"]), body)

    def _result(self, engine: Object, verdict: str, state: str) -> None:
        name = f"{engine['metadata']['name']}-{engine['spec']['experiments'][0]['name']}"
        status = {
            "experimentStatus": {"phase": "Running" if verdict == "Awaited" else "Completed", "verdict": verdict},
            "history": {"targets": [{"name": "shop", "kind": "pod", "chaosStatus": state}]},
        }
        metadata = {"name": name, "namespace": engine["metadata"]["namespace"]}
        body = {"apiVersion": RESULT[0], "kind": RESULT[2], "metadata": metadata, "status": status}
        where = paths.path(RESULT[0], RESULT[1], metadata["namespace"])
        if self._cluster.find(f"{where}/{name}") is None:
            self._cluster.request("POST", where, body)
        else:
            self._cluster.merge(f"{where}/{name}", {"status": status})

    def _witness(self, namespace: str, *, there: bool) -> None:
        if there:
            metadata = {"name": WITNESS, "namespace": namespace}
            self._cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        else:
            self._cluster.delete(paths.configmaps(namespace, WITNESS))


def _mesh_status(desired: str, *, injected: bool, count: int) -> Object:
    truth = {"Selected": True, "AllInjected": injected, "AllRecovered": not injected, "Paused": desired == "Stop"}
    record = {
        "id": "shop",
        "phase": "Injected" if injected else "Not Injected",
        "injectedCount": count,
        "since": "now" if injected or desired == "Stop" else "",
    }
    return {
        "conditions": [{"type": name, "status": str(value)} for name, value in truth.items()],
        "experiment": {"desiredPhase": desired, "containerRecords": [record]},
    }
