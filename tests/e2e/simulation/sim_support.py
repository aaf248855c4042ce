"""A Simulation under test: applied, asked by PromQL, changed in place, and deleted."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from demo import HUB, NAMESPACE, Demo

from support.eventually import eventually

Object = dict[str, Any]

#: Metrics are read every few seconds and rates are over half a minute: what a flag does shows within this.
SHOWN_WITHIN = 180.0


class Built:
    """One Simulation on the hub, in one target."""

    def __init__(self, lab: Demo, name: str, target: str, **spec: Any) -> None:
        self.lab = lab
        self.name = name
        self.context = f"firedrill-{target}"
        self._body: Object = {
            "apiVersion": "firedrill.dev/v1alpha1",
            "kind": "Simulation",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "clusters": {"names": [target]},
                "seed": 42,
                "timeout": "10m",
                "telemetry": {"scrapeInterval": "5s"},
                **spec,
            },
        }

    # -- what a person does ----------------------------------------------------------------------------------------

    def apply(self, **spec: Any) -> Object:
        """Apply it with these fields of the spec, and wait until the run has ended; its status."""
        self._body["spec"].update(spec)
        self.lab.kubectl(HUB, "apply", "-f", "-", stdin=json.dumps(self._body))
        generation = self.read()["metadata"]["generation"]
        run = f"{{.status.lastRun.generation}}={generation}"
        self.lab.kubectl(HUB, "-n", NAMESPACE, "wait", f"--for=jsonpath={run}", "--timeout=60s", f"sim/{self.name}")
        self.lab.kubectl(HUB, "-n", NAMESPACE, "wait", "--for=condition=Complete", "--timeout=700s", f"sim/{self.name}")
        status: Object = self.read()["status"]
        return status

    @contextmanager
    def flagged(self, *flags: Object) -> Iterator[None]:
        """With these inner faults on. Nothing is restarted by them, and no run waits for what they break."""
        self._follow_flags(list(flags))
        try:
            yield
        finally:
            self._follow_flags([])

    def _follow_flags(self, flags: list[Object]) -> None:
        before = self.revisions()
        self.apply(flags=flags)
        assert self.revisions() == before, "a flag rolls nothing"

    def delete(self) -> None:
        """Delete it, and wait until it is gone."""
        self.lab.kubectl(
            HUB, "-n", NAMESPACE, "delete", "sim", self.name, "--ignore-not-found", "--wait", "--timeout=300s"
        )

    # -- what is seen ----------------------------------------------------------------------------------------------

    def read(self) -> Object:
        """The resource."""
        text = self.lab.kubectl(HUB, "-n", NAMESPACE, "get", "sim", self.name, "-o", "json", capture=True)
        found: Object = json.loads(text)
        return found

    def objects(self, *what: str) -> list[Object]:
        """Objects of the simulation's namespace."""
        text = self.lab.kubectl(self.context, "-n", self.name, "get", *what, "-o", "json", capture=True)
        items: list[Object] = json.loads(text)["items"]
        return items

    def value(self, expression: str) -> float | None:
        """The value of a PromQL expression with one series, by the simulation's own Prometheus."""
        path = f"/api/v1/namespaces/{self.name}/services/prometheus:9090/proxy/api/v1/query?query={quote(expression)}"
        found = json.loads(self.lab.kubectl(self.context, "get", "--raw", path, capture=True))["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def until(self, expression: str, holds: Callable[[float], bool], what: str) -> float:
        """Wait until a value is so."""
        seen: list[float | None] = [None]

        def look() -> bool:
            seen[0] = self.value(expression)
            return seen[0] is not None and holds(seen[0])

        eventually(look, f"{what}: {expression}", within=SHOWN_WITHIN, also=lambda: f"last value: {seen[0]}")
        return seen[0] or 0.0

    def revisions(self) -> dict[str, set[str]]:
        """Revisions of the pods of each part; an autoscaler makes more pods, but no other ones."""
        found: dict[str, set[str]] = {}
        for pod in self.objects("pods", "-l", "app.kubernetes.io/managed-by=simulation"):
            labels = pod["metadata"]["labels"]
            revision = labels.get("pod-template-hash") or labels["controller-revision-hash"]
            found.setdefault(labels["app"], set()).add(revision)
        return found


@contextmanager
def standing(built: Built) -> Iterator[Object]:
    """It is built, and goes whatever happens."""
    try:
        yield built.apply()
    finally:
        built.delete()


def traces(lab: Demo, target: str) -> Object:
    """All that a simulation could leave in a target beside what is in its own namespace, by kind and name."""
    context = f"firedrill-{target}"
    found: Object = {}
    for kind in ("namespaces", "clusterroles", "clusterrolebindings", "persistentvolumes"):
        items = json.loads(lab.kubectl(context, "get", kind, "-o", "json", capture=True))["items"]
        found[kind] = sorted(item["metadata"]["name"] for item in items)
    kinds = "deployments,jobs,configmaps,secrets,serviceaccounts,roles,rolebindings"
    text = lab.kubectl(context, "-n", "firedrill", "get", kinds, "-o", "json", capture=True)
    found["runner namespace"] = sorted(
        f"{item['kind']}/{item['metadata']['name']}" for item in json.loads(text)["items"]
    )
    nodes = json.loads(lab.kubectl(context, "get", "nodes", "-o", "json", capture=True))["items"]
    found["capacity"] = {node["metadata"]["name"]: sorted(node["status"]["capacity"]) for node in nodes}
    return found
