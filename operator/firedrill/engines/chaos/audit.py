"""What a result tells of the guards that a run has left out, and of who asked for it."""

from typing import Any

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.task import Task
from firedrill.api.verdict import ConditionStatus, Finding


def audit_findings(spec: ChaosExperimentSpec) -> list[Finding]:
    """One finding where guards were left out; none else."""
    if not spec.opt_outs:
        return []
    return [
        Finding(
            type="SafetyOptOut",
            status=ConditionStatus.TRUE,
            reason="PolicyAdmits",
            message=f"without the guard {', '.join(spec.opt_outs)} (policy.allowOptOuts)",
        )
    ]


def audit(task: Task, spec: ChaosExperimentSpec) -> dict[str, Any]:
    """The part of the report."""
    told: dict[str, Any] = {"optOuts": [str(each) for each in spec.opt_outs], "requestedBy": task.requested_by}
    if spec.safety.error_budget:
        told["errorBudget"] = spec.safety.error_budget.to_wire()
    return told
