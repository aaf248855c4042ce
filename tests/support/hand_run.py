"""Starts a run as the operator would, without one, and follows it by what it leaves in its target."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from firedrill.api.kinds import CHAOS_EXPERIMENT
from firedrill.api.record import Record
from firedrill.api.resource import Target as TargetCluster
from firedrill.api.resource import parse_run_resource
from firedrill.api.run import RunSpec
from firedrill.api.targetcluster import TargetClusterSpec
from firedrill.api.task import Result
from firedrill.clusters import jobs, paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import NotFound
from firedrill.core import naming
from firedrill.core.actions import EnsureRun
from support.pod_process import sigkill

T = TypeVar("T")
Object = dict[str, Any]


async def eventually(look: Callable[[], Awaitable[T | None]], what: str, seconds: float = 90) -> T:
    """The first answer of ``look`` that is not None or False."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        found = await look()
        if found:
            return found
        assert asyncio.get_running_loop().time() < end, f"{what}: not within {seconds} s"
        await asyncio.sleep(0.2)


def unaltered(job: Object) -> Object:
    """A Job as the operator makes it."""
    return job


async def start(
    client: KubeClient,
    namespace: str,
    spec: Object,
    *,
    families: Sequence[str],
    image: str,
    alter: Callable[[Object], Object] = unaltered,
) -> "Run":
    """Create what the operator creates for a run of a ChaosExperiment; ``alter`` may change its Jobs."""
    name = f"e2e-{secrets.token_hex(3)}"
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
    policy = {"faultFamilies": list(families), "maxAffectedPercent": 100}
    target = TargetCluster(
        "finance", "t", {}, TargetClusterSpec.model_validate({"runnerNamespace": namespace, "policy": policy})
    )
    now = datetime.now(UTC)
    run_id = naming.run_id(uid, "spec")
    job = naming.job_name("ChaosExperiment", name, uid, run_id, "finance")
    ensure = EnsureRun("finance", job, run_id, now, now + resource.spec.timeout)
    plan = jobs.Plan(resource, target, ensure, image)
    created = await client.create(paths.jobs(namespace), alter(jobs.runner_job(plan)))
    await client.create(paths.jobs(namespace), alter(jobs.guardian_job(plan)))
    await client.create(paths.configmaps(namespace), jobs.task_configmap(plan, created["metadata"]["uid"]))
    return Run(client, namespace, job, run_id)


@dataclass
class Run:
    """One run, seen from outside."""

    client: KubeClient
    namespace: str
    job: str
    run_id: str

    async def _config_map(self, name: str, key: str) -> str | None:
        try:
            body = await self.client.get(paths.configmaps(self.namespace, name))
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
        await self.client.patch(paths.configmaps(self.namespace, name), patch)

    async def pod(self, job: str) -> Object:
        """The pod of one of the run's Jobs."""
        query = {"labelSelector": f"batch.kubernetes.io/job-name={job}"}
        found = await self.client.get(paths.pods(self.namespace), query)
        return found["items"][-1]

    async def delete_pod(self, job: str, grace_seconds: int | None = None) -> None:
        """Delete the pod of a Job; its process gets SIGTERM first."""
        pod = await self.pod(job)
        path = paths.pods(self.namespace, pod["metadata"]["name"])
        await self.client.delete(path, grace_seconds=grace_seconds)

    async def sigkill(self, job: str) -> None:
        """Kill the process of a Job without a warning."""
        sigkill((await self.pod(job))["metadata"]["uid"])

    async def job_ended(self, job: str, seconds: float = 90) -> str:
        """How a Job has ended: Complete or Failed."""

        async def look() -> str | None:
            body = await self.client.get(paths.jobs(self.namespace, job))
            ended = [item["type"] for item in body["status"].get("conditions") or () if item["status"] == "True"]
            return next((kind for kind in ended if kind in ("Complete", "Failed")), None)

        return await eventually(look, f"Job {job} has ended", seconds)
