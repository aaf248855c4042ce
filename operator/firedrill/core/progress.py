"""How the entry of one target moves on: while its run goes on, and after it while something is left to undo."""

from datetime import datetime, timedelta

from firedrill.api.record import Control
from firedrill.api.run import ClusterResult
from firedrill.core import naming
from firedrill.core.actions import Action, Decision, EnsureRun, PublishEvent, SetControl, WriteStatus
from firedrill.core.case import Case, is_beyond_sight, is_lost, is_seen_to, settles, shows_begun
from firedrill.core.observed import NOTHING, Observed, RecordView, TargetView
from firedrill.core.outcome import Judgement
from firedrill.core.recorded import recorded
from firedrill.core.summary import cluster_result, ran_generation, retold

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
    return note if note.startswith(("waiting", "undoing: ")) else "running"


def _noted(case: Case, generation: int, now: datetime) -> ClusterResult:
    """The entry with what the record shows of the fault while it is on."""
    view = case.objects.record
    known = case.known.model_copy(update={"begun": case.run.mutates and case.begun, "settled": case.settled})
    if view is None or view.record is None:
        return known
    record = view.record
    return known.model_copy(
        update={
            "findings": recorded(case.resource.kind, record, known, generation, now),
            "proposal": record.proposal if record.awaiting_approval else "",
        }
    )


def settle(observed: Observed, now: datetime) -> Decision | None:
    """After a run that ended with something not seen undone: look for it, and say when it is seen.

    A person who has seen to it can say so by an annotation. None where nothing is left.
    """
    resource, status = observed.resource, observed.resource.status
    run = status.last_run
    if run is None or all(entry.settled for entry in status.clusters):
        return None
    generation = ran_generation(resource)
    entries: list[ClusterResult] = []
    actions: list[Action] = []
    by_hand: list[str] = []
    for entry in status.clusters:
        if entry.settled:
            entries.append(entry)
            continue
        job = naming.job_name(resource.kind.name, resource.meta.name, resource.meta.uid, run.id, entry.name)
        view = observed.view_of(entry)
        record = view.runs.get(job, NOTHING).record if view is not None and view.reachable else None
        entry = entry.model_copy(update={"begun": entry.begun or shows_begun(record)})
        if is_seen_to(resource, run.id) and is_beyond_sight(view, record, entry.begun):
            by_hand.append(entry.name)
            entry = _settled(entry, "a person says that nothing is left to undo")
        elif view is not None and view.reachable and not settles(record, entry.begun):
            actions += _ask(entry, record, job, run.id)
        elif record is not None:
            findings = entry.findings
            if record.record is not None:
                findings = recorded(resource.kind, record.record, entry, generation, now)
            entry = _settled(entry.model_copy(update={"findings": findings}), "since then all was seen undone")
        entries.append(entry)
    if entries == status.clusters:
        return Decision(tuple(actions), _SETTLE_POLL)
    told = retold(resource, entries, now)
    if by_hand:
        said = f"a person says that nothing is left to undo in {', '.join(by_hand)}"
        return Decision((*actions, WriteStatus(told), PublishEvent("SettledByHand", said, warning=True)), timedelta(0))
    return Decision((*actions, WriteStatus(told)), timedelta(0))


def _settled(entry: ClusterResult, how: str) -> ClusterResult:
    return entry.model_copy(update={"settled": True, "message": f"{entry.message[:900]}; {how}"})


def _ask(entry: ClusterResult, record: RecordView | None, job: str, run_id: str) -> tuple[Action, ...]:
    """Ask once more to undo; where the record is gone, nobody is there to be asked by it."""
    control = record.control if record else Control()
    if control.abort or is_lost(record, entry.begun):
        return ()
    return (
        SetControl(entry.name, job, run_id, control.model_copy(update={"abort": "RunEnded"}), fence=not entry.begun),
    )
