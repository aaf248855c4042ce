"""The samples and their failing twins, from kubectl apply to the verdict on the resource."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from demo import HUB, SAMPLES, Demo
from e2e_residues import residues
from e2e_support import applied, condition, settled_cluster

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Case:
    """A sample, and what must be written to it."""

    sample: str
    verdict: str
    reason: str
    target: str
    conditions: dict[str, str] = field(default_factory=dict)
    measured: tuple[str, ...] = ()


UNDONE = {"Injected": "True", "Recovered": "True", "RecoveryVerified": "True"}
FIXED = {
    "Proposed": "True",
    "SandboxVerified": "True",
    "Approved": "True",
    "Applied": "True",
    "Verified": "True",
    "RolledBack": "False",
}
CASES = (
    Case("driftcheck", "Passed", "NoDrift", "finance"),
    Case("driftcheck-drifted", "Failed", "DriftDetected", "finance"),
    Case("modelvalidation", "Passed", "WithinLimits", "healthcare"),
    Case("performancebenchmark", "Passed", "WithinLimits", "healthcare"),
    Case("modelvalidation-degraded", "Failed", "AccuracyBelowLimit", "healthcare"),
    Case("chaos-pod-kill", "Passed", "SteadyStateHeld", "finance", UNDONE, ("recoveryTime", "targetsHit")),
    Case("chaos-packet-loss", "Passed", "SteadyStateHeld", "finance", UNDONE, ("recoveryTime", "droppedPackets")),
    Case("chaos-packet-loss-strict", "Failed", "SteadyStateViolated", "finance", UNDONE, ("successRateDuring",)),
    Case("autofix", "Passed", "FixVerified", "iot", FIXED),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sample)
def test_a_sample_gets_its_verdict(lab: Demo, case: Case) -> None:
    """Verdict, reason and conditions are those that the sample's own comment promises; nothing is left behind."""
    changes = case.sample.startswith("chaos")
    before = residues(lab, case.target, "payments") if changes else {}
    with applied(lab, SAMPLES / f"{case.sample}.yaml") as resource:
        status: dict[str, Any] = resource["status"]
        cluster = status["clusters"][0]
        assert (status["verdict"], cluster["reason"]) == (case.verdict, case.reason), status["message"]
        assert [entry["name"] for entry in status["clusters"]] == [case.target]
        assert condition(resource, "Complete") == "True"
        assert condition(resource, "Passed") == {"Passed": "True", "Failed": "False"}[case.verdict]
        assert {name: condition(resource, name) for name in case.conditions} == case.conditions
        names = {item["name"] for item in cluster.get("measurements", [])}
        assert set(case.measured) <= names
        assert "finalizers" not in settled_cluster(lab, HUB, resource)["metadata"]
    if changes:
        assert residues(lab, case.target, "payments") == before


def test_a_manual_fix_waits_for_the_hash_of_its_proposal(lab: Demo) -> None:
    """Nothing is applied before the approval, and another hash is none."""
    broken = str(SAMPLES.parent / "workloads" / "iot-broken.yaml")
    lab.kubectl("firedrill-iot", "apply", "-f", broken)
    path = SAMPLES / "autofix-manual.yaml"
    with applied(lab, path, wait=False):
        lab.kubectl(HUB, "wait", "--for=jsonpath={.status.clusters[0].proposal}", "--timeout=180s", "-f", str(path))
        resource = lab.resource(path)
        proposal = resource["status"]["clusters"][0]["proposal"]
        image = (
            "-n",
            "devices",
            "get",
            "deployment",
            "telemetry-gateway",
            "-o",
            "jsonpath={.spec.template.spec.containers[0].image}",
        )
        waiting = lab.kubectl("firedrill-iot", *image, capture=True)
        lab.kubectl(HUB, "annotate", "-f", str(path), "firedrill.dev/approve=another")
        assert condition(lab.resource(path), "Complete") == "False"
        assert lab.kubectl("firedrill-iot", *image, capture=True) == waiting
        lab.kubectl(HUB, "annotate", "--overwrite", "-f", str(path), f"firedrill.dev/approve={proposal}")
        lab.kubectl(HUB, "wait", "--for=condition=Complete", "--timeout=240s", "-f", str(path))
        fixed = lab.resource(path)
        assert (fixed["status"]["verdict"], condition(fixed, "Applied")) == ("Passed", "True")
        assert lab.kubectl("firedrill-iot", *image, capture=True) != waiting


def test_deleting_an_experiment_undoes_its_fault_first(lab: Demo) -> None:
    """kubectl delete in the middle of a fault returns once the fault is seen undone, and leaves nothing."""
    path = SAMPLES / "chaos-packet-loss.yaml"
    before = residues(lab, "finance", "payments")
    with applied(lab, path, wait=False):
        lab.kubectl(HUB, "wait", "--for=condition=Injected", "--timeout=120s", "-f", str(path))
        assert residues(lab, "finance", "payments") != before, "the loss must be visible in the pod while it is on"
        lab.kubectl(HUB, "delete", "--wait", "--timeout=120s", "-f", str(path))
    assert residues(lab, "finance", "payments") == before


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_deleting_the_job_of_a_run_undoes_its_fault_and_the_run_ends(lab: Demo, cascade: str) -> None:
    """Whoever undoes it, the record is left for the operator to read; nobody has to say that the fault is gone."""
    path = SAMPLES / "chaos-packet-loss.yaml"
    before = residues(lab, "finance", "payments")
    with applied(lab, path, wait=False):
        lab.kubectl(HUB, "wait", "--for=condition=Injected", "--timeout=120s", "-f", str(path))
        uid = lab.resource(path)["metadata"]["uid"]
        runner = ("-n", "firedrill", "jobs", "-l", f"firedrill.dev/role=runner,firedrill.dev/uid={uid}")
        lab.kubectl("firedrill-finance", "delete", *runner, f"--cascade={cascade}", "--wait=false")
        lab.kubectl(HUB, "wait", "--for=condition=Complete", "--timeout=240s", "-f", str(path))
        found = lab.resource(path)
        assert found["status"]["verdict"] in ("Inconclusive", "Error"), found["status"]
        assert condition(found, "Injected") == "True", found["status"]
        assert condition(found, "RecoveryVerified") in ("True", "Unknown"), (
            "undone; whether a probe was left to ask is open"
        )
        assert residues(lab, "finance", "payments") == before
        lab.kubectl(HUB, "delete", "--wait", "--timeout=60s", "-f", str(path))
    assert residues(lab, "finance", "payments") == before
