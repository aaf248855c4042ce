"""A node that is cut off: where the cluster has one beside that of its API server it suffers, else it is refused."""

import pytest
from demo import Demo
from fault_runs import FAMILIES, Case, allow_everything, run_all

pytestmark = pytest.mark.e2e

CASE = Case("node-not-ready", {"nodeNotReady": {"acknowledgeWholeNode": True}}, duration="100s", survived=None)


def test_a_node_is_lost_and_comes_back_or_is_refused(lab: Demo) -> None:
    assert "node" in FAMILIES
    allow_everything(lab, "target.nodeNotReady=true")
    seen = run_all(lab, (CASE,))[CASE.name]
    if "runs the API server" in seen.status["message"]:
        assert (seen.status["verdict"], seen.condition("Injected")) == ("Inconclusive", "False NotApplicable")
    else:
        assert seen.status["verdict"] == "Passed", seen.status["message"]
        assert seen.condition("Injected") == "True FaultObserved"
        assert seen.condition("RecoveryVerified") == "True SeenUndone"
    assert seen.after == seen.before
