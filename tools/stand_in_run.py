"""A run without pods of its own: its Job, its guardian at work in this process, and all that a runner works with."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.about import Family
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import Conflict
from firedrill.core.naming import guardian_name, vault_name
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.guardian import Guardian, undo_table
from firedrill.runner.ports import SystemClock
from firedrill.runner.record_store import RecordStore

Object = dict[str, Any]
NAMESPACE = "firedrill"


class StandIn:
    """One experiment on a namespace, as its runner's pod would carry it out."""

    def __init__(self, client: KubeClient, namespace: str, fault: Object, **fields: Any) -> None:
        self._client = client
        self._job = f"cha-bench-{uuid.uuid4().hex[:12]}"
        raw = {
            "clusters": {"names": ["bench"]},
            "steadyState": {"http": {"url": "http://shop/"}},
            "target": {"namespace": namespace, "matchLabels": {"app": "shop"}, "mode": "All"},
            "fault": fault,
            "timeout": "60m",
            **fields,
        }
        self.spec = ChaosExperimentSpec.model_validate(raw)
        self._raw = raw
        self._guardian: asyncio.Task[None] | None = None
        self.context: RunContext

    @staticmethod
    async def prepare(client: KubeClient) -> None:
        """Firedrill's namespace, and its vaults."""
        objects: list[tuple[str, Object]] = [
            (paths.namespaces(), {"kind": "Namespace", "metadata": {"name": NAMESPACE}})
        ]
        vaults = paths.path("v1", "secrets", NAMESPACE)
        objects += [(vaults, {"kind": "Secret", "metadata": {"name": vault_name(each.value)}}) for each in Family]
        for path, body in objects:
            try:
                await client.create(path, {"apiVersion": "v1", **body})
            except Conflict:
                continue

    async def __aenter__(self) -> "StandIn":
        """Make Job and pods, and let the guardian begin."""
        client, clock = self._client, SystemClock()
        job = await client.create(paths.jobs(NAMESPACE), self._job_body())
        runner = await self._pod(f"{self._job}-r", self._job)
        guardian = await self._pod(f"{self._job}-g", guardian_name(self._job))
        now = datetime.now(UTC)
        task = Task.model_validate(
            {
                "kind": "ChaosExperiment",
                "namespace": "sre",
                "name": self._job,
                "uid": str(uuid.uuid4()),
                "runId": uuid.uuid4().hex[:10],
                "cluster": "bench",
                "runnerNamespace": NAMESPACE,
                "job": self._job,
                "jobUid": job["metadata"]["uid"],
                "startedAt": now.isoformat(),
                "deadline": (now + timedelta(minutes=60)).isoformat(),
                "image": "firedrill/runner:1",
                "policy": {"faultFamilies": [each.value for each in Family], "maxAffectedPercent": 100},
                "spec": self._raw,
            }
        )

        def context(uid: str) -> RunContext:
            store = RecordStore(client, task, clock)
            return RunContext(task, client, store, clock, Identity(uid, uid, NAMESPACE, "elsewhere"), Stop())

        self.context = context(runner)
        self._guardian = asyncio.create_task(Guardian(context(guardian), undo_table("ChaosExperiment")).run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """The guardian leaves by itself, once the record is settled."""
        assert self._guardian is not None  # made on entering
        await self._guardian
        await self._client.delete(paths.jobs(NAMESPACE, self._job))
        for pod in ("r", "g"):
            await self._client.delete(paths.pods(NAMESPACE, f"{self._job}-{pod}"), grace_seconds=0)

    async def record(self) -> Object:
        """What is left of the run."""
        return await self._client.get(paths.configmaps(NAMESPACE, f"{self._job}-record"))

    def _job_body(self) -> Object:
        containers = [{"name": "a", "image": "a"}]
        template = {"spec": {"restartPolicy": "Never", "containers": containers}}
        # Suspended: its pods are those that are made here.
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": self._job},
            "spec": {"suspend": True, "template": template},
        }

    async def _pod(self, name: str, job: str) -> str:
        labels = {"batch.kubernetes.io/job-name": job}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": {"containers": [{"name": "a", "image": "a"}]},
        }
        made = await self._client.create(paths.pods(NAMESPACE), body)
        status = {
            "phase": "Running",
            "containerStatuses": [
                {"name": "a", "image": "a", "imageID": "", "ready": True, "restartCount": 0, "state": {"running": {}}}
            ],
        }
        await self._client.patch(paths.pods(NAMESPACE, name, "status"), {"status": status})
        return str(made["metadata"]["uid"])
