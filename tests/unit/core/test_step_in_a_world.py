"""The step in a simulated world that crashes, lags and loses its way: what must never be, and what must come about.

The world is the truth: a resource on the hub, Jobs, records and faults in two targets. The operator sees the resource
as it is, and targets as its watches last showed them, that of Jobs and that of ConfigMaps each at its own pace. It may
crash between any two writes, and inside the one action that is several writes. Runners and guardians move on their own.
Checked all the time:

- a fault is injected at most once for (run, target), and never without a guardian;
- while something may have to be undone, the finalizer is there;
- no more runs than somebody asked for; no run twice in the history;
- no more targets are under fault at the same time than the resource allows;
- no Job is called lost, and no result missing, that the target has.

And in the end, when all is well again: Complete is True, no fault is left, a deleted resource is gone, and from then
on nothing is written (the property that is called eventually stable reconciliation).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firedrill.api.kinds import CHAOS_EXPERIMENT, DRIFT_CHECK, RunKind
from firedrill.api.record import Record, RecordState
from firedrill.api.resource import RunResource
from firedrill.api.run import RunStatus
from firedrill.api.verdict import ConditionStatus, Verdict
from firedrill.core.actions import (
    Action,
    AddFinalizer,
    Confirm,
    DeleteRun,
    EnsureRun,
    PublishEvent,
    RemoveFinalizer,
    SetControl,
    WriteStatus,
)
from firedrill.core.observed import NOTHING, JobPhase, JobView, Observed, RecordView, RunObjects, TargetView
from firedrill.core.step import step
from support.seen import T0, record, resource, result, target

CLUSTERS = ("finance", "iot")
#: What each watch shows of a run.
WATCHES = (("job", "guardian"), ("has_task", "result", "record"))
#: What a resource may say of its targets together.
TOGETHER: list[dict[str, object]] = [
    {},
    {"maxConcurrent": 1},
    {"abortAll": True},
    {"maxConcurrent": 1, "abortAll": True},
]
_ROUNDS = 400
#: In the end all is well, but one watch still shows what happened this many rounds late.
_BEHIND = 5


class Crash(Exception):
    """The operator is dead."""


@dataclass
class Cluster:
    """One target as it really is."""

    runs: dict[str, RunObjects] = field(default_factory=dict)
    faults: set[str] = field(default_factory=set)
    injected: Counter[str] = field(default_factory=Counter)
    dead: set[str] = field(default_factory=set)
    reachable: bool = True
    deadline: dict[str, datetime] = field(default_factory=dict)
    run_of: dict[str, str] = field(default_factory=dict)

    def of(self, job: str) -> RunObjects:
        """What there is of a run."""
        return self.runs.get(job, NOTHING)

    def change(self, name: str, **parts: object) -> None:
        """Change a part of it."""
        self.runs[name] = replace(self.of(name), **parts)  # type: ignore[arg-type]


class World(RuleBasedStateMachine):
    """One resource, two targets, one operator at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.kind: RunKind = CHAOS_EXPERIMENT
        self.slow = WATCHES[0]
        self.spec: dict[str, object] = {}
        self.generation = 1
        self.version = 1
        self.annotations: dict[str, str] = {}
        self.status = RunStatus()
        self.finalizer = False
        self.deleting = False
        self.exists = True
        self.clusters = {name: Cluster() for name in CLUSTERS}
        self.seen: dict[str, dict[str, RunObjects]] = {name: {} for name in CLUSTERS}
        self.asked = 1
        self.started: set[str] = set()
        self.halted = False

    # -- people ----------------------------------------------------------------------------------------------------

    @initialize(
        kind=st.sampled_from([CHAOS_EXPERIMENT, DRIFT_CHECK]),
        replaces=st.booleans(),
        slow=st.sampled_from(WATCHES),
        together=st.sampled_from(TOGETHER),
    )
    def begin(self, kind: RunKind, replaces: bool, slow: tuple[str, ...], together: dict[str, object]) -> None:
        self.kind = kind
        self.slow = slow
        self.spec = {"concurrencyPolicy": "Replace"} if replaces else {}
        if kind is CHAOS_EXPERIMENT and together:
            self.spec["acrossClusters"] = together

    @precondition(lambda self: self.exists)
    @rule(timeout=st.sampled_from(["40s", "50s", "60s"]))
    def change_the_spec(self, timeout: str) -> None:
        if self.spec.get("timeout", "60s") != timeout:
            self.spec["timeout"] = timeout
            self.generation += 1
            self.version += 1
            self.asked += 1

    @precondition(lambda self: self.exists)
    @rule(value=st.sampled_from(["a", "b", "c"]))
    def ask_for_a_run(self, value: str) -> None:
        if self.annotations.get("firedrill.dev/run-at") != value:
            self.annotations = {"firedrill.dev/run-at": value}
            self.version += 1
            self.asked += 1

    @precondition(lambda self: self.exists)
    @rule(suspend=st.booleans())
    def suspend(self, suspend: bool) -> None:
        self.spec["suspend"] = suspend
        self.generation += 1
        self.version += 1

    @precondition(lambda self: self.exists and not self.deleting)
    @rule()
    def delete(self) -> None:
        self.deleting = self.finalizer
        self.exists = self.finalizer
        self.version += 1

    @rule(halted=st.booleans())
    def halt(self, halted: bool) -> None:
        self.halted = halted

    # -- what goes wrong -------------------------------------------------------------------------------------------

    @rule(cluster=st.sampled_from(CLUSTERS), reachable=st.booleans())
    def cut_or_mend(self, cluster: str, reachable: bool) -> None:
        self.clusters[cluster].reachable = reachable

    @rule(seconds=st.sampled_from([1, 5, 30, 61, 200]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(cluster=st.sampled_from(CLUSTERS))
    def a_runner_dies(self, cluster: str) -> None:
        found = self.clusters[cluster]
        for job, objects in found.runs.items():
            if objects.job is not None and objects.job.phase is JobPhase.ACTIVE:
                found.dead.add(job)

    # -- what moves by itself --------------------------------------------------------------------------------------

    @rule(cluster=st.sampled_from(CLUSTERS), which=st.sampled_from(WATCHES))
    def a_watch_catches_up(self, cluster: str, which: tuple[str, ...]) -> None:
        there, seen = self.clusters[cluster], self.seen[cluster]
        if not there.reachable:
            return
        for job in there.runs.keys() | seen.keys():
            shown, known = {part: getattr(there.of(job), part) for part in which}, seen.get(job, NOTHING)
            if any(getattr(known, part) != shown[part] for part in which):
                seen[job] = replace(known, **shown, confirmed=False)

    @rule(cluster=st.sampled_from(CLUSTERS))
    def runners_go_on(self, cluster: str) -> None:
        found = self.clusters[cluster]
        for job in list(found.runs):
            self._runner(found, job)

    @rule(cluster=st.sampled_from(CLUSTERS))
    def guardians_look(self, cluster: str) -> None:
        found = self.clusters[cluster]
        for job in list(found.runs):
            self._guardian(found, job)

    def _runner(self, cluster: Cluster, job: str) -> None:
        objects = cluster.of(job)
        if objects.job is None or objects.job.phase is not JobPhase.ACTIVE:
            return
        if job in cluster.dead:
            cluster.change(job, job=replace(objects.job, phase=JobPhase.FAILED))
            return
        if not objects.has_task:
            return
        run = cluster.run_of[job]
        if self.kind.mutates:
            going = self._experiment(cluster, job, objects, run)
            if going:
                return
        view = cluster.of(job).record
        abort = view.control.abort if view else ""
        verdict = Verdict.INCONCLUSIVE if abort else Verdict.PASSED
        cluster.change(
            job, result=result(run, verdict, abort or "AsExpected"), job=replace(objects.job, phase=JobPhase.SUCCEEDED)
        )

    def _experiment(self, cluster: Cluster, job: str, objects: RunObjects, run: str) -> bool:
        """One move; whether it goes on."""
        view = objects.record
        if view is None:
            claimed = record(RecordState.PREPARED, run=run, deadline=cluster.deadline[job])
            cluster.change(job, record=claimed)
            return True
        if view.record is None or view.record.state.settled:
            return False
        moved = {
            RecordState.PREPARED: RecordState.UNDONE if view.control.abort else RecordState.APPLYING,
            RecordState.APPLYING: RecordState.APPLIED,
            RecordState.APPLIED: RecordState.UNDOING,
            RecordState.UNDOING: RecordState.UNDONE,
        }[view.record.state]
        if moved is RecordState.APPLYING:
            if objects.guardian is None:
                return True
            cluster.injected[job] += 1
            cluster.faults.add(job)
        if moved is RecordState.UNDONE:
            cluster.faults.discard(job)
        self._move(cluster, job, view, moved)
        return True

    def _guardian(self, cluster: Cluster, job: str) -> None:
        objects = cluster.of(job)
        view = objects.record
        if objects.guardian is None or view is None or view.record is None or view.record.state.settled:
            return
        over = objects.job is None or objects.job.phase is not JobPhase.ACTIVE or job in cluster.dead
        if over or view.control.abort or self.now >= view.record.deadline:
            cluster.faults.discard(job)
            self._move(cluster, job, view, RecordState.UNDONE)

    @staticmethod
    def _move(cluster: Cluster, job: str, view: RecordView, state: RecordState) -> None:
        assert view.record is not None
        made: Record = view.record.model_copy(update={"state": state})
        if state is RecordState.APPLIED:
            made = made.model_copy(update={"applied_at": T0})
        cluster.change(job, record=RecordView(made, view.control))

    # -- the operator ----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.exists)
    @rule(crash_after=st.one_of(st.none(), st.integers(0, 6)))
    def the_operator_looks(self, crash_after: int | None) -> None:
        self._pass(crash_after)

    def _resource(self) -> RunResource:
        return resource(
            self.kind,
            self.status,
            annotations=self.annotations,
            finalizer=self.finalizer,
            deleting=self.deleting,
            generation=self.generation,
            targets=CLUSTERS,
            **self.spec,
        )

    def _observed(self) -> Observed:
        of, views = self._resource(), {}
        for name, cluster in self.clusters.items():
            message = "" if cluster.reachable else "connection refused"
            views[name] = TargetView(target(name), cluster.reachable, message, dict(self.seen[name]))
        return Observed(of, views, "by hand" if self.halted and self.kind.mutates else "")

    def _pass(self, crash_after: int | None = None) -> tuple[Action, ...]:
        decision = step(self._observed(), self.now)
        budget = iter(range(10_000 if crash_after is None else crash_after))
        failed: set[str] = set()
        try:
            for action in decision.actions:
                self._carry_out(action, budget, failed)
        except Crash:
            return decision.actions
        return decision.actions

    def _carry_out(self, action: Action, budget: Iterator[int], failed: set[str]) -> None:
        def write() -> None:
            if next(budget, None) is None:
                raise Crash

        match action:
            case AddFinalizer():
                write()
                if self.deleting:
                    raise Crash  # refused by the API server: the pass ends
                self.finalizer = True
            case RemoveFinalizer():
                write()
                self.finalizer = False
                if self.deleting:
                    self.exists = False
            case WriteStatus(status):
                write()
                self.status = RunStatus.model_validate(status.to_wire())
                if status.last_run:
                    self.started.add(status.last_run.id)
            case PublishEvent():
                write()
            case EnsureRun() | SetControl() | DeleteRun() | Confirm():
                cluster = self.clusters[action.cluster]
                if not cluster.reachable or action.cluster in failed:
                    failed.add(action.cluster)
                    return
                self._in_target(action, cluster, write)

    def _in_target(self, action: EnsureRun | SetControl | DeleteRun | Confirm, cluster: Cluster, write) -> None:
        objects = cluster.of(action.job)
        match action:
            case EnsureRun():
                cluster.deadline[action.job] = action.deadline
                cluster.run_of[action.job] = action.run_id
                write()
                if objects.job is None:
                    cluster.change(action.job, job=JobView(action.job, "u", JobPhase.ACTIVE))
                if self.kind.mutates:
                    write()
                    cluster.change(
                        action.job, guardian=cluster.of(action.job).guardian or JobView("g", "g", JobPhase.ACTIVE)
                    )
                write()
                cluster.change(action.job, has_task=True)
            case SetControl(control=control):
                write()
                found = objects.record
                cluster.change(action.job, record=RecordView(found.record if found else None, control))
            case DeleteRun():
                write()
                cluster.runs.pop(action.job, None)
            case Confirm():
                self.seen[action.cluster][action.job] = replace(objects, confirmed=True)

    # -- what must never be ----------------------------------------------------------------------------------------

    @invariant()
    def a_fault_is_injected_at_most_once(self) -> None:
        for cluster in self.clusters.values():
            assert all(count <= 1 for count in cluster.injected.values()), cluster.injected

    @invariant()
    def the_finalizer_is_there_while_something_may_have_to_be_undone(self) -> None:
        for cluster in self.clusters.values():
            for job, objects in cluster.runs.items():
                may_begin = objects.record is None and objects.job is not None and objects.job.phase is JobPhase.ACTIVE
                unsettled = objects.record is not None and not objects.record.settled
                if self.kind.mutates and (may_begin or unsettled or job in cluster.faults):
                    assert self.finalizer, job
                    assert self.exists, job

    @invariant()
    def no_more_runs_than_asked_for(self) -> None:
        assert len(self.started) <= self.asked
        assert not {"JobLost", "ResultMissing"} & {entry.reason for entry in self.status.clusters}, "nobody deleted it"
        ids = [entry.id for entry in self.status.history]
        assert len(ids) == len(set(ids)), ids

    @invariant()
    def no_more_targets_are_under_fault_than_allowed(self) -> None:
        together = self.spec.get("acrossClusters", {})
        assert isinstance(together, dict)
        under_fault = [name for name, cluster in self.clusters.items() if cluster.faults]
        assert len(under_fault) <= together.get("maxConcurrent", len(CLUSTERS)), under_fault

    # -- what must come about --------------------------------------------------------------------------------------

    def teardown(self) -> None:
        self.halted = False
        for cluster in self.clusters.values():
            cluster.reachable = True
        for turn in range(_ROUNDS):
            for name in CLUSTERS:
                self.runners_go_on(name)
                self.guardians_look(name)
                for which in WATCHES if turn % _BEHIND == 0 else (w for w in WATCHES if w != self.slow):
                    self.a_watch_catches_up(name, which)
            if not self.exists:
                break
            if not self._pass() and not self._running() and turn % _BEHIND == 0:
                break
            self.now += timedelta(seconds=2)
            self.no_more_runs_than_asked_for()
            self.the_finalizer_is_there_while_something_may_have_to_be_undone()
            self.no_more_targets_are_under_fault_than_allowed()
        self._settled()

    def _running(self) -> bool:
        run = self.status.last_run
        return run is not None and (run.finished_at is None or not all(c.settled for c in self.status.clusters))

    def _settled(self) -> None:
        for cluster in self.clusters.values():
            assert not cluster.faults
        if not self.exists:
            return
        assert not self.deleting, "a deleted resource stays"
        assert not self.finalizer
        assert not self._running(), self.status
        complete = next((c for c in self.status.conditions if c.type == "Complete"), None)
        never_started = self.spec.get("suspend") and self.status.last_run is None
        assert complete is not None
        assert complete.status is ConditionStatus.TRUE or never_started, complete
        for _ in range(3):
            self.now += timedelta(minutes=11)
            assert self._pass() == (), "something is written though nothing has happened"


World.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestWorld = World.TestCase
