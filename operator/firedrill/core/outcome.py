"""What one target says of a run: an outcome, or what must be done to get to one."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from firedrill.api.meta import ANNOTATION_APPROVE, ANNOTATION_SETTLED
from firedrill.api.record import Control, RecordState
from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.core.actions import Action, Confirm, DeleteRun, EnsureRun, SetControl
from firedrill.core.case import Case, is_lost
from firedrill.core.observed import JobPhase
from firedrill.core.policy import first_of
from firedrill.core.reacting import earlier_of
from firedrill.core.refusal import refusal

#: How long a target may be out of reach before a run is given up that never started there.
REACH_GRACE = timedelta(seconds=60)
#: How long after its deadline a run may take to undo what it has changed, before it ends as not undone.
SETTLE_GRACE = timedelta(seconds=60)


@dataclass(frozen=True)
class Outcome:
    """The end of a run in one target."""

    verdict: Verdict
    reason: str
    message: str
    result: Result | None = None
    settled: bool = True


@dataclass(frozen=True)
class Judgement:
    """An outcome, or None while the run goes on, and what to do now."""

    outcome: Outcome | None = None
    actions: tuple[Action, ...] = ()
    note: str = field(default="")


def _end(case: Case, verdict: Verdict, reason: str, message: str, *, abort: str = "") -> Judgement:
    """End the run here; where it may have changed something, only once that is seen undone.

    ``abort`` is what runner and guardian are told, as ``Word: text``; else the reason.
    """
    outcome = Outcome(verdict, reason, message, settled=case.settled)
    if not case.attempted:
        return Judgement(outcome)
    if not case.run.mutates:
        # A run that hangs is left to its Job's own limit, so that its logs can be read.
        # A Job that is not seen may have been created a moment ago.
        going = case.objects.job is None or case.objects.job.phase is JobPhase.ACTIVE
        unwanted = case.run.ending and case.reachable and going
        return Judgement(outcome, (DeleteRun(case.known.name, case.job),) if unwanted else ())
    if case.settled:
        return Judgement(replace(outcome, message=message + _what_stays(case)))
    if case.now > case.run.deadline + SETTLE_GRACE:
        return Judgement(_not_undone(case, reason), _abort(case, abort or reason))
    waits = f"waiting, {_what_is_left(case)}: {message}; {case.how_to_settle}"
    return Judgement(None, _abort(case, abort or reason), waits if case.beyond_sight else f"undoing: {message}")


def _what_stays(case: Case) -> str:
    """A fix that was verified before its run ended early is in place, and that must be told."""
    view = case.objects.record
    if view is None or view.record is None or view.record.state is not RecordState.KEPT:
        return ""
    return f"; the fix was verified before, and stays: {view.record.kept_evidence}"


def _abort(case: Case, reason: str) -> tuple[Action, ...]:
    if not case.reachable or is_lost(case.objects.record, case.begun):
        return ()
    if case.objects.record and case.objects.record.control.abort:
        return ()
    return (SetControl(case.known.name, case.job, case.run.run_id, Control(abort=reason), fence=not case.begun),)


def _not_undone(case: Case, reason: str) -> Outcome:
    return Outcome(
        Verdict.INCONCLUSIVE if not case.reachable else Verdict.ERROR,
        "TargetUnreachable" if not case.reachable else "UndoNotVerified",
        f"{reason}: {_what_is_left(case)}; {case.how_to_settle}",
        settled=False,
    )


def _what_is_left(case: Case) -> str:
    if case.view is None:
        return "the TargetCluster is gone"
    if not case.reachable:
        return "the target is out of reach"
    if is_lost(case.objects.record, case.begun):
        return f"the record {case.job}-record is gone"
    if case.objects.record is not None and case.objects.record.unreadable:
        return f"the record {case.job}-record can not be read"
    if case.objects.record is None:
        return "the target did not take the word to stop"
    return f"the target still holds the record {case.job}-record"


def finished(case: Case) -> Judgement | None:
    """The runner has written its result, and nothing is left to undo."""
    result = case.objects.result
    if result is None or result.run_id != case.run.run_id or not case.reachable:
        return None
    if case.settled or (case.objects.record is None and result.settled):
        return Judgement(Outcome(result.verdict, result.reason, result.message, result))
    if case.now > case.run.deadline + SETTLE_GRACE:
        return Judgement(_unproven(case, result))
    if case.objects.job is not None and case.objects.job.phase is not JobPhase.ACTIVE:
        return Judgement(None, _abort(case, "RunnerEnded"), "the guardian undoes what the runner left")
    return Judgement(None, note="undoing")


def _unproven(case: Case, result: Result) -> Outcome:
    """What the runner found stands, with its evidence; but nothing passes that was not seen undone."""
    outcome = replace(_not_undone(case, result.reason), result=result)
    if result.verdict is Verdict.PASSED:
        return outcome
    message = f"{result.message[:600]}; {outcome.message}"
    return replace(outcome, verdict=result.verdict, reason=result.reason, message=message)


def result_unseen(case: Case) -> Judgement | None:
    """The Job has ended, and its result may only not be seen yet."""
    job = case.objects.job
    if job is None or job.phase is JobPhase.ACTIVE or case.objects.result is not None or not case.reachable:
        return None
    return None if case.objects.confirmed else _confirm(case)


def _confirm(case: Case) -> Judgement:
    return Judgement(None, (Confirm(case.known.name, case.job),), "running")


def seen_to(case: Case) -> Judgement | None:
    """A person says that nothing is left, where the machine can not see it."""
    if not (case.changed_something and case.beyond_sight and case.seen_to):
        return None
    reason = case.run.ending or "SettledByHand"
    message = f"{_what_is_left(case)}; a person says that nothing is left to undo in {case.known.name}"
    return Judgement(Outcome(Verdict.INCONCLUSIVE, reason, message))


def ended_early(case: Case) -> Judgement | None:
    """Superseded, replaced, deleted or halted."""
    if not case.run.ending:
        return None
    why = case.run.ending_told
    return _end(case, Verdict.INCONCLUSIVE, case.run.ending, f"the run was ended early: {why}", abort=why)


def target_gone(case: Case) -> Judgement | None:
    """The TargetCluster was deleted."""
    if case.view is not None:
        return None
    message = f"TargetCluster {case.known.name} no longer exists"
    if case.changed_something:
        message += f"; create it again, so that the undoing can be seen; {case.how_to_settle}"
    if case.removing:
        message += f"; create it again, or annotate with {ANNOTATION_SETTLED}={case.known.name}: nothing is left there"
    return Judgement(Outcome(Verdict.INCONCLUSIVE, "TargetGone", message, settled=not case.changed_something))


def unreachable(case: Case) -> Judgement | None:
    """The target does not answer."""
    if case.view is None or case.reachable:
        return None
    limit = (
        case.run.deadline + SETTLE_GRACE
        if case.attempted
        else min(case.run.started_at + REACH_GRACE, case.run.deadline)
    )
    if case.now <= limit:
        return Judgement(None, note=f"waiting for the target: {case.view.message}")
    message = f"{case.known.name} could not be reached: {case.view.message}"
    if case.changed_something:
        message += f"; {case.how_to_settle}"
    if case.removing:
        message += (
            f"; it is tried again, or annotate with {ANNOTATION_SETTLED}={case.known.name}: nothing is left there"
        )
    return Judgement(Outcome(Verdict.INCONCLUSIVE, "TargetUnreachable", message, settled=not case.changed_something))


def out_of_time(case: Case) -> Judgement | None:
    """Past the deadline; before a Job could be created anew."""
    if case.now <= case.run.deadline:
        return None
    message = f"no result was seen by the deadline {case.run.deadline:%H:%M:%S} UTC"
    job = case.objects.job
    if case.reachable and job is not None and job.phase is JobPhase.ACTIVE and not job.running:
        # A claim, an image, room on a node, a quota: only the target's own Events tell which.
        message += f"; no pod of Job {case.known.job} is ready: its Events, and those and the logs of its pods, say why"
    return _end(case, Verdict.INCONCLUSIVE, "Timeout", message)


def refused(case: Case) -> Judgement | None:
    """The policy of the target does not allow this run."""
    if case.view is None or case.attempted or case.removing or not case.view.target.valid:
        return None
    rule = refusal(case.resource, case.view, case.now, case.requester)
    return Judgement(Outcome(Verdict.INCONCLUSIVE, rule.reason, rule.message)) if rule else None


def turn(case: Case) -> Judgement | None:
    """Other targets come first."""
    if case.attempted or not case.waits_for:
        return None
    return Judgement(None, note=f"waiting for its turn after {case.waits_for}")


def runner_failed(case: Case) -> Judgement | None:
    """The Job ended without a result."""
    job = case.objects.job
    if job is None or job.phase is JobPhase.ACTIVE:
        return None
    reason = "RunnerFailed" if job.phase is JobPhase.FAILED else "ResultMissing"
    message = job.message or "the runner left no result"
    return _end(case, Verdict.ERROR, reason, f"{message}; see the pods of Job {case.known.job}")


def job_lost(case: Case) -> Judgement | None:
    """A run that has begun to change something lost its Job: it must not be begun again.

    With the Job goes the record of a run that was undone; that there was one is known from the entry.
    """
    view = case.objects.record
    if case.objects.job is not None or not (case.begun or view):
        return None
    if not case.objects.confirmed:
        return _confirm(case)
    if view is not None and view.record is None and not case.begun:
        word = view.control.abort.partition(":")[0] or "Cancelled"
        message = f"the run was ended before it began: {view.control.abort}"
        return _end(case, Verdict.INCONCLUSIVE, word, message)
    return _end(case, Verdict.ERROR, "JobLost", f"Job {case.known.job} was deleted by someone else")


def incomplete(case: Case) -> Judgement | None:
    """Something of the run is not created yet."""
    objects = case.objects
    guarded = objects.guardian is not None or not case.run.mutates
    if objects.job is not None and objects.has_task and guarded:
        return None
    known = earlier_of(case)
    ensure = EnsureRun(
        case.known.name,
        case.job,
        case.run.run_id,
        case.run.started_at,
        case.run.deadline,
        case.removing,
        case.allotment,
        known.earlier,
        known.spent,
    )
    return Judgement(None, (ensure,), "starting")


def approval(case: Case) -> Judgement | None:
    """A proposal waits; pass on what a person has approved."""
    view = case.objects.record
    if view is None or view.record is None or not view.record.awaiting_approval:
        return None
    wanted = view.record.proposal
    given = case.resource.meta.annotations.get(ANNOTATION_APPROVE, "")
    note = f"waiting for approval: annotate with {ANNOTATION_APPROVE}={wanted}"
    if view.record.message:
        note += f"; {view.record.message}"
    if given != wanted or view.control.approved == wanted:
        return Judgement(None, note=note)
    control = view.control.model_copy(update={"approved": wanted, "approved_by": "unknown"})
    return Judgement(None, (SetControl(case.known.name, case.job, case.run.run_id, control),), note)


def running(case: Case) -> Judgement | None:
    """Nothing to do but wait."""
    view = case.objects.record
    state = view.record.state if view and view.record else RecordState.PREPARED
    return Judgement(None, note="running" if state is RecordState.PREPARED else state.value.lower())


#: In this order: a result counts before all else; nothing is created after the deadline.
POLICIES: tuple[Callable[[Case], Judgement | None], ...] = (
    finished,
    result_unseen,
    seen_to,
    target_gone,
    ended_early,
    refused,
    unreachable,
    out_of_time,
    turn,
    runner_failed,
    job_lost,
    incomplete,
    approval,
    running,
)


def judge(case: Case) -> Judgement:
    """What one target says of the run."""
    return first_of(POLICIES, case) or Judgement()
