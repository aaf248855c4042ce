"""Runs ChaosExperiments in a real cluster: creates what the operator would create, and reads what it would read."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from firedrill.clusters import jobs, paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import Conflict
from support.hand_run import Run, eventually, start

T = TypeVar("T")
Object = dict[str, Any]
CONTEXT = os.environ.get("FIREDRILL_E2E_CONTEXT", "firedrill-finance")
IMAGE = os.environ.get("FIREDRILL_E2E_IMAGE", "docker.io/firedrill/runner:dev")
ROOT = Path(__file__).parents[3]
ACCOUNTS = ("firedrill-chaos-workload", "firedrill-chaos-network", "firedrill-chaos-stress", "firedrill-guardian")
_PLURALS = {
    "Namespace": ("v1", "namespaces"),
    "Service": ("v1", "services"),
    "ServiceAccount": ("v1", "serviceaccounts"),
    "Deployment": ("apps/v1", "deployments"),
    "Role": ("rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings"),
    "PriorityClass": ("scheduling.k8s.io/v1", "priorityclasses"),
}

#: Run in a pod of the target: connects twenty times, each within half a second, and counts.
CONNECT = """
import socket, sys
good = 0
for _ in range(20):
    try:
        socket.create_connection((sys.argv[1], 8080), timeout=0.5).close()
        good += 1
    except OSError:
        pass
print(good)
"""


@dataclass
class Bench:
    """A runner namespace and a payment path of its own in a cluster."""

    client: KubeClient
    runner: str
    target: str
    _own_priority: bool = False

    async def apply(self, body: Object) -> bool:
        """Create an object unless it is there; whether it was created."""
        version, plural = _PLURALS[body["kind"]]
        namespace = body["metadata"].get("namespace")
        try:
            await self.client.create(paths.path(version, plural, namespace), body)
        except Conflict as error:
            if not error.already_exists:
                raise
            return False
        return True

    async def set_up(self) -> None:
        """Namespaces, accounts, rights and the payment path, all ready."""
        await self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.runner}})
        workload = (ROOT / "manifests/workloads/finance.yaml").read_text()
        workload = workload.replace("namespace: payments", f"namespace: {self.target}")
        workload = workload.replace("  name: payments\n", f"  name: {self.target}\n").replace(
            ".payments:", f".{self.target}:"
        )
        rights = (Path(__file__).parent / "rbac.yaml").read_text()
        rights = rights.replace("RUNNER", self.runner).replace("TARGET", self.target)
        for body in yaml.safe_load_all(workload):
            await self.apply(body)
        for name in ACCOUNTS:
            await self.apply(
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": self.runner}}
            )
        for body in yaml.safe_load_all(rights):
            await self.apply(body)
        self._own_priority = await self.apply(
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": jobs.GUARDIAN_PRIORITY},
                "value": 900000000,
            }
        )
        await self.ready()

    async def tear_down(self) -> None:
        """Everything goes."""
        for name in (self.target, self.runner):
            await self.client.delete(paths.namespaces(name))
        if self._own_priority:  # else it is the chart's
            await self.client.delete(paths.path("scheduling.k8s.io/v1", "priorityclasses", name=jobs.GUARDIAN_PRIORITY))
        await self.client.close()

    async def ready(self) -> None:
        """Wait until every Deployment is as it is meant to be."""

        async def look() -> bool:
            found = await self.client.get(paths.deployments(self.target))
            return all(
                item.get("status", {}).get("readyReplicas", 0) == item["spec"]["replicas"] for item in found["items"]
            )

        await eventually(look, "the payment path is ready", 180)

    async def pods(self, app: str) -> list[Object]:
        """Pods of a service that are not on their way out."""
        found = await self.client.get(paths.pods(self.target), {"labelSelector": f"app={app}"})
        return [pod for pod in found["items"] if "deletionTimestamp" not in pod["metadata"]]

    async def start(self, fault: Object, **fields: Any) -> Run:
        """Start a run of an experiment on the ledger, as the operator would."""
        spec = {
            "clusters": {"names": ["finance"]},
            "timeout": "4m",
            "duration": "8s",
            "recoveryTimeout": "45s",
            "steadyState": {
                "http": {"url": f"http://gateway.{self.target}:8080/pay", "timeout": "2s"},
                "window": "4s",
                **fields.pop("steadyState", {}),
            },
            "target": {"namespace": self.target, "matchLabels": {"app": "ledger"}, **fields.pop("target", {})},
            "fault": fault,
            **fields,
        }
        return await start(self.client, self.runner, spec, families=("workload", "network", "stress"), image=IMAGE)

    def connects(self, pod_ip: str) -> int:
        """How many of twenty connections from the gateway to a pod come about."""
        return self.asks(CONNECT, pod_ip)

    def asks(self, script: str, pod_ip: str) -> int:
        """The number that a Python script prints that the gateway runs with the address of a pod."""
        command = ["kubectl", "--context", CONTEXT, "-n", self.target, "exec", "deploy/gateway", "--"]
        done = subprocess.run(
            [*command, "python3", "-c", script, pod_ip], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)
