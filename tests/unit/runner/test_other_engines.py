"""Experiments of other engines in the simulated cluster: their word becomes ours."""

import asyncio
import json
from typing import Any

import pytest
from chaos_lab import CHAOS_MESH, CHAOS_TOOLKIT, LITMUS, Lab, spec, task
from chaos_toolkit import SCALED_TO_NONE, RunInWorld, scale

from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths

Object = dict[str, Any]


def reasons(result: Result | None) -> Object:
    assert result is not None
    return {found.type: f"{found.status} {found.reason}" for found in result.findings}


async def play(fault: Object, **fields: Any) -> tuple[Lab, Result]:
    lab = Lab(task(spec(fault, **fields)))
    await lab.play()
    assert lab.problems() == []
    assert lab.result is not None
    return lab, lab.result


async def test_chaos_mesh_tells_what_it_has_injected_and_recovered() -> None:
    lab, result = await play(CHAOS_MESH)
    assert (result.verdict, result.reason) == (Verdict.PASSED, "SteadyStateHeld"), result.message
    assert reasons(result) == {
        "Injected": "True FaultObserved",
        "Recovered": "True SteadyStateHolds",
        "RecoveryVerified": "True SeenUndone",
    }
    record = lab.record()
    assert record is not None
    assert "is gone; before that, Chaos Mesh tells AllInjected False, AllRecovered True" in record.changes[0].evidence
    assert result.report["engine"]["chaosMesh"]["experiment"]["containerRecords"]


async def test_litmus_gives_its_verdict_and_its_objects_go() -> None:
    lab, result = await play(LITMUS)
    assert (result.verdict, result.reason) == (Verdict.PASSED, "SteadyStateHeld"), result.message
    assert not [path for path in lab.world.objects if "litmuschaos.io" in path]
    assert result.report["engine"]["litmus"]["result"]["experimentStatus"]["verdict"] == "Pass"


async def test_litmus_that_has_not_ended_is_stopped() -> None:
    fault = {"litmus": {"experiment": "pod-network-loss", "env": {"TOTAL_CHAOS_DURATION": "10"}}}
    lab, result = await play(fault)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "LitmusNotEnded"), result.message
    record = lab.record()
    assert record is not None
    assert "Litmus tells stopped" in record.changes[0].evidence


async def test_chaos_toolkit_that_is_interrupted_is_no_verdict() -> None:
    lab, result = await play(CHAOS_TOOLKIT)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "Interrupted"), result.message
    record = lab.record()
    assert record is not None
    assert record.changes[0].evidence == "rollbacks succeeded: bring the ledger back"


async def test_chaos_toolkit_that_must_be_ended_by_force_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunInWorld, "interrupt", lambda _run: None)
    lab, result = await play(CHAOS_TOOLKIT)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "Interrupted"), result.message
    record = lab.record()
    assert record is not None
    assert (record.undone_by, record.changes[0].evidence) == (
        "runner",
        "rollbacks succeeded: bring the ledger back",
    )


async def test_chaos_toolkit_that_ends_by_itself_ends_the_hold() -> None:
    experiment = {**CHAOS_TOOLKIT["chaosToolkit"]["experiment"]}
    experiment["method"] = [{**scale("take the ledger away", 0), "pauses": {"after": 3}}]
    _, result = await play({"chaosToolkit": {"experiment": experiment}}, duration="60s")
    assert (result.verdict, result.reason) == (Verdict.PASSED, "SteadyStateHeld"), result.message
    assert {"method: take the ledger away", "rollback: bring the ledger back"} <= {m.name for m in result.measurements}
    assert any("it has ended by itself" in line["event"] for line in result.report["timeline"])
    assert "body" not in result.report["record"]["changes"][0], "what an experiment holds is not for the report"


@pytest.mark.parametrize(
    ("fault", "policy", "reason", "says"),
    [
        (CHAOS_TOOLKIT, {}, "NotPermitted", "allows no Chaos Toolkit: policy.chaosToolkit"),
        (CHAOS_TOOLKIT, {"chaosToolkit": {"modules": ["chaosk8s.pod.*"]}}, "NotPermitted", "method[0] calls"),
        (
            {"chaosToolkit": {"configMap": {"name": "nobody"}}},
            {"chaosToolkit": {}},
            "NotApplicable",
            "ConfigMap nobody in namespace firedrill does not exist",
        ),
        (LITMUS, {}, "NotApplicable", "names no service account"),
        (
            {"litmus": {"experiment": "e", "env": {"TOTAL_CHAOS_DURATION": "11"}}},
            {"litmus": {"serviceAccount": "l"}},
            "NotApplicable",
            "no more than the experiment's duration",
        ),
        (
            {"chaosMesh": {"kind": "PodChaos", "spec": {"selector": {"namespaces": ["kube-system"]}}}},
            {},
            "NotApplicable",
            "spec.selector names namespace kube-system",
        ),
        (
            {
                "chaosMesh": {
                    "kind": "NetworkChaos",
                    "spec": {"target": {"selector": {"pods": {"other": ["a"]}}}},
                }
            },
            {},
            "NotApplicable",
            "spec.target.selector names namespace other",
        ),
    ],
)
async def test_what_is_refused_leaves_no_trace(fault: Object, policy: Object, reason: str, says: str) -> None:
    families = {"faultFamilies": ["chaostoolkit", "chaosmesh", "litmus"], "maxAffectedPercent": 100}
    lab = Lab(task(spec(fault), policy={**families, **policy}))
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, reason), lab.result.message
    assert says in lab.result.message
    assert lab.record() is None


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (CHAOS_TOOLKIT, "'no ledger' of Chaos Toolkit run in payments: take the ledger away; rolled back by bring the"),
        (CHAOS_MESH, "NetworkChaos payments/firedrill-abc1234567 created"),
        (LITMUS, "ChaosEngine payments/firedrill-abc1234567 created"),
    ],
)
async def test_a_dry_run_tells_what_would_be_started(fault: Object, says: str) -> None:
    lab = Lab(task(spec(fault, dryRun=True)))
    await lab.play()
    assert lab.result is not None
    assert (lab.result.reason, lab.record()) == ("DryRun", None)
    assert says in lab.result.message


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("text", "labels", "reason", "says"),
    [
        ("title: t", {}, "NotPermitted", "has no label firedrill.dev/hub-namespace=sre"),
        ("title: t", {"firedrill.dev/hub-namespace": "other"}, "NotPermitted", "has no label"),
        (BOMB, {"firedrill.dev/hub-namespace": "sre"}, "NotApplicable", "holds YAML aliases"),
        ("- a", {"firedrill.dev/hub-namespace": "sre"}, "NotApplicable", "holds no experiment"),
        ("a: [", {"firedrill.dev/hub-namespace": "sre"}, "NotApplicable", "key experiment.json: while parsing"),
        (f"title: {'x' * 70_000}", {"firedrill.dev/hub-namespace": "sre"}, "NotApplicable", "at most 65536"),
        (json.dumps(SCALED_TO_NONE), {"firedrill.dev/hub-namespace": "sre"}, "DryRun", "take the ledger away"),
    ],
    ids=["unlabelled", "of another", "bomb", "list", "broken", "large", "right"],
)
async def test_an_experiment_of_a_config_map(text: str, labels: Object, reason: str, says: str) -> None:
    lab = Lab(task(spec({"chaosToolkit": {"configMap": {"name": "drill"}}}, dryRun=True)))
    body = {"metadata": {"labels": labels}, "data": {"experiment.json": text}}
    lab.world.put(paths.configmaps("firedrill", "drill"), body)
    await lab.play()
    assert lab.result is not None
    assert lab.result.reason == reason, lab.result.message
    assert says in lab.result.message


async def test_what_cannot_be_told_counts_as_all_pods() -> None:
    lab = Lab(task(spec(CHAOS_MESH), policy={"faultFamilies": ["chaosmesh"], "maxAffectedPercent": 50}))
    await lab.play()
    assert lab.result is not None
    assert lab.result.reason == "NotPermitted"
    assert "2 of 2 pods would be hit" in lab.result.message


@pytest.mark.parametrize("fault", [CHAOS_MESH, LITMUS, CHAOS_TOOLKIT], ids=["mesh", "litmus", "toolkit"])
async def test_an_abort_ends_it(fault: Object) -> None:
    lab = Lab(task(spec(fault, duration="60s")))

    async def play_both() -> None:
        await asyncio.gather(lab.both(lab.runner_process()), lab.operator_aborts(9.0, "Halted: by hand"))

    await lab.clock.run(play_both())
    assert lab.problems() == []
    assert lab.result is not None
    assert lab.result.reason == "Halted", lab.result.message
