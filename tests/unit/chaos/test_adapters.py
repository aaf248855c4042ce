"""What is created for another operator, and what its status says to us."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from firedrill.api.chaosexperiment import PodTarget
from firedrill.api.enginepolicy import LitmusPolicy
from firedrill.api.faults.union import Fault
from firedrill.api.verdict import Verdict
from firedrill.engines.chaos.adapters.litmus import LITMUS
from firedrill.engines.chaos.adapters.mesh import MESH
from firedrill.engines.chaos.adapters.table import adapter_of
from firedrill.engines.chaos.adapters.view import Setting
from firedrill.engines.chaos.faults.template import NotApplicable

Object = dict[str, Any]


def setting(**fields: Any) -> Setting:
    target = {"namespace": "payments", "matchLabels": {"app": "ledger"}, **fields}
    return Setting(
        "firedrill-run", PodTarget.model_validate(target), timedelta(seconds=30), LitmusPolicy(service_account="lit")
    )


def made(fault: Object, **fields: Any) -> Object:
    chosen = Fault.model_validate(fault).chosen
    return adapter_of(chosen).made(chosen, setting(**fields))["spec"]


def mesh(kind: str = "NetworkChaos", **spec: Any) -> Object:
    return {"chaosMesh": {"kind": kind, "spec": spec}}


OURS = {"labelSelectors": {"app": "ledger"}, "namespaces": ["payments"]}


@pytest.mark.parametrize(
    ("fault", "target", "expected"),
    [
        (mesh(action="delay"), {}, {"action": "delay", "selector": OURS, "mode": "one", "duration": "30s"}),
        (
            mesh(),
            {"mode": "Percent", "value": 40},
            {"selector": OURS, "mode": "fixed-percent", "value": "40", "duration": "30s"},
        ),
        (mesh(), {"mode": "Fixed", "value": 2}, {"selector": OURS, "mode": "fixed", "value": "2", "duration": "30s"}),
        (
            mesh(mode="all", selector={"podPhaseSelectors": ["Running"]}),
            {},
            {
                "mode": "all",
                "selector": {"podPhaseSelectors": ["Running"], "namespaces": ["payments"]},
                "duration": "30s",
            },
        ),
        (
            mesh(mode="all", selector={}, target={"mode": "all", "selector": {"labelSelectors": {"app": "db"}}}),
            {},
            {
                "mode": "all",
                "selector": {"namespaces": ["payments"]},
                "target": {"mode": "all", "selector": {"labelSelectors": {"app": "db"}, "namespaces": ["payments"]}},
                "duration": "30s",
            },
        ),
    ],
)
def test_an_object_of_chaos_mesh(fault: Object, target: Object, expected: Object) -> None:
    assert made(fault, **target) == expected


@pytest.mark.parametrize(
    "selector", [{"namespaces": ["payments", "kube-system"]}, {"pods": {"other": ["a"]}}], ids=["namespaces", "pods"]
)
@pytest.mark.parametrize("where", ["selector", "target"])
def test_a_selector_stays_in_the_target(selector: Object, where: str) -> None:
    spec = {"selector": selector} if where == "selector" else {"target": {"selector": selector}}
    with pytest.raises(NotApplicable, match="names namespace"):
        made(mesh(**spec))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (mesh(duration="1h"), "must not hold duration"),
        (mesh(remoteCluster="b"), "must not hold remoteCluster"),
        (mesh("JVMChaos", ruleData="RULE x"), "must not hold ruleData"),
        (mesh("StressChaos", stressngStressors="--exec"), "must not hold stressngStressors"),
        (mesh("AWSChaos"), "kind"),
        (mesh(a="x" * 70_000), "at most 65536"),
        ({"litmus": {"experiment": "e", "env": {"LIB_IMAGE": "mine"}}}, "must not hold LIB_IMAGE"),
        ({"litmus": {"experiment": "e", "env": {"CHAOS_INJECT_COMMAND": "rm"}}}, "must not hold CHAOS_INJECT_COMMAND"),
        ({"litmus": {"experiment": "E e"}}, "experiment"),
    ],
)
def test_what_a_resource_may_not_choose(fault: Object, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Fault.model_validate(fault)
    assert said in str(caught.value)


def told(desired: str, injected: bool | None, count: int, **body: Any) -> Object:
    """Status as Chaos Mesh writes it; ``injected`` is None where nothing was selected."""
    truth = {"Selected": injected is not None, "AllInjected": bool(injected), "AllRecovered": injected is False}
    record = {"phase": "Injected" if injected else "Not Injected", "injectedCount": count}
    experiment = {"desiredPhase": desired, "containerRecords": [record] if injected is not None else None}
    conditions = [{"type": name, "status": str(value)} for name, value in truth.items()]
    return {"status": {"conditions": conditions, "experiment": experiment}, **body}


KILL = {"kind": "PodChaos", "spec": {"action": "pod-kill"}}


@pytest.mark.parametrize(
    ("body", "injected", "recovered", "ended", "verdict"),
    [
        ({}, False, False, False, Verdict.INCONCLUSIVE),
        (told("Run", False, 0), False, False, False, Verdict.INCONCLUSIVE),
        (told("Run", True, 1), True, False, False, None),
        (told("Stop", True, 1), True, False, False, None),
        (told("Stop", False, 1), True, True, True, None),
        (told("Stop", False, 0), False, True, True, Verdict.INCONCLUSIVE),
        (told("Run", None, 0), False, False, False, Verdict.INCONCLUSIVE),
        (told("Stop", None, 0), False, True, True, Verdict.INCONCLUSIVE),
        (told("Run", True, 1, **KILL), True, True, False, None),
        (told("Run", False, 0, **KILL), False, False, False, Verdict.INCONCLUSIVE),
    ],
    ids=["new", "selected", "on", "stopping", "off", "never-on", "nobody", "nobody-stopped", "killed", "to-be-killed"],
)
def test_what_chaos_mesh_tells(
    body: Object, injected: bool, recovered: bool, ended: bool, verdict: Verdict | None
) -> None:
    view = MESH.read(body, None)
    assert (view.injected, view.recovered, view.ended, view.verdict) == (injected, recovered, ended, verdict)


def test_a_failure_of_chaos_mesh_is_told() -> None:
    body = told("Run", False, 0)
    body["status"]["experiment"]["containerRecords"][0]["events"] = [
        {"type": "Failed", "operation": "Apply", "message": "no daemon on the node"}
    ]
    assert "no daemon on the node" in MESH.read(body, None).message


def litmus(**env: str) -> Object:
    return {"litmus": {"experiment": "pod-delete", "env": env}}


@pytest.mark.parametrize(("env", "seconds"), [({}, "15"), ({"TOTAL_CHAOS_DURATION": "30"}, "30")])
def test_a_chaos_engine(env: dict[str, str], seconds: str) -> None:
    spec = made(litmus(**env, FORCE="true"))
    assert spec["appinfo"] == {"appns": "payments", "applabel": "app=ledger", "appkind": "deployment"}
    assert spec["chaosServiceAccount"] == "lit"
    (experiment,) = spec["experiments"]
    assert {each["name"]: each["value"] for each in experiment["spec"]["components"]["env"]} == {
        "FORCE": "true",
        "TOTAL_CHAOS_DURATION": seconds,
    }


@pytest.mark.parametrize("seconds", ["31", "1m", "-1"])
def test_litmus_ends_by_itself_in_time(seconds: str) -> None:
    with pytest.raises(NotApplicable, match="TOTAL_CHAOS_DURATION"):
        made(litmus(TOTAL_CHAOS_DURATION=seconds))


def result(word: str, state: str = "reverted", **said: Any) -> Object:
    history = {"targets": [{"name": "ledger-1", "chaosStatus": state}]}
    return {"status": {"experimentStatus": {"verdict": word, **said}, "history": history}}


@pytest.mark.parametrize(
    ("state", "left", "recovered", "verdict", "reason"),
    [
        ("", None, False, Verdict.INCONCLUSIVE, "LitmusNotEnded"),
        ("initialized", result("Awaited", "injected"), False, Verdict.INCONCLUSIVE, "LitmusNotEnded"),
        ("completed", result("Pass"), True, None, ""),
        ("completed", result("Fail", failureOutput={"failedStep": "probe a"}), True, Verdict.FAILED, "LitmusFail"),
        ("completed", result("Error"), True, Verdict.ERROR, "LitmusError"),
        ("stopped", result("Stopped"), True, Verdict.INCONCLUSIVE, "LitmusStopped"),
        ("stopped", result("Stopped", "injected"), False, Verdict.INCONCLUSIVE, "LitmusStopped"),
        ("stopped", None, True, Verdict.INCONCLUSIVE, "LitmusStopped"),
    ],
)
def test_what_litmus_tells(
    state: str, left: Object | None, recovered: bool, verdict: Verdict | None, reason: str
) -> None:
    view = LITMUS.read({"status": {"engineStatus": state}}, left)
    assert (view.recovered, view.verdict, view.reason) == (recovered, verdict, reason)


def test_without_a_policy_litmus_runs_as_nobody() -> None:
    chosen = Fault.model_validate(litmus()).chosen
    nobody = Setting("n", setting().target, timedelta(seconds=30))
    with pytest.raises(NotApplicable, match=r"policy\.litmus"):
        LITMUS.made(chosen, nobody)
