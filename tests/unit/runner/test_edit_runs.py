"""Experiments whose fault is a wrong value or an object too many, from the first check to the result."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from chaos_lab import IMAGE_BREAK, PDB_BLOCK, SCALE, SERVICE_DELETE, WRONG_SELECTOR, Lab, spec, task

from firedrill.api.changes import ObjectEdited
from firedrill.api.record import RecordState
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Forbidden, Throttled

Object = dict[str, Any]
LEDGER = paths.deployments("payments", "ledger")
SERVICE = paths.path("v1", "services", "payments", "ledger")


def finding(lab: Lab, name: str) -> tuple[str, str]:
    assert lab.result is not None
    (found,) = [item for item in lab.result.findings if item.type == name]
    return found.status, found.reason


def ended(lab: Lab) -> tuple[Verdict, str]:
    assert lab.result is not None
    return lab.result.verdict, lab.result.reason


def timeline(lab: Lab) -> str:
    assert lab.result is not None
    return "; ".join(line["event"] for line in lab.result.report["timeline"])


async def interfered(lab: Lab, after: float, what: Callable[[], None]) -> None:
    """Somebody does something that many seconds after the start."""

    async def later() -> None:
        await lab.clock.sleep(after)
        what()

    async def both() -> None:
        await asyncio.gather(lab.both(lab.runner_process()), later())

    await lab.clock.run(both())


@pytest.mark.parametrize(
    ("fault", "effect"),
    [
        (SCALE, "0 ready pods, 2 before"),
        (IMAGE_BREAK, "2 pods of the changed template; 2 of 2 not ready"),
        (WRONG_SELECTOR, "the fault is in place: 1 changes"),
        (SERVICE_DELETE, "the fault is in place: 1 changes"),
    ],
)
async def test_an_outage_is_seen_undone_and_recovered_from(fault: Object, effect: str) -> None:
    lab = Lab(task(spec(fault)))
    await lab.play()
    assert ended(lab) == (Verdict.PASSED, "SteadyStateHeld"), lab.result and lab.result.message
    assert [finding(lab, name)[0] for name in ("Injected", "Recovered", "RecoveryVerified")] == ["True"] * 3
    assert effect in timeline(lab)
    assert lab.problems() == []
    record = lab.record()
    assert record is not None
    assert record.residues == []


async def test_a_fault_under_which_nothing_suffers_is_not_called_survived() -> None:
    """Nobody asks for an eviction, and a budget that forbids it is refused by dry run alone."""
    lab = Lab(task(spec(PDB_BLOCK)))
    await lab.play()
    assert ended(lab) == (Verdict.INCONCLUSIVE, "FaultNotObserved")
    assert lab.problems() == []


async def test_an_eviction_that_is_refused_proves_a_disruption_budget() -> None:
    lab = Lab(task(spec(PDB_BLOCK)))
    runner = lab.runner_process()

    def refuse(_verb: str, path: str) -> ClusterError | None:
        return Throttled(429, "TooManyRequests", "the disruption budget needs 2 pods") if "eviction" in path else None

    runner.fail = refuse
    await lab.play(runner)
    assert ended(lab) == (Verdict.PASSED, "SteadyStateHeld")
    assert "may not be evicted: the disruption budget needs 2 pods" in timeline(lab)


async def test_what_somebody_else_sets_during_the_fault_stays_and_is_told() -> None:
    lab = Lab(task(spec(IMAGE_BREAK)))

    def new_image() -> None:
        container = lab.world.objects[LEDGER]["spec"]["template"]["spec"]["containers"][0]
        container["image"] = "ledger:2"

    await interfered(lab, 10, new_image)
    assert ended(lab) == (Verdict.INCONCLUSIVE, "Reverted")
    assert finding(lab, "Injected") == ("False", "Reverted")
    spec_after = lab.world.objects[LEDGER]["spec"]
    assert spec_after["template"]["spec"]["containers"][0]["image"] == "ledger:2"
    assert spec_after["strategy"] == {"type": "RollingUpdate"}
    record = lab.record()
    assert record is not None
    assert record.state is RecordState.UNDONE
    assert record.residues == [
        "Deployment ledger: spec.template.spec.containers[name=app].image was set by somebody else meanwhile, and stays"
    ]


async def test_pods_are_left_to_the_strategy_of_their_deployment() -> None:
    """Somebody may have healed them meanwhile: deleting all of them at once would be an outage of our own."""
    lab = Lab(task(spec(IMAGE_BREAK)))
    await lab.play()
    deleted = [request for _, request in lab.world.requests if request.startswith("DELETE")]
    assert [request for request in deleted if "/pods/" in request] == []
    assert [request for request in deleted if "/replicasets/" in request], "the revision of the fault goes"
    assert lab.problems() == []


async def test_a_fault_that_an_autoscaler_takes_away_is_reverted() -> None:
    lab = Lab(task(spec(SCALE)))

    def scale_back() -> None:
        lab.world.objects[LEDGER]["spec"]["replicas"] = 2
        lab.world.on_patch(LEDGER)

    await interfered(lab, 9, scale_back)
    assert ended(lab) == (Verdict.INCONCLUSIVE, "Reverted")
    assert lab.problems() == []


@pytest.mark.parametrize("path", [LEDGER, SERVICE])
async def test_an_object_that_is_deleted_under_the_fault_is_gone_and_so_is_the_fault(path: str) -> None:
    lab = Lab(task(spec(IMAGE_BREAK if path == LEDGER else WRONG_SELECTOR)))
    kept = lab.world.objects[SERVICE]

    def delete() -> None:
        lab.world.remove(path)
        if path == SERVICE:
            lab.world.put(SERVICE, {**kept, "metadata": {}, "spec": {"selector": {"app": "ledger"}}})

    await interfered(lab, 9, delete)
    assert ended(lab) == (Verdict.INCONCLUSIVE, "Reverted")
    record = lab.record()
    assert record is not None
    assert record.state is RecordState.UNDONE


async def test_an_object_that_somebody_else_creates_again_stays_and_is_told() -> None:
    lab = Lab(task(spec(SERVICE_DELETE)))
    theirs = {"metadata": {"labels": {"by": "somebody"}}, "spec": {"selector": {"app": "ledger"}}}
    await interfered(lab, 12, lambda: lab.world.put(SERVICE, theirs))
    assert ended(lab) == (Verdict.INCONCLUSIVE, "Reverted")
    assert lab.world.objects[SERVICE]["metadata"]["labels"] == {"by": "somebody"}
    record = lab.record()
    assert record is not None
    assert record.residues == [
        "Service ledger is there again, but not as it was: somebody else has created or changed it"
    ]


async def test_an_eviction_that_a_budget_forbids_is_not_injected() -> None:
    lab = Lab(task(spec({"podEvict": {}})))
    runner = lab.runner_process()

    def refuse(_verb: str, path: str) -> ClusterError | None:
        return Throttled(429, "TooManyRequests", "it would violate the disruption budget") if "evict" in path else None

    runner.fail = refuse
    await lab.play(runner)
    assert ended(lab) == (Verdict.INCONCLUSIVE, "NotInjected")
    assert lab.problems() == []


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (SCALE, "Deployment payments/ledger changed at spec.replicas: 2 -> 0"),
        (SERVICE_DELETE, "Service payments/ledger deleted"),
        (PDB_BLOCK, "PodDisruptionBudget payments/firedrill-abc1234567 created"),
        ({"podKill": {}}, "pod payments/ledger-1-"),
        ({"packetLoss": {"port": 8080}}, "filtered for 10 s"),
    ],
    ids=str,
)
async def test_a_dry_run_tells_what_it_would_do_and_changes_nothing(fault: Object, says: str) -> None:
    lab = Lab(task(spec(fault, dryRun=True)))
    runner = lab.runner_process()
    await lab.clock.run(lab.runner(runner))
    assert ended(lab) == (Verdict.INCONCLUSIVE, "DryRun")
    assert lab.result is not None
    assert says in lab.result.message
    assert runner.writes == []
    assert len(lab.result.report["planned"]) == 1
    assert lab.problems() == []


REFUSED: list[tuple[Object, str, str]] = [
    ({"wrongSelector": {"service": "none"}}, "NoTargets", "Service none does not exist in namespace payments"),
    ({"configMapDelete": {"name": "none"}}, "NoTargets", "ConfigMap none does not exist in namespace payments"),
    ({"wrongPort": {"service": "ledger", "port": 9}}, "NotApplicable", "Service ledger: it has no port 9"),
    ({"scale": {"replicas": 2}}, "NotApplicable", "Deployment ledger: it is to have 2 pods already"),
    ({"imageBreak": {"container": "x"}}, "NotApplicable", "no container x in it: there is app"),
]


@pytest.mark.parametrize(("fault", "reason", "says"), REFUSED, ids=lambda value: str(value)[:24])
async def test_what_can_not_be_done_is_refused_before_anything_is_written(
    fault: Object, reason: str, says: str
) -> None:
    lab = Lab(task(spec(fault)))
    runner = lab.runner_process()
    await lab.clock.run(lab.runner(runner))
    assert ended(lab) == (Verdict.INCONCLUSIVE, reason)
    assert lab.result is not None
    assert says in lab.result.message
    assert runner.writes == []


@pytest.mark.parametrize("fault", [IMAGE_BREAK, WRONG_SELECTOR, PDB_BLOCK])
async def test_a_runner_without_the_right_finds_out_by_dry_run(fault: Object) -> None:
    lab = Lab(task(spec(fault)))
    runner = lab.runner_process()

    def forbid(verb: str, path: str) -> ClusterError | None:
        foreign = "/namespaces/payments/" in path and verb in ("PATCH", "POST")
        return Forbidden(403, "Forbidden", "may not") if foreign else None

    runner.fail = forbid
    await lab.clock.run(lab.runner(runner))
    assert ended(lab) == (Verdict.INCONCLUSIVE, "NotPermitted")
    assert runner.writes == []


async def test_a_guardian_without_the_right_to_undo_lets_nothing_begin() -> None:
    lab = Lab(task(spec(IMAGE_BREAK)))
    lab.world.forbidden.add(("delete", "replicasets"))
    await lab.play()
    assert ended(lab) == (Verdict.INCONCLUSIVE, "GuardianNotPermitted")
    assert lab.result is not None
    assert "may not delete replicasets.apps in payments" in lab.result.message
    assert lab.problems() == []


async def test_the_record_holds_what_the_server_stores_and_what_was_there() -> None:
    lab = Lab(task(spec(SCALE)))
    await lab.play()
    record = lab.record()
    assert record is not None
    (change,) = record.changes
    assert isinstance(change, ObjectEdited)
    assert [(edit.path, edit.original, edit.value) for edit in change.edits] == [(["spec", "replicas"], 2, 0)]
    assert change.ready_before == 2
