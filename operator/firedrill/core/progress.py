"""How the entry of one target moves on: while its run goes on, and after it while something is left to undo."""

from datetime import datetime, timedelta

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.meta import ANNOTATION_SETTLED
from firedrill.api.record import Control, Record, RecordState
from firedrill.api.run import ClusterResult, RunStatus
from firedrill.api.verdict import Condition, ConditionStatus
from firedrill.core import naming
from firedrill.core.actions import Action, Decision, EnsureRun, PublishEvent, SetControl, WriteStatus
from firedrill.core.case import Case, is_lost, settles
from firedrill.core.observed import Observed, RunObjects, TargetView
from firedrill.core.outcome import Judgement
from firedrill.core.summary import cluster_result, kind_findings, set_conditions

#: How often a fault that was not seen undone is looked for.
_SETTLE_POLL = timedelta(seconds=10)


def advance(
    case: Case, judgement: Judgement, generation: int, now: datetime
) -> tuple[ClusterResult, tuple[Action, ...]]:
    """The entry after a judgement, and the actions that follow from it."""
    if judgement.outcome is not None:
        return cluster_result(_noted(case, generation, now), judgement.outcome, generation, now), judgement.actions
    entry = _noted(case, generation, now)
    starts = any(isinstance(action, EnsureRun) for action in judgement.actions)
    if starts and case.view is not None:
        entry = intend(entry, case.view, case.job, mutates=case.run.mutates)
    return entry.model_copy(update={"message": _told(judgement.note)}), judgement.actions


def intend(entry: ClusterResult, view: TargetView, job: str, *, mutates: bool) -> ClusterResult:
    """The entry that says where a run is about to be begun: it is written before anything is created there."""
    if entry.job:
        return entry
    return entry.model_copy(
        update={
            "job": f"{view.target.spec.runner_namespace}/{job}",
            "cluster_uid": view.cluster_uid,
            "settled": not mutates,
        }
    )


def _told(note: str) -> str:
    """Only what lasts is told while a run goes on: each change of the text costs a write."""
    return note if note.startswith("waiting") else "running"


def _noted(case: Case, generation: int, now: datetime) -> ClusterResult:
    """The entry with what the record shows of the fault while it is on."""
    view = case.objects.record
    known = case.known.model_copy(update={"begun": case.run.mutates and case.begun, "settled": case.settled})
    if view is None or view.record is None:
        return known
    record = view.record
    findings = _chaos_findings(record, case.known, generation, now)
    return known.model_copy(
        update={
            "findings": findings if isinstance(case.resource.spec, ChaosExperimentSpec) else case.known.findings,
            "proposal": record.proposal if record.awaiting_approval else "",
        }
    )


def _chaos_findings(record: Record, known: ClusterResult, generation: int, now: datetime) -> list[Condition]:
    if record.state in (RecordState.PREPARED, RecordState.APPLYING):
        return known.findings
    # A runner may have died between its first change and the mark that all are in place.
    injected = record.applied_at is not None or any(change.applied_at for change in record.changes)
    if not injected and record.state is RecordState.UNDONE:
        return known.findings
    before = {condition.type: condition for condition in known.findings}

    def condition(name: str, status: ConditionStatus, reason: str, message: str) -> Condition:
        old = before.get(name)
        since = old.last_transition_time if old and old.status is status else now
        return Condition(
            type=name,
            status=status,
            reason=reason,
            message=message,
            observed_generation=generation,
            last_transition_time=since,
        )

    found = [condition("Injected", ConditionStatus.TRUE, "Injected", f"{len(record.changes)} object(s) changed")]
    if record.state is RecordState.UNDONE:
        evidence = "; ".join(change.evidence for change in record.changes if change.evidence)[:1024]
        found.append(
            condition("Recovered", ConditionStatus.TRUE, "Undone", f"undone by the {record.undone_by or 'runner'}")
        )
        found.append(condition("RecoveryVerified", ConditionStatus.TRUE, "SeenUndone", evidence))
    return found


def settle(observed: Observed, now: datetime) -> Decision | None:
    """After a run that ended with something not seen undone: look for it, and say when it is seen.

    A person who has seen to it can say so by an annotation. None where nothing is left.
    """
    resource, status = observed.resource, observed.resource.status
    run = status.last_run
    if run is None or all(entry.settled for entry in status.clusters):
        return None
    generation = status.observed_generation or resource.meta.generation
    if resource.meta.annotations.get(ANNOTATION_SETTLED) == run.id:
        return _settled_by_hand(status)
    entries: list[ClusterResult] = []
    actions: list[Action] = []
    for entry in status.clusters:
        job = naming.job_name(resource.kind.name, resource.meta.name, resource.meta.uid, run.id, entry.name)
        view = observed.view_of(entry)
        if entry.settled or view is None or not view.reachable:
            entries.append(entry)
            continue
        objects = view.runs.get(job, RunObjects())
        record = objects.record
        if not settles(record, entry.begun):
            control = record.control if record else Control()
            if not is_lost(record, entry.begun) and not control.abort:
                control = control.model_copy(update={"abort": "RunEnded"})
                actions.append(SetControl(entry.name, job, run.id, control, fence=not entry.begun))
            entries.append(entry)
            continue
        findings = entry.findings
        if record is not None and record.record is not None and resource.kind.conditions[0] == "Injected":
            findings = _chaos_findings(record.record, entry, generation, now)
        entries.append(entry.model_copy(update={"settled": True, "findings": findings}))
    if entries == status.clusters:
        return Decision(tuple(actions), _SETTLE_POLL)
    told = status.model_copy(update={"clusters": entries})
    told = set_conditions(told, kind_findings(resource.kind, entries), generation, now)
    return Decision((*actions, WriteStatus(told)), timedelta(0))


def _settled_by_hand(status: RunStatus) -> Decision:
    left = ", ".join(entry.name for entry in status.clusters if not entry.settled)
    entries = [entry.model_copy(update={"settled": True}) for entry in status.clusters]
    told = PublishEvent("SettledByHand", f"a person says that nothing is left to undo in {left}", warning=True)
    return Decision((WriteStatus(status.model_copy(update={"clusters": entries})), told), timedelta(0))
