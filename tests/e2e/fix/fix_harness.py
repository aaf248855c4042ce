"""Runs AutoFix in a cluster: creates what the operator would create, and reads what it would read."""

import asyncio
import json
import os
import secrets
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from firedrill.api.kinds import AUTO_FIX
from firedrill.api.record import Record
from firedrill.api.resource import Target as TargetCluster
from firedrill.api.resource import parse_run_resource
from firedrill.api.targetcluster import TargetClusterSpec
from firedrill.api.task import Result
from firedrill.clusters import jobs, paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.clusters.errors import NotFound
from firedrill.core import naming
from firedrill.core.actions import EnsureRun
from support.pod_process import sigkill

CONTEXT = os.environ.get("FIREDRILL_E2E_CONTEXT", "firedrill-iot")
IMAGE = os.environ.get("FIREDRILL_E2E_IMAGE", "docker.io/firedrill/runner:dev")
RUNNER_NAMESPACE = "firedrill-fix-e2e"
BAD_IMAGE = "docker.io/firedrill/runner:no-such-tag"
SERVE = ["python3", "-m", "http.server", "8080", "--directory", "/proc/self/fdinfo"]

Object = dict[str, Any]


def kubectl(*arguments: str, given: str = "") -> str:
    """Run kubectl against the target."""
    done = subprocess.run(
        ["kubectl", "--context", CONTEXT, *arguments], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def wait_for(what: str, look: Callable[[], Awaitable[Any]], seconds: float = 90) -> Any:
    """What ``look`` gives once it gives something."""
    for _ in range(int(seconds * 4)):
        seen = await look()
        if seen:
            return seen
        await asyncio.sleep(0.25)
    raise AssertionError(f"{what}: not within {seconds} s")


def gateway(namespace: str, image: str = IMAGE, **container: Any) -> Object:
    """A Deployment of two replicas that admits the restricted standard."""
    body: Object = {
        "name": "gateway",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": SERVE,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **container,
    }
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [body],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "gateway", "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "gateway"}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": {"app": "gateway"}}, "spec": spec},
        },
    }


#: Ready in a sandbox, but never in the namespace of the Deployment: what no sandbox can foresee.
def only_elsewhere(namespace: str) -> Object:
    """Parts of a container that is ready in every namespace but one."""
    check = f"import os, sys; sys.exit(os.environ['HERE'] == {namespace!r})"
    return {
        "env": [{"name": "HERE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}],
        "readinessProbe": {"exec": {"command": ["python3", "-c", check]}, "periodSeconds": 1, "timeoutSeconds": 5},
    }


@dataclass
class Run:
    """One run in the target."""

    target: "Target"
    job: str
    run_id: str
    uid: str

    @property
    def sandbox(self) -> str:
        """Name of its sandbox."""
        return f"firedrill-sandbox-{self.run_id}"

    async def record(self) -> Record | None:
        """Its record, once there is one."""
        body = await self.target.maybe(paths.configmaps(RUNNER_NAMESPACE, naming.record_name(self.job)))
        raw = (body or {}).get("data", {}).get("record.json")
        return Record.model_validate_json(raw) if raw else None

    async def result(self, seconds: float = 180) -> Result:
        """Its result."""
        path = paths.configmaps(RUNNER_NAMESPACE, naming.result_name(self.job))
        body = await wait_for(f"result of {self.job}", lambda: self.target.maybe(path), seconds)
        return Result.model_validate_json(body["data"]["result.json"])

    async def settled(self, seconds: float = 90) -> Record:
        """Its record, once nothing is left to undo."""

        async def look() -> Record | None:
            record = await self.record()
            return record if record and record.state.settled else None

        found: Record = await wait_for(f"record of {self.job} to settle", look, seconds)
        return found

    async def control(self, **fields: str) -> None:
        """Say something as the operator does."""
        path = paths.configmaps(RUNNER_NAMESPACE, naming.record_name(self.job))
        await self.target.client.patch(path, {"data": {"control.json": json.dumps(fields)}})

    async def kill_runner(self) -> None:
        """Kill the runner's process without a warning; a pod deleted by force would still get SIGTERM, and undo."""
        query = {"labelSelector": f"batch.kubernetes.io/job-name={self.job}"}
        found = await self.target.client.get(paths.pods(RUNNER_NAMESPACE), query)
        sigkill(found["items"][-1]["metadata"]["uid"])

    async def sandbox_exists(self) -> bool:
        """Whether its sandbox is there."""
        return await self.target.maybe(paths.namespaces(self.sandbox)) is not None


@dataclass
class Target:
    """A namespace with a gateway in the cluster of the test."""

    client: KubeClient
    namespace: str
    runs: list[Run] = field(default_factory=list)

    async def maybe(self, path: str) -> Object | None:
        """An object, or None."""
        try:
            return await self.client.get(path)
        except NotFound:
            return None

    async def deployment(self) -> Object:
        """The gateway."""
        return await self.client.get(paths.deployments(self.namespace, "gateway"))

    async def deploy(self, image: str = IMAGE, *, ready: bool = True, **container: Any) -> None:
        """Create the gateway, or replace its template."""
        kubectl("apply", "-f", "-", given=json.dumps(gateway(self.namespace, image, **container)))
        if ready:
            kubectl("-n", self.namespace, "rollout", "status", "deployment/gateway", "--timeout=90s")

    async def break_it(self) -> None:
        """Roll out an image that can not be pulled."""
        kubectl("-n", self.namespace, "set", "image", "deployment/gateway", f"gateway={BAD_IMAGE}")

    async def start(self, **spec: Any) -> Run:
        """Start a run of AutoFix for the gateway."""
        uid, run_id = secrets.token_hex(18), secrets.token_hex(5)
        body: Object = {
            "metadata": {
                "namespace": "reliability", "name": "mend", "uid": uid, "resourceVersion": "1",
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {
                "clusters": {"names": ["e2e"]},
                "target": {"deployment": {"namespace": self.namespace, "name": "gateway"}},
                "approval": "auto",
                "sandboxTimeout": "40s",
                "verifyTimeout": "40s",
                "timeout": "6m",
                **spec,
            },
        }  # fmt: skip
        resource = parse_run_resource(AUTO_FIX, body)
        assert resource.spec is not None, resource.invalid
        cluster = TargetCluster("e2e", "tc-uid", {}, TargetClusterSpec(runner_namespace=RUNNER_NAMESPACE))
        job = naming.job_name("AutoFix", "mend", uid, run_id, "e2e")
        now = datetime.now(UTC)
        plan = jobs.Plan(resource, cluster, EnsureRun("e2e", job, run_id, now, now + timedelta(minutes=6)), IMAGE)
        created = await self.client.create(paths.jobs(RUNNER_NAMESPACE), jobs.runner_job(plan))
        job_uid = created["metadata"]["uid"]
        await self.client.create(paths.configmaps(RUNNER_NAMESPACE), jobs.task_configmap(plan, job_uid))
        await self.client.create(paths.jobs(RUNNER_NAMESPACE), jobs.guardian_job(plan))
        run = Run(self, job, run_id, uid)
        self.runs.append(run)
        return run

    async def close(self) -> None:
        """Delete what the test has created."""
        for run in self.runs:
            kubectl("-n", RUNNER_NAMESPACE, "delete", "job", run.job, "--ignore-not-found", "--wait=false")
        kubectl("delete", "namespace", self.namespace, "--wait=false")
        await self.client.close()


@contextmanager
def installed() -> Iterator[None]:
    """The accounts of runner and guardian, and what the chart would install beside them; gone afterwards."""
    rbac = (Path(__file__).parent / "rbac.yaml").read_text().replace("RUNNER_NAMESPACE", RUNNER_NAMESPACE)
    kubectl("apply", "-f", "-", given=rbac)
    priority = jobs.GUARDIAN_PRIORITY
    ours = f"/{priority}" not in kubectl("get", "priorityclass", "-o", "name")
    if ours:
        kubectl("create", "priorityclass", priority, "--value=900000000")
    try:
        yield
    finally:
        # Left in place, it would stand in the way of the chart, which has one of that name.
        if ours:
            kubectl("delete", "priorityclass", priority)
        kubectl("delete", "-f", "-", given=rbac)


async def open_target() -> Target:
    """A namespace of its own for one test."""
    namespace = f"fix-e2e-{secrets.token_hex(3)}"
    labels = {"firedrill.dev/experiments": "enabled", "pod-security.kubernetes.io/enforce": "restricted"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "gateway", "namespace": namespace},
        "spec": {"selector": {"app": "gateway"}, "ports": [{"port": 80, "targetPort": "http"}]},
    }
    client = KubeClient(await api_from_environment(CONTEXT), "e2e")
    await client.create(paths.namespaces(), {"metadata": {"name": namespace, "labels": labels}})
    await client.create(paths.path("v1", "services", namespace), service)
    return Target(client, namespace)
