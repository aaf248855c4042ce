"""What keeps a run from being begun at this moment, seen from the runner; and what it tells of guards left out."""

from typing import Any

import httpx
import pytest
from chaos_clock import T0
from chaos_lab import POD_KILL, Lab, spec, task
from chaos_process import Process

from firedrill.api.safety import ErrorBudget
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.runner.admission import left_of

TARGET = {"namespace": "payments", "matchLabels": {"app": "ledger"}}
PDB = paths.path("policy/v1", "poddisruptionbudgets", "payments", "ledger")
STATE = paths.configmaps("firedrill", "sim-bank-state")


def lab_with(raw: Any, **policy: Any) -> Lab:
    allowed = {"faultFamilies": ["workload", "network"], "maxAffectedPercent": 100, **policy}
    return Lab(task(raw, policy=allowed))


async def played(lab: Lab) -> tuple[str, str]:
    await lab.play()
    assert lab.result is not None
    assert lab.problems() == []
    return lab.result.reason, lab.result.message


def budget(lab: Lab, allowed: int) -> None:
    spec = {"selector": {"matchLabels": {"app": "ledger"}}}
    status = {"disruptionsAllowed": allowed, "observedGeneration": 1}
    lab.world.put(PDB, {"metadata": {"generation": 1}, "spec": spec, "status": status})
    lab.take_as_given()


async def test_a_blackout_window_keeps_it_from_being_begun() -> None:
    window = {"name": "month end", "from": f"{T0:%H:%M}", "to": "23:00"}
    lab = lab_with(spec(POD_KILL), blackoutWindows=[window])
    reason, message = await played(lab)
    assert reason == "BlackoutWindow"
    assert "month end" in message
    assert "next free time is" in message
    assert lab.record() is None


async def test_a_disruption_budget_keeps_it_from_being_begun() -> None:
    lab = lab_with(spec(POD_KILL))
    budget(lab, 0)
    reason, message = await played(lab)
    assert reason == "NotPermitted"
    assert "PodDisruptionBudget ledger" in message
    assert lab.record() is None


async def test_a_disruption_budget_that_allows_it_does_not() -> None:
    lab = lab_with(spec(POD_KILL))
    budget(lab, 1)
    reason, message = await played(lab)
    assert reason == "SteadyStateHeld", message


async def test_an_opt_out_must_be_admitted_by_the_policy() -> None:
    raw = spec(POD_KILL, target={**TARGET, "ignoreDisruptionBudgets": True})
    lab = lab_with(raw)
    budget(lab, 0)
    reason, message = await played(lab)
    assert reason == "NotPermitted"
    assert "opt-out DisruptionBudgets" in message


async def test_an_opt_out_that_is_admitted_is_told_in_the_result() -> None:
    raw = spec(POD_KILL, target={**TARGET, "ignoreDisruptionBudgets": True})
    lab = lab_with(raw, allowOptOuts=["DisruptionBudgets"])
    budget(lab, 0)
    reason, message = await played(lab)
    assert reason == "SteadyStateHeld", message
    assert lab.result is not None
    (told,) = [each for each in lab.result.findings if each.type == "SafetyOptOut"]
    assert "DisruptionBudgets" in told.message
    assert lab.result.report["safety"]["optOuts"] == ["DisruptionBudgets"]


@pytest.mark.parametrize(
    ("left", "reason"), [(0.5, "SteadyStateHeld"), (0.05, "ErrorBudgetSpent"), (None, "ErrorBudgetUnknown")]
)
async def test_the_error_budget_of_a_simulation(left: float | None, reason: str) -> None:
    lab = lab_with(spec(POD_KILL, safety={"errorBudget": {"simulation": {"name": "bank"}}}))
    slo = {"name": "latency", "objective": 0.99, **({} if left is None else {"budgetLeft": left})}
    metadata = {
        "labels": {"firedrill.dev/managed": "true", "firedrill.dev/role": "state"},
        "annotations": {"firedrill.dev/resource": "sre/bank"},
    }
    text = httpx.Response(200, json={"uid": "u", "slos": [slo]}).text
    lab.world.put(STATE, {"metadata": metadata, "data": {"state.json": text}})
    assert (await played(lab))[0] == reason
    assert lab.result is not None
    assert lab.result.verdict is (Verdict.PASSED if reason == "SteadyStateHeld" else Verdict.INCONCLUSIVE)


async def test_a_simulation_that_does_not_stand_there_has_no_budget() -> None:
    lab = lab_with(spec(POD_KILL, safety={"errorBudget": {"simulation": {"name": "bank"}}}))
    reason, message = await played(lab)
    assert reason == "ErrorBudgetUnknown"
    assert "no Simulation bank of namespace sre stands in finance" in message


def series(*values: str) -> dict[str, Any]:
    return {"status": "success", "data": {"result": [{"metric": {}, "value": [0, value]} for value in values]}}


@pytest.mark.parametrize(
    ("answer", "left", "words"),
    [
        (series("0.25"), 0.25, ""),
        (series(), None, "no value"),
        (series("NaN"), None, "no value"),
        ({"status": "error", "error": "parse error"}, None, "parse error"),
        (None, None, "Prometheus at http://prometheus"),
    ],
)
async def test_the_error_budget_of_prometheus(answer: Any, left: float | None, words: str) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if answer is None:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, json=answer)

    lab = lab_with(spec(POD_KILL))
    process = Process(lab.world, "runner")
    wanted = ErrorBudget.model_validate({"prometheus": {"url": "http://prometheus", "query": "left"}})
    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        found, problem = await left_of(process, process, lab.task, wanted, http)
    assert found == left
    assert words in problem


async def test_pods_are_chosen_by_the_zone_of_their_node() -> None:
    target = {"namespace": "payments", "nodeLabels": {"topology.kubernetes.io/zone": "a"}, "mode": "All"}
    lab = lab_with(spec(POD_KILL, target=target, dryRun=True))
    for name, zone in (("node-1", "b"), ("node-2", "a")):
        lab.world.put(
            paths.path("v1", "nodes", name=name), {"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}}
        )
    moved = lab.world.objects[paths.pods("payments", "ledger-1-1")]
    moved["spec"]["nodeName"] = "node-2"
    assert (await played(lab))[0] == "DryRun"
    assert lab.result is not None
    assert [each["pod"] for each in lab.result.report["targets"]["selected"]] == ["payments/ledger-1-1"]
