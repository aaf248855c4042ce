"""Builders of what a step looks at: resources, targets, and what is seen of runs in them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from firedrill.api.changes import ChangeState, PodDeleted
from firedrill.api.kinds import (
    CHAOS_EXPERIMENT,
    DATA_PIPELINE_TEST,
    DRIFT_CHECK,
    PERFORMANCE_BENCHMARK,
    SIMULATION,
    RunKind,
)
from firedrill.api.meta import FINALIZER
from firedrill.api.record import Control, Record, RecordState
from firedrill.api.resource import RunResource, Target, parse_run_resource
from firedrill.api.run import RunStatus
from firedrill.api.targetcluster import TargetClusterSpec
from firedrill.api.task import Result
from firedrill.api.verdict import Measurement, Verdict
from firedrill.core import naming
from firedrill.core.actions import Decision, WriteStatus
from firedrill.core.observed import JobPhase, JobView, Observed, RecordView, RunObjects, TargetView
from support import builders

Object = dict[str, Any]

T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
UID = "7c1e4b1e-0000-4000-8000-000000000001"


def after(seconds: float) -> datetime:
    """So many seconds after the beginning."""
    return T0 + timedelta(seconds=seconds)


def resource(
    kind: RunKind = CHAOS_EXPERIMENT,
    status: RunStatus | None = None,
    *,
    annotations: Mapping[str, str] | None = None,
    finalizer: bool = False,
    deleting: bool = False,
    generation: int = 1,
    namespace: str = "team",
    uid: str = UID,
    targets: tuple[str, ...] = ("finance",),
    **spec: Any,
) -> RunResource:
    """A resource as the API server would give it; None takes a field of the spec away."""
    of_kind = {
        DATA_PIPELINE_TEST: builders.pipeline_test,
        DRIFT_CHECK: builders.drift,
        PERFORMANCE_BENCHMARK: builders.benchmark,
        SIMULATION: builders.simulation,
    }
    made = of_kind.get(kind, builders.chaos)
    body = builders.with_spec(made("check", *targets), **{"timeout": "60s", **spec})
    metadata: Object = {
        "namespace": namespace,
        "name": "check",
        "uid": uid,
        "generation": generation,
        "resourceVersion": "1",
        "creationTimestamp": "2026-03-02T12:00:00Z",
        "annotations": dict(annotations or {}),
        "finalizers": [FINALIZER] if finalizer else [],
    }
    if deleting:
        metadata["deletionTimestamp"] = "2026-03-02T12:00:00Z"
    wire = status.to_wire() if status else {}
    return parse_run_resource(kind, {**body, "metadata": metadata, "status": wire})


def target(name: str = "finance", labels: Mapping[str, str] | None = None, **spec: Any) -> Target:
    """A TargetCluster that allows everything, unless told otherwise."""
    policy = {"faultFamilies": ["workload", "network"], **spec.pop("policy", {})}
    parsed = TargetClusterSpec.model_validate({"policy": policy, **spec})
    return Target(name, f"uid-{name}", labels or {"industry": name}, parsed)


def view(
    name: str = "finance",
    runs: Mapping[str, RunObjects] | None = None,
    *,
    reachable: bool = True,
    cluster_uid: str = "",
    **spec: Any,
) -> TargetView:
    """What is seen of a target."""
    message = "" if reachable else "connection refused"
    return TargetView(target(name, **spec), reachable, message, runs or {}, cluster_uid)


def seen(of: RunResource, *views: TargetView, halted: str = "") -> Observed:
    """All that a step may look at; one reachable target unless told otherwise."""
    return Observed(of, {v.target.name: v for v in (views or (view(),))}, halted)


def job_of(of: RunResource, cluster: str = "finance", run: str = "") -> str:
    """Name of the Job of the resource's run."""
    run = run or (of.status.last_run.id if of.status.last_run else "")
    return naming.job_name(of.kind.name, of.meta.name, of.meta.uid, run, cluster)


def job(name: str = "j", phase: JobPhase = JobPhase.ACTIVE, message: str = "") -> JobView:
    """A Job."""
    return JobView(name, f"uid-{name}", phase, message)


def record(state: RecordState = RecordState.APPLIED, *, abort: str = "", run: str = "", **changes: Any) -> RecordView:
    """A record of a run in some state."""
    undone = state is RecordState.UNDONE
    made = Record(
        uid=UID,
        run_id=run,
        cluster="finance",
        kind="ChaosExperiment",
        claim="pod",
        state=state,
        deadline=after(3600),
        applied_at=T0 if state not in (RecordState.PREPARED, RecordState.APPLYING) else None,
        changes=[
            PodDeleted(
                namespace="payments",
                name="ledger-1",
                owner_kind="ReplicaSet",
                owner_name="ledger",
                owner_uid="u",
                ready_before=1,
                state=ChangeState.UNDONE if undone else ChangeState.APPLIED,
                evidence="1 of 1 ready" if undone else "",
            )
        ],
        undone_by="runner" if undone else "",
    )
    return RecordView(made.model_copy(update=changes), Control(abort=abort))


def fence(abort: str = "Deleted") -> RecordView:
    """A record that the operator created, so that nobody can claim the run."""
    return RecordView(None, Control(abort=abort))


def result(run: str, verdict: Verdict = Verdict.PASSED, reason: str = "AsExpected", count: int = 1) -> Result:
    """A result of a run."""
    measurements = [
        Measurement(name=f"m{n}", value=1.0, limit=">= 1", passed=verdict is Verdict.PASSED, detail="n=100")
        for n in range(count)
    ]
    return Result(
        uid=UID,
        run_id=run,
        cluster="finance",
        verdict=verdict,
        reason=reason,
        message=f"it is {verdict.value}",
        measurements=measurements,
        started_at=T0,
        finished_at=T0,
    )


def written(decision: Decision) -> RunStatus | None:
    """The status that a decision writes, or None."""
    return next((action.status for action in decision.actions if isinstance(action, WriteStatus)), None)


def with_status(of: RunResource, status: RunStatus, **meta: Any) -> RunResource:
    """The resource after a write."""
    return replace(of, status=status, meta=replace(of.meta, **meta) if meta else of.meta)


def kinds(decision: Decision) -> list[str]:
    """What a decision does, by the names of its actions."""
    return [type(action).__name__ for action in decision.actions]
