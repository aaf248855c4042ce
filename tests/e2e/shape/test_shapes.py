"""Several faults in an order, one again and again, one in stages, and one that is ended by its condition: real pods.

All run side by side, each on an application of its own; what is left of them is looked for independently.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from demo import HUB, NAMESPACE, Demo, DemoError
from e2e_residues import LookFailed, residues
from fault_app import manifest

pytestmark = pytest.mark.e2e

Object = dict[str, Any]
CONTEXT = "firedrill-finance"
LOSS: Object = {"packetLoss": {"percent": 80, "port": 8080}}
SELECTOR: Object = {"wrongSelector": {"service": "shop"}}


def target(name: str, **fields: Any) -> Object:
    """The application of a case."""
    return {"namespace": f"shape-{name}", "matchLabels": {"app": "shop"}, **fields}


def step(case: str, name: str, fault: Object, **fields: Any) -> Object:
    """A step on the application of a case."""
    return {"name": name, "target": target(case), "fault": fault, "duration": "8s", **fields}


CONNECTS: Object = {"host": "shop.shape-repeated", "port": 8080}
CASES: dict[str, Object] = {
    "sequence": {
        "steps": [
            step("sequence", "loss", LOSS),
            step("sequence", "selector", SELECTOR, after=["loss"], delay="2s"),
        ]
    },
    "parallel": {
        "steps": [
            step("parallel", "selector", SELECTOR),
            step("parallel", "drift", {"configDrift": {"name": "other", "key": "a", "value": "b"}}, duration="12s"),
        ]
    },
    "repeated": {
        "target": target("repeated"),
        "fault": {"podKill": {"gracePeriodSeconds": 0}},
        "duration": "3s",
        "repeat": {"times": 5, "pause": "2s", "confidence": 0.9, "maxMedianRecovery": "60s"},
        "probes": [
            {"name": "connects", "when": ["Before", "After"], "tcp": {"host": "shop.shape-repeated", "port": 8080}}
        ],
    },
    "ramp": {
        "target": target("ramp", mode="All"),
        "fault": LOSS,
        "duration": "12s",
        "ramp": {"stages": 2},
    },
    "aborted": {
        "steps": [
            step("aborted", "scale", {"scale": {"replicas": 0}}, duration="120s"),
            step("aborted", "loss", LOSS, after=["scale"]),
        ],
        "abort": [{"name": "outage", "maxFailureRate": 0.5, "window": "3s"}],
    },
    "compared": {
        "target": target("compared"),
        "fault": SELECTOR,
        "duration": "15s",
        "steadyState": {"window": "10s", "compare": {"successRate": {"maxDrop": 0.1}}},
    },
    "followed": {
        "target": target("followed", mode="All"),
        "fault": {"packetLoss": {"percent": 100, "port": 8080}},
        "duration": "60s",
    },
}
#: While its fault is on, somebody deletes the pods that it has hit.
DELETED_UNDER_FAULT = "followed"


@dataclass
class Seen:
    """What came of a case."""

    status: Object
    report: Object
    before: Object
    after: Object

    @property
    def measured(self) -> dict[str, Object]:
        """Measurements by their names."""
        return {item["name"]: item for item in self.status["clusters"][0].get("measurements", [])}

    @property
    def verdict(self) -> tuple[str, str]:
        """Verdict and reason."""
        return self.status["verdict"], self.status["clusters"][0]["reason"]

    def condition(self, name: str) -> str:
        """Status and reason of a condition."""
        found = [c for c in self.status["conditions"] if c["type"] == name]
        return f"{found[0]['status']} {found[0]['reason']}" if found else ""

    def at(self, event: str) -> list[str]:
        """The times of all events that begin so, in their order."""
        return [line["at"] for line in self.report["timeline"] if line["event"].startswith(event)]


@pytest.fixture(scope="module")
def seen(lab: Demo) -> dict[str, Seen]:
    """What came of every case."""
    with ThreadPoolExecutor(len(CASES)) as pool:
        return dict(zip(CASES, pool.map(lambda name: _run(lab, name), CASES), strict=True))


def _run(lab: Demo, name: str) -> Seen:
    namespace = f"shape-{name}"
    lab.kubectl(CONTEXT, "apply", "-f", "-", stdin=manifest(namespace, 2), capture=True)
    lab.kubectl(CONTEXT, "-n", namespace, "create", "configmap", "other", "--from-literal=a=a", capture=True)
    lab.kubectl(CONTEXT, "-n", namespace, "wait", "--for=create", "configmap/kube-root-ca.crt", "--timeout=60s")
    before = residues(lab, "finance", namespace)
    where = ("-n", NAMESPACE, f"chaosexperiment/{name}")
    try:
        lab.kubectl(HUB, "apply", "-f", "-", stdin=json.dumps(_experiment(name)), capture=True)
        if name == DELETED_UNDER_FAULT:
            lab.kubectl(HUB, "wait", "--for=condition=Injected", "--timeout=300s", *where, capture=True)
            lab.kubectl(CONTEXT, "-n", namespace, "delete", "pods", "-l", "app=shop", "--wait=false", capture=True)
        lab.kubectl(HUB, "wait", "--for=condition=Complete", "--timeout=540s", *where, capture=True)
        status = json.loads(lab.kubectl(HUB, "get", *where, "-o", "json", capture=True))["status"]
        return Seen(status, _report(lab, name), before, residues(lab, "finance", namespace))
    except (DemoError, LookFailed) as error:
        # The other cases go on; this one fails by what it says.
        return Seen({"verdict": str(error), "clusters": [{"reason": ""}], "conditions": []}, {}, before, {})
    finally:
        lab.kubectl(HUB, "-n", NAMESPACE, "delete", "chaosexperiment", name, "--ignore-not-found", capture=True)
        lab.kubectl(CONTEXT, "delete", "namespace", namespace, "--wait=false", capture=True)


def _experiment(name: str) -> Object:
    case = CASES[name]
    state = {"http": {"url": f"http://shop.shape-{name}:8080/", "timeout": "1s"}, "window": "5s"}
    spec = {
        "clusters": {"names": ["finance"]},
        "timeout": "12m",
        "recoveryTimeout": "90s",
        **case,
        "steadyState": {**state, **case.get("steadyState", {})},
    }
    return {
        "apiVersion": "firedrill.dev/v1alpha1",
        "kind": "ChaosExperiment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


def _report(lab: Demo, name: str) -> Object:
    listed = lab.kubectl(CONTEXT, "-n", "firedrill", "get", "configmaps", "-o", "json", capture=True)
    for item in json.loads(listed)["items"]:
        metadata = item["metadata"]
        of = (metadata.get("annotations") or {}).get("firedrill.dev/resource")
        if of == f"{NAMESPACE}/{name}" and metadata["labels"].get("firedrill.dev/role") == "result":
            return dict(json.loads(item["data"]["result.json"])["report"])
    return {}


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("sequence", ("Passed", "SteadyStateHeld")),
        ("parallel", ("Passed", "SteadyStateHeld")),
        ("repeated", ("Passed", "SteadyStateHeld")),
        ("ramp", ("Passed", "SteadyStateHeld")),
        ("aborted", ("Failed", "AbortConditionMet")),
        ("compared", ("Failed", "WorseThanBefore")),
        ("followed", ("Passed", "SteadyStateHeld")),
    ],
)
def test_verdict(name: str, verdict: tuple[str, str], seen: dict[str, Seen]) -> None:
    found = seen[name]
    assert found.verdict == verdict, found.status.get("message")
    assert found.condition("Injected") == "True FaultObserved"
    assert found.condition("Recovered") == "True SteadyStateHolds"
    assert found.condition("RecoveryVerified") == "True SeenUndone"


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_left_of_it(name: str, seen: dict[str, Seen]) -> None:
    assert seen[name].after == seen[name].before


def test_a_step_begins_when_the_one_before_was_seen_undone(seen: dict[str, Seen]) -> None:
    found = seen["sequence"]
    (undone,), (begun,) = found.at("step loss: undone"), found.at("step selector: the fault is in place")
    assert undone < begun
    assert [change["step"] for change in found.report["record"]["changes"]] == ["loss", "selector"]


def test_steps_side_by_side_end_each_at_its_own_time(seen: dict[str, Seen]) -> None:
    found = seen["parallel"]
    (undone,), (other,) = found.at("step selector: undone"), found.at("step drift: the fault is to end")
    assert undone < other
    assert len({change["appliedAt"][:16] for change in found.report["record"]["changes"]}) <= 2


def test_a_repeated_fault_tells_its_distribution(seen: dict[str, Seen]) -> None:
    found = seen["repeated"]
    assert len(found.report["repetitions"]["rows"]) == 5
    median = found.measured["recoveryTimeMedian"]
    assert median["passed"] is True
    assert "n = 5 of 5 repetitions; 93.8 % interval of the median" in median["detail"]
    assert found.measured["probe.connects.after"]["passed"] is True
    assert len({change["uid"] for change in found.report["record"]["changes"]}) == 5


def test_a_ramp_hits_one_pod_and_then_the_other(seen: dict[str, Seen]) -> None:
    found = seen["ramp"]
    (first,), (second,) = (found.at(f"step stage-{number}: the fault is in place: 1") for number in (1, 2))
    assert first < second
    assert len({change["uid"] for change in found.report["record"]["changes"]}) == 2


def test_nothing_is_injected_after_the_condition_was_met(seen: dict[str, Seen]) -> None:
    found = seen["aborted"]
    assert [change["step"] for change in found.report["record"]["changes"]] == ["scale"]
    assert found.measured["abort.outage"]["passed"] is False


def test_a_fault_follows_to_the_pods_that_come(seen: dict[str, Seen]) -> None:
    found = seen["followed"]
    assert found.at("the fault has followed to shop-"), found.report["timeline"]
    changes = found.report["record"]["changes"]
    assert len({change["uid"] for change in changes}) == 4, "two pods, and the two that came in their place"
    assert {change["step"] for change in changes if change["step"]} <= {"+1", "+2"}
    # No answer got through once the first pods were gone: the new ones were not left alone for long.
    assert found.measured["successRateDuring"]["value"] < 0.5
