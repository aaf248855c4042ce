"""Whole runs of several faults, runner and guardian, at a real API server with the chart's rights for them.

There are no nodes: pods are said to run, and the probe looks at what the API server says of the Service. What is
real is every write, who may do it, and what controllers and admission make of it.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from firedrill.api.base import format_time
from firedrill.api.changes import ChangeState
from firedrill.api.record import Record, RecordState
from firedrill.api.task import Result, Task
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.core.naming import guardian_name, record_name
from firedrill.runner import chaos
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.guardian import Guardian, undo_table
from firedrill.runner.ports import SystemClock
from firedrill.runner.record_store import RecordStore
from support.eventually import eventually
from support.identities import Clients, clients_of
from support.kube import Cluster, Object
from support.world import HUB_NAMESPACE, World

pytestmark = pytest.mark.integration

FAMILIES = ["workload", "config", "network", "node", "controlplane"]
SELECTOR: Object = {"wrongSelector": {"service": "shop"}}
DRIFT: Object = {"configDrift": {"name": "shop", "key": "mode", "value": "wrong"}}
QUOTA: Object = {"quotaExhausted": {}}
_LIMIT = {"memory": "16Mi", "cpu": "10m"}


@dataclass
class Shop:
    """An application whose pods are said to run."""

    cluster: Cluster
    namespace: str

    def dump(self) -> Object:
        """What the faults here could leave."""
        service = self.cluster.get(paths.path("v1", "services", self.namespace, "shop"))["spec"]
        return {
            "selector": service["selector"],
            "data": self.cluster.get(paths.configmaps(self.namespace, "shop"))["data"],
            "quotas": self.cluster.get(paths.path("v1", "resourcequotas", self.namespace))["items"],
        }

    def target(self) -> Object:
        """Its pods, as an experiment chooses them."""
        return {"namespace": self.namespace, "matchLabels": {"app": "shop"}, "mode": "All"}


@pytest.fixture
def shop(world: World) -> Shop:
    """Two pods, a Service, a ConfigMap."""
    cluster, namespace = world.hub, world.namespace()
    cluster.namespace(namespace, {"firedrill.dev/experiments": "enabled"})
    for name in ("shop-0", "shop-1"):
        _pod(cluster, namespace, name, {"app": "shop"})
    meta = {"name": "shop", "namespace": namespace}
    service = {"selector": {"app": "shop"}, "ports": [{"port": 80, "targetPort": 8080}]}
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service})
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mode": "ok"}})
    return Shop(cluster, namespace)


def _pod(cluster: Cluster, namespace: str, name: str, labels: Object) -> Object:
    container = {
        "name": "app",
        "image": "shop:1",
        "resources": {"requests": _LIMIT, "limits": _LIMIT},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "containers": [container],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    meta = {"name": name, "namespace": namespace, "labels": labels}
    made = cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    cluster.merge(f"{paths.pods(namespace, name)}/status", {"status": status})
    return made


@pytest_asyncio.fixture
async def connect(world: World) -> AsyncIterator[Clients]:
    """Clients of service accounts that the chart has made."""
    async with clients_of(world) as made:
        yield made


class Run:
    """One run: its Jobs and pods are there as objects, what they would do is done here."""

    def __init__(self, shop: Shop, connect: Clients, **spec: Any) -> None:
        self._shop = shop
        self._connect = connect
        self._job = f"cha-{uuid.uuid4().hex[:8]}"
        self._spec: Object = {
            "clusters": {"names": ["hub"]},
            "timeout": "10m",
            "recoveryTimeout": "20s",
            "steadyState": {"http": {"url": "http://shop/", "interval": "100ms"}, "window": "2s"},
            **spec,
        }

    async def play(self) -> tuple[Result, Record]:
        """The result, and the record as it is then."""
        cluster = self._shop.cluster
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "none:1"}]}}
        spec = {"suspend": True, "template": template}
        meta = {"name": self._job, "namespace": HUB_NAMESPACE}
        job = cluster.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec})
        names = {"runner": self._job, "guardian": guardian_name(self._job)}
        pods = {
            role: _pod(cluster, HUB_NAMESPACE, f"{name}-0", {"batch.kubernetes.io/job-name": name})
            for role, name in names.items()
        }
        task = self._task(job["metadata"]["uid"])
        family = "mixed" if len(self._families()) > 1 else self._families().pop()
        guardian = Guardian(await self._context(task, pods["guardian"], "guardian"), undo_table("ChaosExperiment"))
        guarding = asyncio.ensure_future(guardian.run())
        result = await chaos.run(await self._context(task, pods["runner"], f"chaos-{family}"), self._ask)
        await asyncio.wait_for(guarding, 60)
        assert result is not None
        stored = cluster.get(paths.configmaps(HUB_NAMESPACE, record_name(self._job)))
        for pod in pods.values():
            cluster.delete(paths.pods(HUB_NAMESPACE, pod["metadata"]["name"]))
        cluster.delete(paths.jobs(HUB_NAMESPACE, self._job))
        return result, Record.model_validate_json(stored["data"]["record.json"])

    def _families(self) -> set[str]:
        found = {next(iter(step["fault"])) for step in self._spec.get("steps", [])} or {next(iter(self._spec["fault"]))}
        return {"controlplane" if name == "quotaExhausted" else "config" for name in found}

    async def _ask(self) -> tuple[bool, str]:
        path = paths.path("v1", "services", self._shop.namespace, "shop")
        service = await asyncio.to_thread(self._shop.cluster.get, path)
        return service["spec"]["selector"] == {"app": "shop"}, ""

    async def _context(self, task: Task, pod: Object, account: str) -> RunContext:
        client, clock = await self._connect(f"firedrill-{account}"), SystemClock()
        metadata = pod["metadata"]
        identity = Identity(metadata["name"], metadata["uid"], HUB_NAMESPACE, "node")
        return RunContext(task, client, RecordStore(client, task, clock), clock, identity, Stop())

    def _task(self, job_uid: str) -> Task:
        now = datetime.now(UTC)
        return Task.model_validate(
            {
                "kind": "ChaosExperiment",
                "namespace": "sre",
                "name": "shop",
                "uid": self._job,
                "runId": uuid.uuid4().hex[:10],
                "cluster": "hub",
                "runnerNamespace": HUB_NAMESPACE,
                "job": self._job,
                "jobUid": job_uid,
                "startedAt": format_time(now),
                "deadline": format_time(now + timedelta(minutes=10)),
                "image": "firedrill/runner:1",
                "policy": {"faultFamilies": FAMILIES, "maxAffectedPercent": 100},
                "spec": self._spec,
            }
        )


def step(shop: Shop, name: str, fault: Object, **fields: Any) -> Object:
    """A step on the shop."""
    return {"name": name, "target": shop.target(), "fault": fault, "duration": "2s", **fields}


async def test_steps_of_two_families_side_by_side_and_in_a_row(shop: Shop, connect: Clients) -> None:
    before = shop.dump()
    steps = [
        step(shop, "selector", SELECTOR, duration="3s"),
        step(shop, "quota", QUOTA),
        step(shop, "drift", DRIFT, after=["selector", "quota"], delay="1s"),
    ]
    result, record = await Run(shop, connect, steps=steps).play()
    assert (result.verdict, result.reason) == (Verdict.PASSED, "SteadyStateHeld"), result.message
    assert [change.step for change in record.changes] == ["selector", "quota", "drift"]
    assert [change.state for change in record.changes] == [ChangeState.UNDONE] * 3
    assert (record.state, record.undone_by) == (RecordState.UNDONE, "runner")
    assert record.guardian is not None
    assert record.guardian.changes == 3
    eventually(lambda: shop.dump() == before, "all is as it was")


async def test_a_fault_that_is_repeated(shop: Shop, connect: Clients) -> None:
    before = shop.dump()
    single = {"target": shop.target(), "fault": SELECTOR, "duration": "1s", "repeat": {"times": 2, "pause": "1s"}}
    result, record = await Run(shop, connect, **single).play()
    assert (result.verdict, result.reason) == (Verdict.PASSED, "SteadyStateHeld"), result.message
    assert [change.step for change in record.changes] == ["", "2/fault"]
    assert record.undone_by == "runner"
    assert len(result.report["repetitions"]["rows"]) == 2
    assert shop.dump() == before


async def test_a_condition_that_is_met_leaves_nothing_and_begins_nothing_more(shop: Shop, connect: Clients) -> None:
    before = shop.dump()
    steps = [step(shop, "selector", SELECTOR, duration="120s"), step(shop, "drift", DRIFT, after=["selector"])]
    abort = [{"name": "outage", "maxFailureRate": 0.5, "window": "2s"}]
    result, record = await Run(shop, connect, steps=steps, abort=abort).play()
    assert (result.verdict, result.reason) == (Verdict.FAILED, "AbortConditionMet"), result.message
    assert [change.step for change in record.changes] == ["selector"]
    assert record.state is RecordState.UNDONE
    assert shop.dump() == before
