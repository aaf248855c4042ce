"""What is asked before a fault, and who undoes in the end, at a real API server with the rights of the chart."""

from datetime import timedelta
from typing import Any

import pytest
from test_faults_at_the_api import Identity, Shop, experiment, identity, shop

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.record import Record, RecordState
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.engines.chaos.permission import Refusal
from firedrill.runner.context import Identity as Pod
from firedrill.runner.context import RunContext, Stop
from firedrill.runner.faults.table import fault_of
from firedrill.runner.guardian import undo_table
from firedrill.runner.ports import SystemClock
from firedrill.runner.precheck import Targets, find_targets
from firedrill.runner.record_store import Claimed, RecordStore
from firedrill.runner.sweeping import Sweeper
from support.eventually import eventually
from support.kube import Object
from support.world import HUB_NAMESPACE, World

pytestmark = pytest.mark.integration

__all__ = ["identity", "shop"]

SCALE: Object = {"scale": {"replicas": 0}}
BY_LABELS = {"matchLabels": {"kind": "deployment"}, "mode": "All"}


def run_of(shop: Shop, target: Object, **policy: Any) -> tuple[Task, ChaosExperimentSpec]:
    task, _ = experiment(shop, SCALE)
    raw = {**task.spec, "target": {"namespace": shop.namespace, **target}}
    wider = {"faultFamilies": ["workload"], "maxAffectedPercent": 100, **policy}
    wire = {**task.model_dump(mode="json", by_alias=True, exclude_none=True), "policy": wider, "spec": raw}
    return Task.model_validate(wire), ChaosExperimentSpec.model_validate(raw)


async def looked(shop: Shop, identity: Identity, target: Object, **policy: Any) -> Targets | Refusal:
    task, spec = run_of(shop, target, **policy)
    client, clock = await identity("firedrill-chaos-workload"), SystemClock()
    fault = fault_of(RunContext(task, client, RecordStore(client, task), clock, Pod("p", "p", "n", "n"), Stop()), spec)
    return await find_targets(client, clock, task, spec, fault)


def running(shop: Shop) -> None:
    """Say of the pods that they run and are ready, as a kubelet would."""
    for pod in shop.pods:
        conditions = [{"type": "Ready", "status": "True"}]
        status = {"status": {"phase": "Running", "conditions": conditions}}
        shop.cluster.merge(paths.pods(shop.namespace, pod.name) + "/status", status)


async def test_a_disruption_budget_is_kept_to(shop: Shop, identity: Identity) -> None:
    running(shop)
    metadata = {"name": "keep", "namespace": shop.namespace}
    wanted = {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "shop"}}}
    assert isinstance(await looked(shop, identity, BY_LABELS), Targets)
    shop.cluster.create(
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": wanted}
    )
    refused = await looked(shop, identity, BY_LABELS)
    assert isinstance(refused, Refusal)
    assert refused.reason == "NotPermitted"
    assert "2 ready pods of PodDisruptionBudget keep would be taken down, and it allows 0" in refused.message
    opted_out = {**BY_LABELS, "ignoreDisruptionBudgets": True}
    refused = await looked(shop, identity, opted_out)
    assert isinstance(refused, Refusal)
    assert "policy.allowOptOuts" in refused.message
    assert isinstance(await looked(shop, identity, opted_out, allowOptOuts=["DisruptionBudgets"]), Targets)


@pytest.mark.parametrize(
    ("target", "kinds"),
    [
        (BY_LABELS, {"ReplicaSet"}),
        ({"matchExpressions": [{"key": "kind", "operator": "In", "values": ["deployment"]}]}, {"ReplicaSet"}),
        ({"matchExpressions": [{"key": "kind", "operator": "NotIn", "values": ["deployment"]}]}, {"StatefulSet"}),
        ({"matchExpressions": [{"key": "kind", "operator": "DoesNotExist"}]}, set()),
        ({"owner": {"kind": "Deployment", "name": "shop"}}, {"ReplicaSet"}),
        ({"owner": {"kind": "StatefulSet", "name": "shop"}}, {"StatefulSet"}),
        ({"names": ["shop-0"]}, {"StatefulSet"}),
        ({"matchLabels": {"app": "shop"}, "nodeLabels": {"nobody": "has"}}, set()),
    ],
)
async def test_pods_are_selected_as_the_api_server_reads_it(
    target: Object, kinds: set[str], shop: Shop, identity: Identity
) -> None:
    running(shop)
    found = await looked(shop, identity, target)
    if not kinds:
        assert isinstance(found, Refusal)
        assert found.reason == "NoTargets"
        return
    assert isinstance(found, Targets), found
    assert {pod.owner.kind for pod in found.selected if pod.owner} == kinds


async def test_the_sweeper_undoes_what_was_left_for_good(world: World, shop: Shop, identity: Identity) -> None:
    """A record, a fault that is on, and nobody: no runner, no guardian, no Job, no task."""
    task, spec = experiment(shop, SCALE)
    clock, runner = SystemClock(), await identity("firedrill-chaos-workload")
    store = RecordStore(runner, task, clock)
    fault = fault_of(RunContext(task, runner, store, clock, Pod("p", "p", "n", "n"), Stop()), spec)
    before = shop.dump()
    now = clock.now()
    deadline = now + timedelta(minutes=1)
    planned = [fault.schedule(change, now, deadline) for change in await fault.plan(shop.pods, now)]
    record = Record(
        uid=task.uid,
        run_id=task.run_id,
        cluster=task.cluster,
        kind=task.kind,
        claim="a-pod-that-is-gone",
        state=RecordState.APPLYING,
        deadline=deadline,
        changes=planned,
    )
    path = paths.configmaps(HUB_NAMESPACE, f"{task.job}-record")
    world.hub.delete(path)
    assert isinstance(await store.claim(record), Claimed)
    for change in planned:
        await fault.apply(change)
    assert shop.dump() != before
    guardian = await identity("firedrill-guardian")
    try:
        assert await Sweeper(guardian, clock, HUB_NAMESPACE, "firedrill/runner:1", undo_table).run() == []
        settled, _ = await store.read()
        assert settled is not None
        assert (settled.state, settled.undone_by) == (RecordState.UNDONE, "sweeper")
        assert "ownerReferences" not in world.hub.get(path)["metadata"], "it stays, though its Job is gone"
        eventually(lambda: shop.dump() == before, "all is as it was")
        assert await Sweeper(guardian, clock, HUB_NAMESPACE, "firedrill/runner:1", undo_table).run() == []
    finally:
        world.hub.delete(path)
