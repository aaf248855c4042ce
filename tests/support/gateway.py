"""A workload of a target without nodes: real controllers roll it out, and a test says that its pods are ready."""

import itertools
from datetime import UTC, datetime
from typing import Any

from firedrill.api.base import format_time
from firedrill.api.rollout import WorkloadKind
from firedrill.clusters import paths
from firedrill.core.workload import Sight, sight_of
from support.eventually import eventually
from support.kube import Cluster, HttpError, Object

_NODE = "rolled-out-on"


class Gateway:
    """A Deployment, StatefulSet or DaemonSet by the name gateway, of two pods or of one for its one node."""

    def __init__(self, cluster: Cluster, namespace: str, kind: str = "Deployment") -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.kind = WorkloadKind(kind)
        self.path = paths.path("apps/v1", self.kind.plural, namespace, "gateway")
        self._versions = itertools.count(2)
        cluster.namespace(namespace)
        if self.kind is WorkloadKind.DAEMON_SET:
            cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": _NODE, "labels": {_NODE: "yes"}}})

    @property
    def asked(self) -> Object:
        """As a spec names it."""
        return {"kind": self.kind.value, "namespace": self.namespace, "name": "gateway"}

    def create(self) -> "Gateway":
        """Create it, and let it be complete."""
        labels = {"app": "gateway"}
        pod: Object = {"containers": [{"name": "app", "image": "gateway:1"}]}
        if self.kind is WorkloadKind.DAEMON_SET:
            pod |= {"nodeSelector": {_NODE: "yes"}}
        spec: Object = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
        if self.kind is not WorkloadKind.DAEMON_SET:
            spec["replicas"] = 2
        if self.kind is WorkloadKind.STATEFUL_SET:
            spec["serviceName"] = "gateway"
        meta = {"name": "gateway", "namespace": self.namespace}
        self.cluster.create({"apiVersion": "apps/v1", "kind": self.kind.value, "metadata": meta, "spec": spec})
        return self.complete()

    def close(self) -> None:
        """Take it away, and its node."""
        self.cluster.delete(self.path)
        if self.kind is WorkloadKind.DAEMON_SET:
            self.cluster.delete(paths.path("v1", "nodes", name=_NODE))

    # -- what is done to it ----------------------------------------------------------------------------------------

    def change(self, **spec: Any) -> "Gateway":
        """Change its spec."""
        self.cluster.merge(self.path, {"spec": spec})
        return self

    def annotate(self, **annotations: str | None) -> "Gateway":
        """Set annotations of its template; None takes one away."""
        named = {key.replace("__", "/").replace("_", "."): value for key, value in annotations.items()}
        return self.change(template={"metadata": {"annotations": named}})

    def roll_out(self) -> "Gateway":
        """Begin to roll out another image."""
        image = f"gateway:{next(self._versions)}"
        return self.change(template={"spec": {"containers": [{"name": "app", "image": image}]}})

    def complete(self) -> "Gateway":
        """Play the kubelet until all pods are of the new template and available."""
        eventually(self._step, f"{self.kind} {self.namespace}/gateway is rolled out", also=lambda: self.sight())
        return self

    def sight(self) -> Sight:
        """As it is seen now."""
        return sight_of(self.kind, self.cluster.get(self.path), datetime.now(UTC))

    def _step(self) -> bool:
        for pod in self.cluster.items(paths.pods(self.namespace), "app=gateway"):
            conditions = pod["status"].get("conditions") or ()
            if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
                continue
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": format_time(datetime.now(UTC))[:19] + "Z"}
            where = paths.pods(self.namespace, pod["metadata"]["name"], "status")
            try:
                self.cluster.merge(where, {"status": {"phase": "Running", "conditions": [ready]}})
            except HttpError as error:
                if error.status not in (404, 409):
                    raise
        self._let_go()
        return self.sight().complete

    def _let_go(self) -> None:
        """Pods that are bound to a node stay until its kubelet says that they have ended."""
        for pod in self.cluster.items(paths.pods(self.namespace), "app=gateway"):
            if "deletionTimestamp" in pod["metadata"]:
                where = paths.pods(self.namespace, pod["metadata"]["name"])
                body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
                try:
                    self.cluster.request("DELETE", where, body)
                except HttpError as error:
                    if error.status not in (404, 409):
                        raise
