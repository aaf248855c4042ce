"""The step, row by row: what is observed, what is done, and what status says then."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from firedrill.api.kinds import CHAOS_EXPERIMENT, DRIFT_CHECK, RunKind
from firedrill.api.record import RecordState
from firedrill.api.resource import RunResource
from firedrill.api.run import ClusterResult, HistoryEntry, RunRef, RunStatus
from firedrill.api.verdict import Condition, ConditionStatus, Verdict
from firedrill.core.actions import Decision, EnsureRun, PublishEvent, SetControl, WriteStatus
from firedrill.core.naming import spec_hash
from firedrill.core.observed import JobPhase, RunObjects, TargetView
from firedrill.core.step import step
from firedrill.core.waiting import POLL, RESYNC
from support.seen import (
    T0,
    after,
    fence,
    job,
    job_of,
    kinds,
    record,
    resource,
    result,
    seen,
    view,
    with_status,
    written,
)

RUN = RunRef(id="r1", trigger="Spec:x", generation=1, started_at=T0, deadline=after(60))
ENDED = RUN.model_copy(update={"finished_at": after(30)})


def running(
    kind: RunKind = CHAOS_EXPERIMENT, *, changed: bool = False, job: bool = True, cluster_uid: str = "", **more: Any
) -> RunResource:
    """A resource whose run goes on in one target."""
    of = resource(kind, finalizer=kind.mutates, **more)
    entry = ClusterResult(
        name="finance",
        message="running",
        job="firedrill/" + job_of(with_status(of, RunStatus(last_run=RUN))) if job else "",
        settled=not (kind.mutates and job),
        cluster_uid=cluster_uid,
    )
    handled = "else" if changed else spec_hash(of.raw_spec)
    return with_status(of, RunStatus(last_run=RUN, handled_spec=handled, clusters=[entry], message="running"))


def over(
    kind: RunKind = CHAOS_EXPERIMENT, *, settled: bool = True, begun: bool = False, cluster_uid: str = "", **more: Any
) -> RunResource:
    """A resource whose run has ended."""
    of = resource(kind, **more)
    entry = ClusterResult(
        name="finance",
        verdict=Verdict.PASSED,
        reason="P",
        message="m of finance",
        job="firedrill/j",
        settled=settled,
        begun=begun,
        cluster_uid=cluster_uid,
    )
    status = RunStatus(
        last_run=ENDED,
        handled_spec=spec_hash(of.raw_spec),
        observed_generation=1,
        clusters=[entry],
        verdict=Verdict.PASSED,
        message="m",
        history=[HistoryEntry(id="r1", verdict=Verdict.PASSED, started_at=T0, finished_at=after(30))],
    )
    return with_status(of, status)


def mended(of: RunResource) -> RunResource:
    """As the operator left it when it had refused a spec that is right again."""
    refused = step(seen(replace(of, spec=None, invalid="spec.schedule: wrong")), after(40))
    told = written(refused)
    assert told is not None
    assert told.verdict is Verdict.ERROR
    return with_status(of, told.model_copy(update={"handled_spec": of.status.handled_spec}))


def target_of(of: RunResource, objects: RunObjects, **more: Any) -> TargetView:
    """The target with the objects of the resource's run."""
    return view(runs={job_of(of): objects}, **more)


STARTED = RunObjects(job=job(), guardian=job("g"), has_task=True)
DONE = replace(STARTED, job=job(phase=JobPhase.SUCCEEDED), result=result("r1"), record=record(RecordState.UNDONE))
IDLE: tuple[str, ...] = ()


@dataclass
class Row:
    """A resource with what its target shows, and what is done."""

    name: str
    of: RunResource
    does: tuple[str, ...]
    objects: RunObjects | None = None
    target: dict[str, Any] = field(default_factory=dict)
    halted: str = ""
    at: float = 10
    complete: tuple[str, str] | None = None
    passed: tuple[str, str] | None = None
    message: str = ""
    again: timedelta | None = None


ROWS = [
    # before a run
    Row("a new experiment begins", resource(), ("AddFinalizer", "WriteStatus"),
        complete=("False", "Running"), passed=("Unknown", "Running")),
    Row("a new check begins without a finalizer", resource(DRIFT_CHECK), ("WriteStatus",),
        complete=("False", "Running")),
    Row("held", resource(DRIFT_CHECK, onCreate="Hold"), ("WriteStatus",), complete=("False", "Held"), again=RESYNC),
    Row("suspended", resource(DRIFT_CHECK, suspend=True), ("WriteStatus",), complete=("False", "Suspended")),
    Row("scheduled", resource(DRIFT_CHECK, schedule="0 * * * *"), ("WriteStatus",), complete=("False", "Scheduled"),
        again=RESYNC),
    Row("scheduled within minutes", resource(DRIFT_CHECK, schedule="5 * * * *"), ("WriteStatus",), again=timedelta(
        seconds=290), complete=("False", "Scheduled")),
    Row("a spec that does not parse", resource(steadyState={"http": {"url": "x"}}), ("WriteStatus", "PublishEvent"),
        complete=("True", "InvalidSpec"), passed=("Unknown", "InvalidSpec"), message="spec.steadyState.http.url"),
    Row("a schedule that does not parse", resource(DRIFT_CHECK, schedule="99 * * * *"), ("WriteStatus", "PublishEvent"),
        complete=("True", "InvalidSpec"), message="spec.schedule"),
    Row("no such target", resource(targets=("nowhere",)), ("WriteStatus", "PublishEvent"),
        complete=("True", "NoTargets"), passed=("Unknown", "NoTargets"), message="no TargetCluster is named nowhere"),
    Row("one of two targets does not exist", resource(targets=("finance", "nowhere")), ("WriteStatus", "PublishEvent"),
        complete=("True", "NoTargets"), message="nowhere"),
    Row("no target has the label", resource(clusters={"matchLabels": {"industry": "x"}}),
        ("WriteStatus", "PublishEvent"), complete=("True", "NoTargets"), message="no TargetCluster matches"),
    Row("a halt holds an experiment back", resource(), ("WriteStatus",), halted="by hand",
        complete=("False", "Halted"), message="by hand"),
    Row("a halt does not concern a check", resource(DRIFT_CHECK), ("WriteStatus",), halted="by hand",
        complete=("False", "Running")),
    Row("a new resource that is deleted already", resource(deleting=True), IDLE),
    Row("a finalizer of a crash before the run began", resource(finalizer=True), ("RemoveFinalizer",),
        again=timedelta(0)),
    Row("deleted with such a finalizer", resource(finalizer=True, deleting=True), ("RemoveFinalizer",)),
    # while it goes on
    Row("nothing created yet", running(), ("EnsureRun",)),
    Row("a target that came back is named before anything is created", running(job=False), ("WriteStatus",)),
    Row("it runs", running(), IDLE, STARTED, again=POLL),
    Row("the fault is on", running(), ("WriteStatus",), replace(STARTED, record=record())),
    Row("a target that is another cluster now", running(cluster_uid="c-1"), ("WriteStatus",), DONE,
        target={"cluster_uid": "c-2"}, message="leads to another cluster (c-2) than the run was begun in (c-1)"),
    Row("a target whose runs are elsewhere now", running(), ("WriteStatus",), DONE,
        target={"runnerNamespace": "elsewhere"}, message="leads to namespace elsewhere, and the run was begun in"),
    Row("a target out of reach", running(), ("WriteStatus",), target={"reachable": False}, message="waiting for"),
    Row("deleted", running(deleting=True), ("WriteStatus", "SetControl"), STARTED),
    Row("deleted while the fault is on", running(deleting=True), ("WriteStatus", "SetControl"),
        replace(STARTED, record=record())),
    Row("changed", running(changed=True), ("WriteStatus", "SetControl"), STARTED),
    Row("a changed check", running(DRIFT_CHECK, changed=True), ("DeleteRun", "WriteStatus", "PublishEvent"),
        RunObjects(job=job(), has_task=True), complete=("True", "Superseded"), passed=("Unknown", "Superseded")),
    Row("halted", running(), ("WriteStatus", "SetControl"), STARTED, halted="by hand"),
    Row("asked for again, which waits", running(annotations={"firedrill.dev/run-at": "now"}), IDLE, STARTED),
    Row("asked for again, which replaces", running(annotations={"firedrill.dev/run-at": "now"},
        concurrencyPolicy="Replace"), ("WriteStatus", "SetControl"), STARTED),
    Row("suspended now, which does not end it", running(suspend=True), IDLE, STARTED),
    Row("a shorter timeout now, which does not end it", running(timeout="14s"), IDLE, STARTED, at=50),
    Row("past its deadline", running(), ("WriteStatus", "SetControl"), STARTED, at=61),
    # its end
    Row("the result is there", running(), ("WriteStatus", "PublishEvent"), DONE,
        complete=("True", "Finished"), passed=("True", "AsExpected"), message="it is Passed", again=timedelta(0)),
    Row("it passed although it was to be deleted", running(deleting=True), ("WriteStatus", "PublishEvent"), DONE,
        complete=("True", "Finished"), passed=("True", "AsExpected")),
    Row("fenced", running(changed=True), ("WriteStatus", "PublishEvent"), replace(STARTED, record=fence()),
        complete=("True", "Superseded")),
    Row("never seen undone", running(), ("WriteStatus", "PublishEvent"),
        replace(DONE, record=record()), at=200, complete=("True", "Finished"), passed=("Unknown", "UndoNotVerified")),
    # after it
    Row("all is undone: the finalizer goes", over(finalizer=True), ("RemoveFinalizer",), again=timedelta(0)),
    Row("nothing to do", over(), IDLE, again=RESYNC),
    Row("deleted", over(deleting=True, finalizer=True), ("RemoveFinalizer",)),
    Row("something is left: it is asked for", over(settled=False, begun=True, finalizer=True), ("SetControl",),
        replace(STARTED, record=record())),
    Row("something is left, and only now it is seen that it was begun", over(settled=False, finalizer=True),
        ("SetControl", "WriteStatus"), replace(STARTED, record=record())),
    Row("something is left and was asked for", over(settled=False, begun=True, finalizer=True), IDLE,
        replace(STARTED, record=record(abort="x"))),
    Row("something is left, and deleted: it stays",
        over(settled=False, begun=True, finalizer=True, deleting=True), IDLE,
        replace(STARTED, record=record(abort="x"))),
    Row("something is left, out of reach: it stays", over(settled=False, finalizer=True, deleting=True), IDLE,
        target={"reachable": False}),
    Row("what was left is seen undone", over(settled=False, finalizer=True), ("WriteStatus",),
        replace(STARTED, record=record(RecordState.UNDONE)), again=timedelta(0), complete=("True", "Finished"),
        message="m of finance; since then all was seen undone"),
    Row("what never began is fenced", over(settled=False, finalizer=True), ("SetControl",), RunObjects()),
    Row("a person has seen to it", over(settled=False, finalizer=True, annotations={"firedrill.dev/settled": "r1"}),
        ("WriteStatus", "PublishEvent"), target={"reachable": False}, again=timedelta(0)),
    Row("a person has seen to it, and the guardian is still at it", over(settled=False, begun=True, finalizer=True,
        annotations={"firedrill.dev/settled": "r1"}), IDLE, replace(STARTED, record=record(abort="x"))),
    Row("a person has seen to what another run left",
        over(settled=False, begun=True, finalizer=True, annotations={"firedrill.dev/settled": "r0"}), IDLE,
        replace(STARTED, record=record(abort="x"))),
    Row("somebody deleted the record", over(settled=False, begun=True, finalizer=True), IDLE, RunObjects()),
    Row("somebody deleted the record, and a fence is no proof", over(settled=False, begun=True, finalizer=True), IDLE,
        RunObjects(record=fence())),
    Row("what was left is seen undone in another cluster", over(settled=False, finalizer=True, cluster_uid="c-1"), IDLE,
        replace(STARTED, record=record(RecordState.UNDONE)), target={"cluster_uid": "c-2"}),
    Row("what was left is seen undone in its own cluster", over(settled=False, finalizer=True, cluster_uid="c-1"),
        ("WriteStatus",), replace(STARTED, record=record(RecordState.UNDONE)), target={"cluster_uid": "c-1"}),
    Row("something is left: a change has to wait", with_status(over(), over(settled=False, begun=True).status
        .model_copy(update={"handled_spec": "else"})), IDLE, replace(STARTED, record=record(abort="x"))),
    Row("a spec that was wrong for a while: the last run counts again", mended(over(generation=3)), ("WriteStatus",),
        complete=("True", "Finished"), passed=("True", "P"), message="m of finance"),
    Row("suspended since", over(suspend=True, generation=2), ("WriteStatus",)),
]  # fmt: skip


def decide(row: Row) -> Decision:
    target = target_of(row.of, row.objects or RunObjects(), **row.target)
    return step(seen(row.of, target, halted=row.halted), after(row.at))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_done(row: Row) -> None:
    decision = decide(row)
    assert tuple(kinds(decision)) == row.does
    status = written(decision)
    for name, expected in (("Complete", row.complete), ("Passed", row.passed)):
        if expected:
            assert status is not None
            found = next(c for c in status.conditions if c.type == name)
            assert (found.status.value, found.reason) == expected
    if row.message:
        assert status is not None
        assert row.message in status.message
    if row.again is not None:
        assert decision.look_again == row.again


@pytest.mark.parametrize("row", [row for row in ROWS if "WriteStatus" in row.does], ids=lambda row: row.name)
def test_what_was_written_is_not_written_again(row: Row) -> None:
    """The same look at the same world after the write: one write for one piece of news."""
    status = written(decide(row))
    assert status is not None
    stored = RunStatus.model_validate(status.to_wire())
    assert stored == status, "what is read back must be what was written, else each look is a write"
    again = step(seen(with_status(row.of, stored), target_of(row.of, row.objects or RunObjects(), **row.target),
                      halted=row.halted), after(row.at + 0.1))  # fmt: skip
    repeated = written(again)
    assert repeated is None or repeated.last_run != stored.last_run or repeated.clusters != stored.clusters


def test_a_run_is_begun_under_the_name_that_a_repeated_decision_gives_it() -> None:
    first, second = (written(step(seen(resource()), after(at))) for at in (1, 2))
    assert first is not None
    assert second is not None
    assert first.last_run is not None
    assert second.last_run is not None
    assert first.last_run.id == second.last_run.id
    assert first.clusters[0].job == second.clusters[0].job


def test_the_same_request_later_is_another_run() -> None:
    """a, then b, then a again: each a new value, so each a run of its own."""
    of, ids = over(DRIFT_CHECK), []
    for value in ("a", "b", "a"):
        asked = resource(DRIFT_CHECK, of.status, annotations={"firedrill.dev/run-at": value})
        status = written(step(seen(asked), after(100)))
        assert status is not None
        assert status.last_run is not None
        ids.append(status.last_run.id)
        ended = status.last_run.model_copy(update={"finished_at": after(200)})
        of = with_status(asked, status.model_copy(update={"last_run": ended, "clusters": []}))
    assert len(set(ids)) == 3


def test_nothing_is_named_in_a_target_that_refuses_or_is_out_of_reach() -> None:
    views = [view("good"), view("far", reachable=False), view("no", suspend=True)]
    status = written(step(seen(resource(targets=("far", "good", "no")), *views), T0))
    assert status is not None
    assert {entry.name: bool(entry.job) for entry in status.clusters} == {"far": False, "good": True, "no": False}
    assert {entry.name: entry.settled for entry in status.clusters} == {"far": True, "good": False, "no": True}


def test_one_target_that_is_waited_for_holds_up_no_other() -> None:
    of = resource(targets=("good", "far"))
    begun = written(step(seen(of, view("good"), view("far", reachable=False)), T0))
    assert begun is not None
    going = with_status(of, begun)
    decision = step(seen(going, view("good"), view("far", reachable=False)), after(1))
    assert [(a.cluster, a.deadline) for a in decision.actions if isinstance(a, EnsureRun)] == [("good", after(60))]


def test_status_is_written_before_targets_are_asked_and_the_event_comes_last() -> None:
    waiting = step(seen(running(deleting=True), target_of(running(), replace(STARTED, record=record()))), after(1))
    assert [type(action) for action in waiting.actions] == [WriteStatus, SetControl]
    ended = step(seen(running(), target_of(running(), DONE)), after(1))
    assert isinstance(ended.actions[-1], PublishEvent)


def test_the_conditions_of_a_run_name_its_generation() -> None:
    status = written(step(seen(resource(generation=7)), T0))
    assert status is not None
    assert {c.observed_generation for c in status.conditions} == {7}
    assert {c.type for c in status.conditions} == {"Complete", "Passed", "Injected", "Recovered", "RecoveryVerified"}
    assert all(c.status is not ConditionStatus.TRUE for c in status.conditions)


def test_what_ends_early_speaks_of_the_generation_that_it_ran() -> None:
    """Else `kubectl wait` for a changed spec would take the end of the old run for that of the new one."""
    before = running(changed=True)
    of = with_status(before, before.status.model_copy(update={"observed_generation": 1}), generation=2)
    ended = written(step(seen(of, target_of(of, replace(STARTED, record=fence()))), after(5)))
    assert ended is not None
    assert ended.observed_generation == 1
    assert {c.observed_generation for c in ended.conditions} == {1}
    begun = written(step(seen(with_status(of, ended, generation=2)), after(6)))
    assert begun is None, "the finalizer of the old run goes first"
    free = with_status(of, ended, generation=2, finalizers=())
    begun = written(step(seen(free), after(7)))
    assert begun is not None
    assert begun.observed_generation == 2
    assert {c.observed_generation for c in begun.conditions} == {2}


def test_a_first_spec_that_was_wrong_does_not_undo_a_hold() -> None:
    held = resource(onCreate="Hold")
    refused = written(step(seen(replace(held, spec=None, invalid="spec.duration: wrong")), after(1)))
    assert refused is not None
    decision = step(seen(with_status(held, refused, generation=2)), after(2))
    told = written(decision)
    assert told is not None
    assert next((c.status, c.reason) for c in told.conditions if c.type == "Complete") == ("False", "Held")
    assert told.last_run is None


def recalled(of: RunResource, halted: str = "") -> RunStatus:
    """What status says once a refused spec is right again."""
    told = written(step(seen(mended(of), halted=halted), after(50)))
    assert told is not None
    return told


def test_a_recalled_run_speaks_of_the_spec_that_it_ran_and_keeps_its_score() -> None:
    first = over(generation=3)
    history = [first.status.history[0].model_copy(update={"score": 93})]
    of = with_status(first, first.status.model_copy(update={"history": history}))
    told = recalled(of)
    assert {c.observed_generation for c in told.conditions} == {1}
    assert (told.observed_generation, told.score, told.verdict) == (3, 93, Verdict.PASSED)


def test_a_recalled_run_that_ended_early_still_did() -> None:
    first = over(generation=3)
    assert first.status.last_run is not None
    run = first.status.last_run.model_copy(update={"ended_by": "Superseded"})
    told = recalled(with_status(first, first.status.model_copy(update={"last_run": run})))
    assert next(c.reason for c in told.conditions if c.type == "Complete") == "Superseded"


def test_a_recalled_failure_counts_for_a_threshold_though_no_history_is_kept() -> None:
    first = over(generation=3, failureThreshold={"failures": 1, "of": 1}, historyLimit=0)
    failed = [entry.model_copy(update={"verdict": Verdict.FAILED}) for entry in first.status.clusters]
    of = with_status(first, first.status.model_copy(update={"clusters": failed, "history": []}))
    assert next(c.status for c in recalled(of).conditions if c.type == "Passed") is ConditionStatus.FALSE


def test_a_halt_that_had_its_say_has_none_when_it_is_over() -> None:
    of = over(suspend=True)
    complete = Condition(type="Complete", status=ConditionStatus.TRUE, reason="Finished", message="it is Passed")
    told = of.status.model_copy(update={"message": "halted: incident 7", "conditions": [complete]})
    assert [written(step(seen(with_status(of, told)), after(50))).message] == ["it is Passed"]  # type: ignore[union-attr]


def test_a_deletion_is_told_once_and_not_as_another_generation() -> None:
    """It raises the generation of a spec that is the same."""
    first = running()
    on = with_status(first, first.status.model_copy(update={"observed_generation": 1}))
    told = written(step(seen(on, target_of(on, replace(STARTED, record=record()))), after(5)))
    assert told is not None
    deleted = with_status(on, told, generation=2, deleting=True)
    decision = step(seen(deleted, target_of(on, replace(STARTED, record=record()))), after(6))
    assert kinds(decision) == ["WriteStatus", "SetControl"]
    told = written(decision)
    assert told is not None
    assert (told.message, told.observed_generation) == ("undoing: the run was ended early: Deleted", 1)
    again = with_status(deleted, told)
    assert kinds(step(seen(again, target_of(on, replace(STARTED, record=record()))), after(7))) == ["SetControl"]
