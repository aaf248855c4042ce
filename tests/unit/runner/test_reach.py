"""How far a fault reaches, and that two experiments do not lay their hands on the same thing."""

import json
from typing import Any

import pytest
from chaos_lab import IMAGE_BREAK, POD_KILL, SCALE, WRONG_SELECTOR, Lab, spec, task

from firedrill.api.changes import ObjectCreated, ObjectEdited, PodDeleted
from firedrill.api.record import RecordState
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.runner.overlap import touched

Object = dict[str, Any]
POLICY = {"faultFamilies": ["workload", "config", "node"], "maxAffectedPercent": 50}
ODD = {"matchLabels": {"name": "odd"}}
SCALED = {"namespace": "payments", "name": "ledger", "uid": "x", "type": "ObjectEdited", "api": "apps/v1"}


def crowded(fault: Object, **target: Any) -> Lab:
    """A ledger of four pods beside a gateway of two, under a policy of half of the pods."""
    raw = spec(fault, target={"namespace": "payments", "matchLabels": {"app": "ledger"}, **target})
    lab = Lab(task(raw, policy=POLICY))
    lab.world.service("gateway", 2)
    lab.world.put(paths.configmaps("payments", "c"), {"data": {}})
    owner = lab.world.objects[paths.path("apps/v1", "replicasets", "payments", "ledger-1")]
    for name in ("odd", "even"):
        lab.world.pod(f"ledger-1-{name}", owner, {"app": "ledger", "name": name})
    return lab


REACHES: list[tuple[str, Object, Object, str]] = [
    ("a workload, by one pod of it", SCALE, ODD, "4 of 4 pods would be hit"),
    ("a workload", IMAGE_BREAK, {"mode": "One"}, "4 of 4 pods would be hit"),
    ("a Service that others are behind", {"serviceDelete": {"service": "gateway"}}, ODD, "2 of 3 pods would be hit"),
    ("a Service", WRONG_SELECTOR, {}, "4 of 4 pods would be hit"),
    ("a ConfigMap that anybody may read", {"configMapDelete": {"name": "c"}}, ODD, "6 of 6 pods would be hit"),
    ("a node", {"nodeCordon": {}}, {}, "4 of 4 pods would be hit"),
]


@pytest.mark.parametrize(("fault", "target", "says"), [row[1:] for row in REACHES], ids=[row[0] for row in REACHES])
async def test_the_share_is_of_all_that_are_hit(fault: Object, target: Object, says: str) -> None:
    lab = crowded(fault, **target)
    runner = lab.runner_process()
    await lab.clock.run(lab.runner(runner))
    assert lab.result is not None
    assert (lab.result.reason, runner.writes) == ("NotPermitted", [])
    assert says in lab.result.message


async def test_a_fault_of_single_pods_hits_these_alone() -> None:
    lab = crowded(POD_KILL)
    await lab.play()
    assert lab.result is not None
    assert lab.result.verdict is Verdict.PASSED, lab.result.message


def theirs(lab: Lab, state: RecordState, created: str = "2026-01-01T00:00:00Z") -> None:
    """A record of another run, which scales the ledger."""
    record = {
        "uid": "other",
        "runId": "other",
        "cluster": "finance",
        "kind": "ChaosExperiment",
        "claim": "c",
        "state": state.value,
        "deadline": "2036-01-01T00:00:00Z",
        "changes": [{**SCALED, "plural": "deployments", "kind": "Deployment", "edits": []}],
    }
    metadata = {
        "labels": {"firedrill.dev/managed": "true", "firedrill.dev/role": "record"},
        "annotations": {"firedrill.dev/resource": "team/other"},
        "creationTimestamp": created,
    }
    body = {"metadata": metadata, "data": {"record.json": json.dumps(record)}}
    lab.world.put(paths.configmaps("firedrill", "cha-other-record"), body)


@pytest.mark.parametrize("fault", [SCALE, IMAGE_BREAK, POD_KILL], ids=str)
@pytest.mark.parametrize("state", [RecordState.PREPARED, RecordState.APPLIED])
async def test_what_another_experiment_is_at_work_on_is_left_alone(fault: Object, state: RecordState) -> None:
    lab = Lab(task(spec(fault)))
    theirs(lab, state)
    if state is RecordState.PREPARED:
        lab.world.created_at = "2026-06-01T00:00:00Z"
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "Busy")
    assert "team/other (run other) changes Deployment payments/ledger" in lab.result.message
    assert lab.problems() == []


@pytest.mark.parametrize(
    ("state", "created"),
    [(RecordState.UNDONE, "2026-01-01T00:00:00Z"), (RecordState.PREPARED, "2036-01-01T00:00:00Z")],
    ids=["one that is over", "one that came later"],
)
async def test_another_experiment_that_is_no_hindrance(state: RecordState, created: str) -> None:
    lab = Lab(task(spec(SCALE)))
    theirs(lab, state, created)
    await lab.play()
    assert lab.result is not None
    assert lab.result.verdict is Verdict.PASSED, lab.result.message


def test_what_changes_lay_their_hands_on() -> None:
    pod = {"owner_kind": "ReplicaSet", "owner_name": "ledger-1", "owner_uid": "r", "ready_before": 1}
    killed = PodDeleted(namespace="payments", name="a", uid="p", deployment="ledger", **pod)
    kind = {"namespace": "payments", "name": "ledger", "api": "v1", "plural": "services", "kind": "Service"}
    assert touched(killed) == {"uid p", "ReplicaSet payments/ledger-1", "Deployment payments/ledger"}
    assert touched(ObjectEdited(uid="s", edits=[], **kind)) == {"uid s", "Service payments/ledger"}
    assert touched(ObjectCreated(body={}, **kind)) == {"Service payments/ledger"}
