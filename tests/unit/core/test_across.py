"""Several targets in one run: their turns, their parts, and one that stops all."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.record import RecordState
from firedrill.api.resource import RunResource
from firedrill.api.run import ClusterResult, RunStatus
from firedrill.api.safety import AcrossClusters
from firedrill.api.verdict import Verdict
from firedrill.core.across import allotment, breach, turn
from firedrill.core.actions import Action, EnsureRun, SetControl
from firedrill.core.observed import JobPhase, RunObjects
from firedrill.core.step import step
from support.seen import T0, after, job, job_of, record, resource, result, seen, view, with_status, written

NAMES = ("finance", "healthcare", "iot")


def together(**fields: Any) -> AcrossClusters:
    return AcrossClusters.model_validate(fields)


def entry(name: str, verdict: Verdict | None = None, *, begun: bool = True, **fields: Any) -> ClusterResult:
    return ClusterResult(name=name, verdict=verdict, job="firedrill/j" if begun else "", **fields)


@pytest.mark.parametrize(
    ("most", "others", "waits"),
    [
        (None, [entry("finance")], ""),
        (1, [], ""),
        (1, [entry("finance", begun=False)], ""),
        (1, [entry("finance")], "finance"),
        (1, [entry("finance", Verdict.PASSED)], ""),
        (1, [entry("finance", Verdict.ERROR, settled=False)], "finance"),
        (2, [entry("finance")], ""),
        (2, [entry("finance"), entry("healthcare")], "finance, healthcare"),
    ],
)
def test_turns(most: int | None, others: list[ClusterResult], waits: str) -> None:
    assert turn(together(maxConcurrent=most), [*others, entry("iot", begun=False)], "iot") == waits


@given(st.integers(1, 500), st.lists(st.sampled_from("abcdefghij"), min_size=1, unique=True))
def test_parts_are_all_of_it_and_nearly_equal(total: int, names: list[str]) -> None:
    parts = [allotment(together(maxAffected=total), names, name) for name in names]
    given = [part for part in parts if part is not None]
    assert sum(given) == total
    assert max(given) - min(given) <= 1


def test_without_a_bound_there_are_no_parts() -> None:
    assert allotment(together(), NAMES, "iot") is None


BY_GUARDIAN = RunObjects(record=record(RecordState.UNDONE, undone_by="guardian"))
BY_RUNNER = RunObjects(record=record(RecordState.UNDONE))


@pytest.mark.parametrize(
    ("found", "objects", "stops"),
    [
        (entry("finance"), RunObjects(), False),
        (entry("finance"), BY_RUNNER, False),
        (entry("finance"), BY_GUARDIAN, True),
        (entry("finance", Verdict.PASSED), RunObjects(), False),
        (entry("finance", Verdict.INCONCLUSIVE, reason="TargetUnreachable"), RunObjects(), False),
        (entry("finance", Verdict.INCONCLUSIVE, reason="Aborted"), RunObjects(), True),
        (entry("finance", Verdict.FAILED), RunObjects(), True),
        (entry("finance", Verdict.ERROR), RunObjects(), True),
    ],
)
def test_what_stops_all(found: ClusterResult, objects: RunObjects, stops: bool) -> None:
    assert (breach(together(abortAll=True), [found], {"finance": objects}) is not None) == stops
    assert breach(together(), [found], {"finance": objects}) is None


class Run:
    """A run in several targets, passed on from one look to the next."""

    def __init__(self, **across: Any) -> None:
        self.of: RunResource = resource(targets=NAMES, acrossClusters=across)
        self.objects: dict[str, RunObjects] = {}
        self.actions: list[Action] = []

    def look(self, now: datetime = T0) -> RunStatus:
        """What the operator writes when it looks."""
        views = [
            view(name, {job_of(self.of, name): self.objects[name]} if name in self.objects else {}) for name in NAMES
        ]
        decision = step(seen(self.of, *views), now)
        status = written(decision) or self.of.status
        self.of = with_status(self.of, status, finalizers=("firedrill.dev/undo",))
        self.actions = list(decision.actions)
        return status

    def begun(self) -> list[str]:
        """The targets whose Jobs are named."""
        return [each.name for each in self.of.status.clusters if each.job]

    def ensured(self) -> dict[str, int | None]:
        """What is created now, with the part that it has."""
        return {each.cluster: each.max_affected for each in self.actions if isinstance(each, EnsureRun)}

    def runs(self, name: str, state: RecordState = RecordState.APPLIED, **more: Any) -> None:
        """The run goes on in a target."""
        made = {"guardian": job("g"), "has_task": True, "record": record(state, run=self._id), "job": job(), **more}
        self.objects[name] = RunObjects(**made)

    def ended(self, name: str, verdict: Verdict, reason: str = "AsExpected") -> None:
        """The run has ended in a target, with nothing left."""
        done = job(phase=JobPhase.SUCCEEDED)
        self.runs(name, RecordState.UNDONE, job=done, result=result(self._id, verdict, reason))

    @property
    def _id(self) -> str:
        run = self.of.status.last_run
        assert run is not None
        return run.id


def test_one_target_after_the_other() -> None:
    run = Run(maxConcurrent=1)
    run.look()
    assert run.begun() == ["finance"]
    run.look()
    assert list(run.ensured()) == ["finance"]
    run.runs("finance")
    status = run.look()
    assert run.begun() == ["finance"]
    assert "waiting for its turn after finance" in status.message
    run.ended("finance", Verdict.PASSED)
    run.look()
    run.look()
    assert run.begun() == ["finance", "healthcare"]
    run.look()
    assert list(run.ensured()) == ["healthcare"]


def test_each_target_has_its_part() -> None:
    run = Run(maxAffected=7)
    run.look()
    run.look()
    assert run.ensured() == {"finance": 3, "healthcare": 2, "iot": 2}


def test_a_failure_ends_all_others_and_says_where_it_was() -> None:
    run = Run(abortAll=True)
    run.look()
    for name in NAMES:
        run.runs(name)
    run.look()
    run.ended("healthcare", Verdict.FAILED, "SteadyStateViolated")
    run.look()
    run.look()
    told = {each.cluster: each.control.abort for each in run.actions if isinstance(each, SetControl)}
    why = "AbortedElsewhere: SteadyStateViolated in healthcare"
    assert told == {"finance": why, "iot": why}
    for name in ("finance", "iot"):
        run.ended(name, Verdict.INCONCLUSIVE, "AbortedElsewhere")
    status = run.look(after(5))
    assert status.verdict is Verdict.FAILED
    assert [each.reason for each in status.clusters] == ["AbortedElsewhere", "SteadyStateViolated", "AbortedElsewhere"]


def test_without_the_wish_a_failure_ends_nothing_else() -> None:
    run = Run()
    run.look()
    for name in NAMES:
        run.runs(name)
    run.look()
    run.ended("healthcare", Verdict.FAILED)
    run.look()
    run.look()
    assert not [each for each in run.actions if isinstance(each, SetControl)]


def test_targets_that_wait_are_not_begun_after_a_failure() -> None:
    run = Run(maxConcurrent=1, abortAll=True)
    run.look()
    run.runs("finance")
    run.look()
    run.ended("finance", Verdict.FAILED)
    run.look()
    status = run.look()
    assert run.begun() == ["finance"]
    assert [each.reason for each in status.clusters] == ["AsExpected", "AbortedElsewhere", "AbortedElsewhere"]
    assert status.last_run is not None
    assert status.last_run.finished_at is not None
