"""Every fault that is a value or an object, at a real API server, with the rights that the chart gives and no others.

The API server fills in defaults, controllers act on what they see, and admission has its word: what is recorded, set
and put back must be right in spite of that. There are no nodes: what comes of a fault in pods is not looked at here.
"""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from firedrill.api.changes import Change, ChangeState, ObjectDeleted
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.data import StoreFault
from firedrill.api.faults.stress import STRESS_FAULTS
from firedrill.api.faults.traffic import TRAFFIC_FAULTS
from firedrill.api.faults.union import FAULTS, Fault
from firedrill.api.rollout import WorkloadKind
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.access import allowed
from firedrill.core.workload import Sight, sight_of
from firedrill.engines.chaos.faults.filters import FILTER_FAULTS
from firedrill.engines.chaos.views import PodView, parse_pod
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.faults.table import UNDO, fault_of
from firedrill.runner.ports import SystemClock
from firedrill.runner.record_store import RecordStore
from firedrill.runner.undoing import UndoContext
from support.certificates import self_signed
from support.encoded import encoded
from support.eventually import eventually
from support.identities import Clients, clients_of
from support.kube import Cluster, Object
from support.world import HUB_NAMESPACE, World

pytestmark = pytest.mark.integration

NODE = "practised-on"
PASSWORD = "Tr0ub4dor-correct-horse-0815"
RUN = "abc1234567"
CASES: list[Object] = [
    {"scale": {"replicas": 0}},
    {"imageBreak": {}},
    {"imageBreak": {"rollout": "Rolling"}},
    {"commandBreak": {}},
    {"crashLoop": {}},
    {"initContainer": {}},
    {"probeBreak": {"probe": "Readiness"}},
    {"probeBreak": {"probe": "Liveness"}},
    {"probeBreak": {"probe": "Startup"}},
    {"rolloutStuck": {}},
    {"limitsSqueeze": {"cpu": "10m", "memory": "8Mi"}},
    {"envDrift": {"name": "MODE", "value": "wrong"}},
    {"envDrift": {"name": "NEW", "value": "wrong"}},
    {"missingVolume": {}},
    {"missingConfig": {}},
    {"schedulingBlock": {"rule": "AntiAffinity"}},
    {"schedulingBlock": {"rule": "NodeSelector"}},
    {"schedulingBlock": {"rule": "NodeName"}},
    {"schedulingBlock": {"rule": "Requests"}},
    {"missingServiceAccount": {}},
    {"dnsBreak": {}},
    {"securityBreak": {}},
    {"portConflict": {"port": 8080}},
    {"podFailure": {}},
    {"configDrift": {"name": "shop", "key": "mode", "value": "wrong"}},
    {"configDrift": {"name": "shop", "key": "mode"}},
    {"simulationFlag": {"flag": {"service": "ledger", "name": "slow", "value": 9}}},
    {"wrongPort": {"service": "shop"}},
    {"wrongSelector": {"service": "shop"}},
    {"serviceDelete": {"service": "shop"}},
    {"configMapDelete": {"name": "shop"}},
    {"hpaSqueeze": {"name": "shop"}},
    {"networkDeny": {"direction": "Both"}},
    {"quotaExhausted": {}},
    {"limitRangeBlock": {}},
    {"pdbBlock": {}},
    {"webhookFailure": {}},
    {"webhookSlow": {"seconds": 10}},
    {"rbacRevoked": {"roleBinding": "shop"}},
    {"finalizerBlock": {}},
    {"secretDelete": {"name": "shop"}},
    {"secretRotate": {"name": "shop", "key": "password"}},
    {"certificateSecretExpired": {"name": "shop-tls"}},
    {"certificateSecretExpired": {"name": "shop-tls", "flaw": "WrongHost"}},
    {"extendedResourceLoss": {"resource": "firedrill.dev/gpu"}},
    {"nodeCordon": {}},
    {"nodeTaint": {}},
]
#: What a target could keep of a fault, by the place where it would be.
_KEPT = (
    ("apps/v1", "deployments"),
    ("apps/v1", "statefulsets"),
    ("apps/v1", "replicasets"),
    ("apps/v1", "controllerrevisions"),
    ("v1", "services"),
    ("v1", "configmaps"),
    ("v1", "secrets"),
    ("v1", "resourcequotas"),
    ("v1", "limitranges"),
    ("policy/v1", "poddisruptionbudgets"),
    ("networking.k8s.io/v1", "networkpolicies"),
    ("autoscaling/v2", "horizontalpodautoscalers"),
    ("rbac.authorization.k8s.io/v1", "rolebindings"),
)
_MOVES = {"resourceVersion", "managedFields", "generation", "uid", "creationTimestamp"}
#: A rollout and its reverse count on; nobody can turn that back.
_COUNTED = {"deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history", "revision"}


@dataclass
class Shop:
    """An application that is not run, with all that can be done to it."""

    cluster: Cluster
    namespace: str
    pods: list[PodView]

    def secrets_in(self, changes: Sequence[Change]) -> list[str]:
        """Values of the namespace's Secrets that changes tell, now or as they were made."""
        text = json.dumps([change.model_dump(mode="json") for change in changes])
        found = self.cluster.get(paths.path("v1", "secrets", self.namespace))["items"]
        values = {
            PASSWORD,
            *encoded({"password": PASSWORD}).values(),
            *(value for each in found for value in each.get("data", {}).values()),
        }
        return [value for value in values if value in text]

    def sights(self) -> dict[str, Sight]:
        """Its workloads, as somebody sees them who waits for rollouts."""
        seen = {}
        for kind in (WorkloadKind.DEPLOYMENT, WorkloadKind.STATEFUL_SET):
            body = self.cluster.get(paths.path("apps/v1", kind.plural, self.namespace, "shop"))
            seen[kind.value] = sight_of(kind, body, datetime.now(UTC))
        return seen

    def templates(self) -> dict[str, str]:
        """Hashes of the templates that are not known to hold a fault."""
        return {kind: sight.template for kind, sight in self.sights().items() if not sight.faulted}

    def dump(self) -> Object:
        """All of it, but for what counts on by itself."""
        found: Object = {}
        for api, plural in _KEPT:
            for item in self.cluster.get(paths.path(api, plural, self.namespace))["items"]:
                found[f"{plural}/{item['metadata']['name']}"] = _stable(item)
        hooks = self.cluster.get(paths.path("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations"))[
            "items"
        ]
        found["webhooks"] = sorted(hook["metadata"]["name"] for hook in hooks)
        body = self.cluster.get(paths.path("v1", "nodes", name=NODE))
        node = body["spec"]
        # A node that nobody runs is tainted by the control plane, sooner or later.
        taints = [each for each in node.get("taints", []) if "node.kubernetes.io" not in each["key"]]
        found["node"] = (node.get("unschedulable", False), taints)
        found["devices"] = [body["status"][part].get("firedrill.dev/gpu") for part in ("capacity", "allocatable")]
        for pod in self.cluster.get(paths.pods(self.namespace))["items"]:
            if pod["metadata"].get("finalizers"):
                found[f"finalizers of {pod['metadata']['name']}"] = pod["metadata"]["finalizers"]
        return found


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _stable(v) for k, v in value.items() if k not in _MOVES | _COUNTED and k != "status"}
    return [_stable(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def shop(world: World) -> Shop:
    """A Deployment and a StatefulSet with their pods, a Service, a ConfigMap, an autoscaler and a binding."""
    cluster, namespace = world.hub, world.namespace()
    cluster.namespace(namespace, {"firedrill.dev/experiments": "enabled"})
    for each in _objects(namespace):
        cluster.apply(each)
    device = {"status": {part: {"firedrill.dev/gpu": "2"} for part in ("capacity", "allocatable")}}
    cluster.merge(paths.path("v1", "nodes", name=NODE, subresource="status"), device)
    listed = eventually(lambda: _pods(cluster, namespace, 3), "the controllers have made three pods")
    # Of a namespace without nodes, pods wait; for the faults of nodes one is said to have them.
    return Shop(cluster, namespace, [parse_pod({**pod, "spec": {**pod["spec"], "nodeName": NODE}}) for pod in listed])


def _pods(cluster: Cluster, namespace: str, count: int) -> list[Object]:
    items: list[Object] = cluster.get(paths.pods(namespace))["items"]
    return items if len(items) == count else []


def _objects(namespace: str) -> list[Object]:
    labels = {"app": "shop"}
    meta = {"name": "shop", "namespace": namespace}
    container = {"name": "app", "image": "shop:1", "env": [{"name": "MODE", "value": "ok"}]}

    def workload(kind: str, replicas: int, **more: Any) -> Object:
        own = {**labels, "kind": kind.lower()}
        template = {"metadata": {"labels": own}, "spec": {"containers": [container]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": own}, "template": template, **more}
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec}

    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    rbac = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    return [
        workload("Deployment", 2),
        workload("StatefulSet", 1, serviceName="shop"),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mode": "ok"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded({"password": PASSWORD})},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {**meta, "name": "shop-tls"},
            "data": encoded(dict(zip(("tls.crt", "tls.key"), map(bytes.decode, self_signed("shop")), strict=True))),
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {**meta, "name": "flags"},
            "data": {"flags.json": '{"flags": []}'},
        },
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": meta,
            "spec": {"scaleTargetRef": scaled, "minReplicas": 2, "maxReplicas": 9},
        },
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "shop"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
        },
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": {"practised": "on"}}},
    ]


@pytest_asyncio.fixture
async def identity(world: World) -> AsyncIterator[Clients]:
    """Clients of service accounts that the chart has made."""
    async with clients_of(world) as made:
        yield made


def experiment(shop: Shop, fault: Object) -> tuple[Task, ChaosExperimentSpec]:
    """A spec, and the task of it."""
    raw = {
        "clusters": {"names": ["hub"]},
        "steadyState": {"http": {"url": "http://shop/"}},
        "target": {"namespace": shop.namespace, "matchLabels": {"app": "shop"}, "mode": "All"},
        "fault": fault,
    }
    task = {
        "kind": "ChaosExperiment",
        "namespace": "sre",
        "name": "shop",
        "uid": "u",
        "runId": RUN,
        "cluster": "hub",
        "runnerNamespace": HUB_NAMESPACE,
        "job": "cha-shop",
        "jobUid": "j",
        "startedAt": "2026-07-01T12:00:00Z",
        "deadline": "2036-07-01T12:10:00Z",
        "image": "firedrill/runner:1",
        "policy": {},
        "spec": raw,
    }
    return Task.model_validate(task), ChaosExperimentSpec.model_validate(raw)


def test_every_fault_is_tried() -> None:
    tried = {type(Fault.model_validate(case).chosen) for case in CASES}
    of_pods_and_kernels = {FAULTS["pod_kill"], FAULTS["pod_evict"], FAULTS["node_drain"], FAULTS["container_kill"]}
    of_pods_and_kernels |= {*FILTER_FAULTS, *TRAFFIC_FAULTS, *STRESS_FAULTS}
    of_other_engines = {FAULTS["chaos_toolkit"], FAULTS["chaos_mesh"], FAULTS["litmus"], FAULTS["aws_fis"]}
    # In test_surge_at_the_api.py and test_nodes_at_the_api.py.
    of_requests = {FAULTS["api_surge"], FAULTS["node_not_ready"]}
    of_data_stores = {fault for fault in FAULTS.values() if issubclass(fault, StoreFault)}
    assert tried | of_pods_and_kernels | of_other_engines | of_requests | of_data_stores == set(FAULTS.values())


@pytest.mark.parametrize("fault", CASES, ids=json.dumps)
async def test_a_fault_is_admitted_set_seen_and_undone(fault: Object, shop: Shop, identity: Clients) -> None:
    task, spec = experiment(shop, fault)
    clock = SystemClock()
    runner = await identity(f"firedrill-chaos-{spec.fault.family}")
    guardian = await identity("firedrill-guardian")
    store = RecordStore(runner, task, clock)
    context = RunContext(task, runner, store, clock, Identity("pod", "pod-uid", HUB_NAMESPACE, "elsewhere"), Stop())
    carried_out = fault_of(context, spec)
    before, templates = shop.dump(), shop.templates()
    assert len(templates) == 2

    assert await carried_out.precheck(shop.pods) is None
    planned = await carried_out.plan(shop.pods, clock.now())
    assert shop.dump() == before, "to look is not to change"
    assert shop.secrets_in(planned) == [], "what a record holds is for everybody to read"
    await context.vault.commit()
    now = clock.now()
    changes = [carried_out.schedule(change, now, task.deadline) for change in planned]
    for change in changes:
        for need in UNDO[type(change)].needs(change):
            assert await allowed(guardian, need), need
    applied = [await carried_out.apply(change) for change in changes]
    assert shop.dump() != before or "podFailure" in fault
    assert shop.templates().items() <= templates.items(), "no fault looks like a rollout"
    assert shop.secrets_in(applied) == []
    for change in applied:
        look = await carried_out.look(change)
        assert not look.reverted, "what the API server stores is what is recorded"
    if not any(isinstance(change, ObjectDeleted) for change in changes):
        again = [await carried_out.apply(change) for change in changes]
        assert [change.state for change in again] == [ChangeState.APPLIED] * len(again), "asked twice, it is there once"

    undoing = UndoContext(guardian, task, clock)
    undone = [await _undo(undoing, change) for change in applied]
    await undoing.vault.forget(change.kept_in.secret for change in undone if change.kept_in)
    assert shop.secrets_in(undone) == []
    vault = shop.cluster.get(paths.path("v1", "secrets", HUB_NAMESPACE, f"firedrill-vault-{spec.fault.family}"))
    assert not vault.get("data"), "what was kept is taken away"
    says = ("is gone", "none of our values", "is there again as it was")
    assert all(any(words in change.evidence for words in says) for change in undone)
    eventually(lambda: shop.dump() == before, "all is as it was", also=lambda: _difference(before, shop.dump()))
    assert shop.templates() == templates, "nor does its undoing"
    pods = shop.cluster.get(paths.pods(shop.namespace))["items"]
    assert not [pod for pod in pods if "firedrill.dev/run" in (pod["metadata"].get("annotations") or {})]


async def _undo(context: UndoContext, change: Change) -> Change:
    limit = context.clock.now().timestamp() + 240
    while change.state is not ChangeState.UNDONE:
        assert context.clock.now().timestamp() < limit, change.evidence
        change = (await UNDO[type(change)].undo(context, change)).change
        await context.clock.sleep(0.2)
    return change


def _difference(before: Object, after: Object) -> Object:
    return {key: after.get(key) for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
