"""The operator is uninstalled while a fault is on: it is undone first, and nothing is left that nobody can delete."""

import json
from collections.abc import Iterator

import pytest
from demo import HUB, SAMPLES, Demo, DemoError
from e2e_residues import residues

pytestmark = pytest.mark.e2e

SAMPLE = SAMPLES / "chaos-packet-loss.yaml"
WHERE = ("-n", "reliability", "chaosexperiment/ledger-packet-loss")
HALT = ("-n", "firedrill-system", "configmap", "firedrill-halt")


@pytest.fixture
def installed(lab: Demo) -> Iterator[Demo]:
    """The operator is there again afterwards."""
    yield lab
    lab.install()


def uninstall(lab: Demo) -> None:
    """As a person would."""
    release = ("uninstall", "firedrill", "--namespace", "firedrill-system", "--wait", "--timeout", "6m")
    lab.run([lab.tool("helm"), "--kube-context", HUB, *release], capture=True)


def test_uninstalled_in_the_middle_of_a_fault(installed: Demo) -> None:
    lab = installed
    before = residues(lab, "finance", "payments")
    lab.kubectl(HUB, "delete", "--ignore-not-found", "--wait", "-f", str(SAMPLE))
    lab.kubectl(HUB, "apply", "-f", str(SAMPLE))
    lab.kubectl(HUB, "patch", *WHERE, "--type=merge", "-p", json.dumps({"spec": {"duration": "120s"}}))
    lab.kubectl(HUB, "wait", "--for=condition=Injected", "--timeout=180s", *WHERE)

    uninstall(lab)

    found = json.loads(lab.kubectl(HUB, "get", *WHERE, "-o", "json", capture=True))
    assert "finalizers" not in found["metadata"]
    conditions = {c["type"]: (c["status"], c["reason"]) for c in found["status"]["conditions"]}
    assert conditions["Complete"][0] == "True"
    assert found["status"]["verdict"] == "Inconclusive", found["status"]["message"]
    assert residues(lab, "finance", "payments") == before
    lab.kubectl(HUB, "delete", "--wait", "--timeout=30s", *WHERE)
    with pytest.raises(DemoError, match="NotFound"):
        lab.kubectl(HUB, "get", *HALT, capture=True)
