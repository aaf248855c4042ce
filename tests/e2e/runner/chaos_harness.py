"""Runs ChaosExperiments in a real cluster: creates what the operator would create, and reads what it would read."""

import asyncio
import json
import os
import secrets
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml

from firedrill.api.kinds import CHAOS_EXPERIMENT
from firedrill.api.record import Record
from firedrill.api.resource import Target as TargetCluster
from firedrill.api.resource import parse_run_resource
from firedrill.api.run import RunSpec
from firedrill.api.targetcluster import TargetClusterSpec
from firedrill.api.task import Result
from firedrill.clusters import jobs, paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import Conflict, NotFound
from firedrill.core import naming
from firedrill.core.actions import EnsureRun
from support.pod_process import sigkill

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


async def eventually(look: Callable[[], Awaitable[T | None]], what: str, seconds: float = 90) -> T:
    """The first answer of ``look`` that is not None or False."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        found = await look()
        if found:
            return found
        assert asyncio.get_running_loop().time() < end, f"{what}: not within {seconds} s"
        await asyncio.sleep(0.2)


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

    async def start(self, fault: Object, **fields: Any) -> "Run":
        """Start a run of an experiment on the ledger, as the operator would."""
        name = f"e2e-{secrets.token_hex(3)}"
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
        uid = f"uid-{name}"
        body = {
            "metadata": {
                "namespace": "reliability",
                "name": name,
                "uid": uid,
                "generation": 1,
                "resourceVersion": "1",
                "creationTimestamp": "2026-07-01T12:00:00Z",
            },
            "spec": spec,
        }
        resource = parse_run_resource(CHAOS_EXPERIMENT, body)
        assert isinstance(resource.spec, RunSpec), resource.invalid
        policy = {"faultFamilies": ["workload", "network", "stress"], "maxAffectedPercent": 100}
        target = TargetCluster(
            "finance", "t", {}, TargetClusterSpec.model_validate({"runnerNamespace": self.runner, "policy": policy})
        )
        now = datetime.now(UTC)
        run_id = naming.run_id(uid, "spec")
        job = naming.job_name("ChaosExperiment", name, uid, run_id, "finance")
        ensure = EnsureRun("finance", job, run_id, now, now + resource.spec.timeout)
        plan = jobs.Plan(resource, target, ensure, IMAGE)
        created = await self.client.create(paths.jobs(self.runner), jobs.runner_job(plan))
        guardian = jobs.guardian_job(plan)
        await self.client.create(paths.jobs(self.runner), guardian)
        task = jobs.task_configmap(plan, created["metadata"]["uid"])
        await self.client.create(paths.configmaps(self.runner), task)
        return Run(self, job, run_id)

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


@dataclass
class Run:
    """One run, seen from outside."""

    bench: Bench
    job: str
    run_id: str

    async def _config_map(self, name: str, key: str) -> str | None:
        try:
            body = await self.bench.client.get(paths.configmaps(self.bench.runner, name))
        except NotFound:
            return None
        text: str | None = body["data"].get(key)
        return text

    async def record(self) -> Record | None:
        """The record as it is."""
        text = await self._config_map(naming.record_name(self.job), "record.json")
        return Record.model_validate_json(text) if text else None

    async def result(self, seconds: float = 150) -> Result:
        """The result, once there is one."""

        async def look() -> Result | None:
            text = await self._config_map(naming.result_name(self.job), "result.json")
            return Result.model_validate_json(text) if text else None

        return await eventually(look, f"a result of {self.job}", seconds)

    async def state(self, *states: str, seconds: float = 90) -> Record:
        """The record, once it is in one of the states."""

        async def look() -> Record | None:
            record = await self.record()
            return record if record and record.state in states else None

        return await eventually(look, f"the record is {states}", seconds)

    async def abort(self, reason: str) -> None:
        """Ask to stop, as the operator does."""
        name = naming.record_name(self.job)
        patch = {"data": {"control.json": json.dumps({"abort": reason})}}
        await self.bench.client.patch(paths.configmaps(self.bench.runner, name), patch)

    async def pod(self, job: str) -> Object:
        """The pod of one of the run's Jobs."""
        query = {"labelSelector": f"batch.kubernetes.io/job-name={job}"}
        found = await self.bench.client.get(paths.pods(self.bench.runner), query)
        return found["items"][-1]

    async def delete_pod(self, job: str, grace_seconds: int | None = None) -> None:
        """Delete the pod of a Job; its process gets SIGTERM first."""
        pod = await self.pod(job)
        path = paths.pods(self.bench.runner, pod["metadata"]["name"])
        await self.bench.client.delete(path, grace_seconds=grace_seconds)

    async def sigkill(self, job: str) -> None:
        """Kill the process of a Job without a warning."""
        sigkill((await self.pod(job))["metadata"]["uid"])

    async def job_ended(self, job: str, seconds: float = 90) -> str:
        """How a Job has ended: Complete or Failed."""

        async def look() -> str | None:
            body = await self.bench.client.get(paths.jobs(self.bench.runner, job))
            ended = [item["type"] for item in body["status"].get("conditions") or () if item["status"] == "True"]
            return next((kind for kind in ended if kind in ("Complete", "Failed")), None)

        return await eventually(look, f"Job {job} has ended", seconds)
