"""Each row of the chain that says what one target has to say of a run, and that the first row that applies decides."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from firedrill.api.kinds import CHAOS_EXPERIMENT, DRIFT_CHECK, RunKind
from firedrill.api.record import RecordState
from firedrill.api.run import ClusterResult
from firedrill.api.targetcluster import TargetClusterSpec
from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.core.actions import Action, Confirm, DeleteRun, EnsureRun, SetControl
from firedrill.core.case import Case
from firedrill.core.observed import JobPhase, RecordView, RunContext, RunObjects, TargetView
from firedrill.core.outcome import REACH_GRACE, SETTLE_GRACE, judge
from support.seen import T0, after, fence, job, record, resource, result, view

RUN = "run-1"
DEADLINE = 60.0


@dataclass
class Row:
    """A situation, and what must come of it: a verdict with its reason, or a note; and actions."""

    name: str
    objects: RunObjects = field(default_factory=RunObjects)
    kind: RunKind = CHAOS_EXPERIMENT
    attempted: bool = True
    at: float = 1
    ending: str = ""
    view: TargetView | None = field(default_factory=view)
    annotations: dict[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None
    reason: str = ""
    note: str = ""
    settled: bool = True
    actions: tuple[type[Action], ...] = ()
    says: str = ""
    #: What must not be told.
    silent: str = ""
    #: Status has told that the run has begun to change something, and that all was undone.
    told: bool = False
    undone: bool = False
    #: What a person said of an early end.
    why: str = ""
    spec: dict[str, Any] = field(default_factory=dict)


RUNNING = RunObjects(job=job(), guardian=job("g"), has_task=True)
UNREADABLE = replace(fence(""), unreadable=True)
ON = replace(RUNNING, record=record(RecordState.APPLIED))
GONE = RunObjects(confirmed=True)
LATE = DEADLINE + SETTLE_GRACE.total_seconds() + 1
UNREACHABLE = view(reachable=False)


def ended(record_view: RecordView | None, phase: JobPhase = JobPhase.SUCCEEDED, **more: Any) -> RunObjects:
    return replace(RUNNING, job=job(phase=phase), record=record_view, confirmed=True, **more)


def unsettled(run: str) -> Result:
    return result(run, Verdict.FAILED, "NotRecovered").model_copy(update={"settled": False})


ROWS = [
    # finished
    Row("result, all undone", ended(record(RecordState.UNDONE), result=result(RUN)),
        verdict=Verdict.PASSED, reason="AsExpected"),
    Row("result, a fix that stays", ended(record(RecordState.KEPT), result=result(RUN)),
        verdict=Verdict.PASSED, reason="AsExpected"),
    Row("result of a run that never claimed a record", ended(None, result=result(RUN, Verdict.INCONCLUSIVE, "NoPods")),
        verdict=Verdict.INCONCLUSIVE, reason="NoPods"),
    Row("result, fault still on, runner still there", replace(ON, result=result(RUN)), note="undoing"),
    Row("result, fault still on, runner gone", ended(record(), result=result(RUN)),
        note="the guardian undoes what the runner left", actions=(SetControl,)),
    Row("result, fault still on, abort asked already", ended(record(abort="x"), result=result(RUN)),
        note="the guardian undoes what the runner left"),
    Row("result, fault still on long after the deadline", ended(record(), result=result(RUN)), at=LATE,
        verdict=Verdict.ERROR, reason="UndoNotVerified", settled=False, says="-record"),
    Row("a failure whose fault was never undone stays the failure that it is",
        ended(record(), result=result(RUN, Verdict.FAILED, "NotRecovered")), at=LATE,
        verdict=Verdict.FAILED, reason="NotRecovered", settled=False, says="annotate with firedrill.dev/settled=run-1"),
    Row("result says undone, and the record went with the Job", ended(None, result=result(RUN)), told=True,
        verdict=Verdict.PASSED, reason="AsExpected"),
    Row("result says not undone, and the record is gone", ended(None, result=unsettled(RUN)),
        note="the guardian undoes what the runner left"),
    Row("result says not undone, and the record is still gone long after", ended(None, result=unsettled(RUN)), at=LATE,
        verdict=Verdict.FAILED, reason="NotRecovered", settled=False, says="the record j-record is gone"),
    Row("result says not undone, and a fence took the place of the record", ended(fence(), result=unsettled(RUN)),
        note="the guardian undoes what the runner left"),
    Row("result, a record that can not be read is not undone", ended(UNREADABLE, result=result(RUN)),
        note="the guardian undoes what the runner left", actions=(SetControl,)),
    Row("result of another run counts for nothing", replace(RUNNING, result=result("other")), note="running"),
    Row("result of a read-only run", RunObjects(job=job(phase=JobPhase.SUCCEEDED), result=result(RUN)),
        kind=DRIFT_CHECK, verdict=Verdict.PASSED, reason="AsExpected"),
    Row("result in a target that is out of reach is old news", replace(ON, result=result(RUN)), view=UNREACHABLE,
        note="waiting for the target: connection refused"),
    # target_gone
    Row("TargetCluster gone before anything was tried", attempted=False, view=None,
        verdict=Verdict.INCONCLUSIVE, reason="TargetGone"),
    Row("TargetCluster gone with a fault in it", ON, view=None,
        verdict=Verdict.INCONCLUSIVE, reason="TargetGone", settled=False,
        says="annotate with firedrill.dev/settled=run-1"),
    Row("TargetCluster gone, read-only run", RUNNING, kind=DRIFT_CHECK, view=None,
        verdict=Verdict.INCONCLUSIVE, reason="TargetGone"),
    # ended_early
    Row("ended before anything was tried", attempted=False, ending="Deleted",
        verdict=Verdict.INCONCLUSIVE, reason="Deleted"),
    Row("ended, read-only run goes on", RunObjects(job=job(), has_task=True), kind=DRIFT_CHECK, ending="Superseded",
        verdict=Verdict.INCONCLUSIVE, reason="Superseded", actions=(DeleteRun,)),
    Row("ended, read-only run not seen yet", RunObjects(), kind=DRIFT_CHECK, ending="Superseded",
        verdict=Verdict.INCONCLUSIVE, reason="Superseded", actions=(DeleteRun,)),
    Row("ended, nothing created yet: the run is fenced", RunObjects(), ending="Deleted",
        note="undoing", actions=(SetControl,)),
    Row("ended, fenced before anyone claimed it", replace(RUNNING, record=fence()), ending="Deleted",
        verdict=Verdict.INCONCLUSIVE, reason="Deleted"),
    Row("ended while the fault is on", ON, ending="Halted", note="undoing", actions=(SetControl,)),
    Row("ended while the fault is on, asked already", replace(ON, record=record(abort="Halted")), ending="Halted",
        note="undoing"),
    Row("ended while the fault is on, record gone: no word is left for a guardian that would write it again",
        replace(ON, record=None), told=True, ending="Halted", note="waiting, the record j-record is gone"),
    Row("ended, and a person has seen to what is out of reach", ON, ending="Deleted", view=UNREACHABLE,
        annotations={"firedrill.dev/settled": RUN},
        verdict=Verdict.INCONCLUSIVE, reason="Deleted", says="a person says"),
    Row("a person has seen to what is out of reach", ON, view=UNREACHABLE, annotations={"firedrill.dev/settled": RUN},
        verdict=Verdict.INCONCLUSIVE, reason="SettledByHand", says="the target is out of reach"),
    Row("a person has seen to it, TargetCluster gone", ON, view=None, annotations={"firedrill.dev/settled": RUN},
        verdict=Verdict.INCONCLUSIVE, reason="SettledByHand", says="the TargetCluster is gone"),
    Row("a person has seen to it, record gone", RunObjects(), told=True, annotations={"firedrill.dev/settled": RUN},
        verdict=Verdict.INCONCLUSIVE, reason="SettledByHand", says="is gone"),
    Row("what the machine can see, a person need not say", ON, annotations={"firedrill.dev/settled": RUN},
        note="applied"),
    Row("a fix that was verified and stays is told though its run ended early",
        replace(RUNNING, record=record(RecordState.KEPT)), ending="Superseded",
        verdict=Verdict.INCONCLUSIVE, reason="Superseded", says="the fix was verified before, and stays"),
    Row("fenced before there was a Job, and nobody wants it ended any more",
        RunObjects(record=fence("Halted: why"), confirmed=True),
        verdict=Verdict.INCONCLUSIVE, reason="Halted", says="ended before it began: Halted: why"),
    Row("a halt has a reason", attempted=False, ending="Halted", why="incident 7",
        verdict=Verdict.INCONCLUSIVE, reason="Halted", says="Halted: incident 7"),
    Row("ended, undone", replace(RUNNING, record=record(RecordState.UNDONE, abort="Halted")), ending="Halted",
        verdict=Verdict.INCONCLUSIVE, reason="Halted"),
    Row("ended while out of reach", ON, ending="Deleted", view=UNREACHABLE, note="waiting, the target is out of reach"),
    Row("ended while out of reach, too long", ON, ending="Deleted", view=UNREACHABLE, at=LATE,
        verdict=Verdict.INCONCLUSIVE, reason="TargetUnreachable", settled=False),
    Row("ended, undoing takes too long", ON, ending="Deleted", at=LATE,
        verdict=Verdict.ERROR, reason="UndoNotVerified", settled=False, actions=(SetControl,),
        says="still holds the record"),
    Row("ended, and the target takes no word of it", RunObjects(), ending="Deleted", at=LATE,
        verdict=Verdict.ERROR, reason="UndoNotVerified", settled=False, actions=(SetControl,),
        says="did not take the word to stop"),
    Row("ended, a record that can not be read and has an abort", replace(RUNNING, record=replace(UNREADABLE,
        control=fence().control)), ending="Deleted", note="waiting, the record j-record can not be read"),
    # refused
    Row("refused: suspended target", attempted=False, view=view(suspend=True),
        verdict=Verdict.INCONCLUSIVE, reason="NotPermitted", says="spec.suspend"),
    Row("refused: hub namespace", attempted=False, view=view(policy={"hubNamespaces": ["other"]}),
        verdict=Verdict.INCONCLUSIVE, reason="NotPermitted", says="spec.policy.hubNamespaces"),
    Row("refused: kind", attempted=False, view=view(policy={"kinds": ["DriftCheck"]}),
        verdict=Verdict.INCONCLUSIVE, reason="NotPermitted", says="spec.policy.kinds"),
    Row("refused: fault family", attempted=False, view=view(policy={"faultFamilies": ["network"]}),
        verdict=Verdict.INCONCLUSIVE, reason="NotPermitted", says="spec.policy.faultFamilies"),
    Row("a target whose spec can not be read has no policy that could refuse", attempted=False,
        view=replace(UNREACHABLE, target=replace(UNREACHABLE.target, valid=False, spec=TargetClusterSpec())),
        note="waiting for the target: connection refused"),
    Row("refused without asking the target", attempted=False, view=view(reachable=False, suspend=True),
        verdict=Verdict.INCONCLUSIVE, reason="NotPermitted"),
    Row("a policy that was changed does not end what it once allowed", ON, view=view(suspend=True), note="applied"),
    Row("fault families do not concern checks", kind=DRIFT_CHECK, attempted=False,
        view=view(policy={"faultFamilies": []}), note="starting", actions=(EnsureRun,)),
    # unreachable
    Row("out of reach, never tried, in the grace", attempted=False, view=UNREACHABLE,
        note="waiting for the target: connection refused"),
    Row("out of reach, never tried, grace over", attempted=False, view=UNREACHABLE,
        at=min(REACH_GRACE.total_seconds(), DEADLINE) + 1, verdict=Verdict.INCONCLUSIVE, reason="TargetUnreachable"),
    Row("out of reach with a fault in it, before the deadline", ON, view=UNREACHABLE, at=DEADLINE,
        note="waiting for the target: connection refused"),
    Row("out of reach with a fault in it, too long", ON, view=UNREACHABLE, at=LATE,
        verdict=Verdict.INCONCLUSIVE, reason="TargetUnreachable", settled=False),
    Row("out of reach, read-only run, too long", RUNNING, kind=DRIFT_CHECK, view=UNREACHABLE, at=LATE,
        verdict=Verdict.INCONCLUSIVE, reason="TargetUnreachable"),
    # out_of_time
    Row("past the deadline, never tried", attempted=False, at=DEADLINE + 1,
        verdict=Verdict.INCONCLUSIVE, reason="Timeout"),
    Row("past the deadline, nothing created: it is fenced, not created", RunObjects(), at=DEADLINE + 1,
        note="undoing", actions=(SetControl,)),
    Row("past the deadline, fault on", ON, at=DEADLINE + 1, note="undoing", actions=(SetControl,)),
    Row("past the deadline, undone", replace(RUNNING, record=record(RecordState.UNDONE)), at=DEADLINE + 1,
        verdict=Verdict.INCONCLUSIVE, reason="Timeout"),
    Row("past the deadline, a check that hangs is left to its own limit", RunObjects(job=job(), has_task=True),
        kind=DRIFT_CHECK, at=DEADLINE + 1, verdict=Verdict.INCONCLUSIVE, reason="Timeout",
        says="no pod of Job firedrill/j is ready"),
    Row("past the deadline, a check that runs too long",
        RunObjects(job=replace(job(), running=True), has_task=True), kind=DRIFT_CHECK, at=DEADLINE + 1,
        verdict=Verdict.INCONCLUSIVE, reason="Timeout", silent="no pod of Job"),
    # result_unseen
    Row("Job ended, its result may only not be seen yet", RunObjects(job=job(phase=JobPhase.SUCCEEDED), has_task=True),
        kind=DRIFT_CHECK, note="running", actions=(Confirm,)),
    Row("Job failed with the fault on, its result may only not be seen yet",
        replace(ended(record(), JobPhase.FAILED), confirmed=False), note="running", actions=(Confirm,)),
    Row("Job ended past the deadline: a result counts before all else",
        RunObjects(job=job(phase=JobPhase.SUCCEEDED), has_task=True), kind=DRIFT_CHECK, at=DEADLINE + 1,
        note="running", actions=(Confirm,)),
    # runner_failed
    Row("Job failed, read-only", RunObjects(job=job(phase=JobPhase.FAILED, message="BackoffLimitExceeded: x"),
        has_task=True, confirmed=True),
        kind=DRIFT_CHECK, verdict=Verdict.ERROR, reason="RunnerFailed", says="BackoffLimitExceeded"),
    Row("Job succeeded without a result",
        RunObjects(job=job(phase=JobPhase.SUCCEEDED), has_task=True, confirmed=True),
        kind=DRIFT_CHECK, verdict=Verdict.ERROR, reason="ResultMissing"),
    Row("Job failed with the fault on", ended(record(), JobPhase.FAILED), note="undoing", actions=(SetControl,)),
    Row("Job failed before it claimed: it is fenced", ended(None, JobPhase.FAILED), note="undoing",
        actions=(SetControl,)),
    Row("Job failed, undone by the guardian", ended(record(RecordState.UNDONE), JobPhase.FAILED),
        verdict=Verdict.ERROR, reason="RunnerFailed"),
    # job_lost
    Row("a record without a Job: its Job may only not be seen yet", replace(ON, job=None), note="running",
        actions=(Confirm,)),
    Row("Job deleted by someone, fault on", replace(ON, job=None, confirmed=True), note="undoing",
        actions=(SetControl,)),
    Row("Job deleted by someone, undone",
        replace(RUNNING, job=None, record=record(RecordState.UNDONE), confirmed=True),
        verdict=Verdict.ERROR, reason="JobLost"),
    Row("Job and record deleted by someone: not begun again, nor fenced", GONE, told=True,
        note="waiting, the record j-record is gone"),
    Row("Job and record deleted by someone, nobody writes it again", GONE, told=True, at=LATE,
        verdict=Verdict.ERROR, reason="UndoNotVerified", settled=False, says="the record j-record is gone"),
    Row("a fence in the place of a record shows nothing",
        RunObjects(job=job(phase=JobPhase.FAILED), record=fence(), confirmed=True),
        told=True, note="waiting, the record j-record is gone"),
    Row("Job and record deleted by someone after all was seen undone", GONE, told=True, undone=True,
        verdict=Verdict.ERROR, reason="JobLost"),
    # incomplete
    Row("nothing there", RunObjects(), note="starting", actions=(EnsureRun,)),
    Row("first try", attempted=False, note="starting", actions=(EnsureRun,)),
    Row("no guardian", RunObjects(job=job(), has_task=True), note="starting", actions=(EnsureRun,)),
    Row("no task", replace(RUNNING, has_task=False), note="starting", actions=(EnsureRun,)),
    Row("a check needs no guardian", RunObjects(job=job(), has_task=True), kind=DRIFT_CHECK, note="running"),
    # approval
    Row("a proposal waits", replace(ON, record=record(RecordState.PREPARED, awaiting_approval=True, proposal="h")),
        note="waiting for approval: annotate with firedrill.dev/approve=h"),
    Row("another proposal was approved",
        replace(ON, record=record(RecordState.PREPARED, awaiting_approval=True, proposal="h")),
        annotations={"firedrill.dev/approve": "other"}, note="waiting for approval"),
    Row("the proposal is approved",
        replace(ON, record=record(RecordState.PREPARED, awaiting_approval=True, proposal="h")),
        annotations={"firedrill.dev/approve": "h"}, note="waiting for approval", actions=(SetControl,)),
    # running
    Row("claimed", replace(ON, record=record(RecordState.PREPARED)), note="running"),
    Row("fault on", ON, note="applied"),
]  # fmt: skip


def case_of(row: Row) -> Case:
    of = resource(row.kind, annotations=row.annotations, **row.spec)
    known = ClusterResult(
        name="finance",
        job="firedrill/j" if row.attempted else "",
        begun=row.told,
        settled=row.undone or not row.attempted or not row.kind.mutates,
    )
    run = RunContext(RUN, T0, after(DEADLINE), row.kind.mutates, row.ending, row.why)
    return Case(of, run, known, "j", row.view, row.objects, after(row.at))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_chain(row: Row) -> None:
    judgement = judge(case_of(row))
    if row.verdict is None:
        assert judgement.outcome is None
        assert judgement.note.startswith(row.note)
        assert row.note
    else:
        assert judgement.outcome is not None
        outcome = judgement.outcome
        assert (outcome.verdict, outcome.reason, outcome.settled) == (row.verdict, row.reason, row.settled)
        assert outcome.message
        assert row.says in outcome.message
        assert not row.silent or row.silent not in outcome.message
    assert tuple(type(action) for action in judgement.actions) == row.actions


def test_a_halt_tells_runner_and_guardian_why() -> None:
    halted = next(row for row in ROWS if row.name == "ended while the fault is on")
    aborting = judge(case_of(replace(halted, why="incident 7")))
    assert [a.control.abort for a in aborting.actions if isinstance(a, SetControl)] == ["Halted: incident 7"]


def test_an_abort_carries_the_reason_and_an_approval_keeps_what_was_asked() -> None:
    aborting = judge(case_of(next(row for row in ROWS if row.name == "ended while the fault is on")))
    assert [a.control.abort for a in aborting.actions if isinstance(a, SetControl)] == ["Halted"]
    approving = judge(case_of(next(row for row in ROWS if row.name == "the proposal is approved")))
    assert [(a.control.approved, a.control.approved_by) for a in approving.actions if isinstance(a, SetControl)] == [
        ("h", "unknown")
    ]
