"""What a run builds and leaves standing: where it stands, how it fares, and how it goes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from firedrill.api.kinds import SIMULATION
from firedrill.api.meta import ANNOTATION_SETTLED, FINALIZER
from firedrill.api.resource import RunResource
from firedrill.api.simulation_status import ServicesState, SimulationState, SimulationStatus, SloState
from firedrill.api.verdict import Verdict
from firedrill.core.actions import AddFinalizer, EnsureRun, RemoveFinalizer, WriteStatus
from firedrill.core.observed import JobPhase, Observed, RunObjects, TargetView
from firedrill.core.standing import RETRY_AFTER, TRY_AGAIN_AFTER, standing_of
from firedrill.core.step import step
from support.seen import T0, after, job, resource, result, target

Answer = Callable[[EnsureRun], Verdict]
BOTH = ("finance", "iot")


def passes(_: EnsureRun) -> Verdict:
    return Verdict.PASSED


@dataclass
class World:
    """A hub and targets whose Jobs answer at once; steps are taken until none has anything to write."""

    of: RunResource
    answer: Answer = passes
    targets: dict[str, TargetView] = field(
        default_factory=lambda: {name: TargetView(target(name), True, "", {}, f"cluster-{name}") for name in BOTH}
    )
    jobs: list[EnsureRun] = field(default_factory=list)
    now: datetime = T0
    writes: int = 0

    def settle(self) -> "World":
        """Take steps until nothing changes; a person would see what is left then."""
        for _ in range(40):
            decision = step(Observed(self.of, self.targets), self.now)
            if not decision.actions:
                return self
            for action in decision.actions:
                self._carry_out(action)
        raise AssertionError("it never comes to rest")

    def _carry_out(self, action: Any) -> None:
        match action:
            case AddFinalizer():
                self._meta(finalizers=(FINALIZER,))
            case RemoveFinalizer():
                self._meta(finalizers=())
            case WriteStatus(status):
                self.writes += 1
                self.of = replace(self.of, status=status)
            case EnsureRun():
                self.jobs.append(action)
                found = result(action.run_id, self.answer(action))
                objects = RunObjects(job(action.job, JobPhase.SUCCEEDED), None, True, found)
                self.show(action.cluster, {action.job: objects})
            case _:
                pass

    def _meta(self, **changes: Any) -> None:
        self.of = replace(self.of, meta=replace(self.of.meta, **changes))

    def show(self, cluster: str, runs: Mapping[str, RunObjects]) -> None:
        """Let a target hold more objects."""
        known = self.targets[cluster]
        self.targets[cluster] = replace(known, runs={**known.runs, **runs})

    def delete(self, **meta: Any) -> "World":
        self._meta(deleting=True, **meta)
        return self.settle()

    def change(self, *targets: str, **spec: Any) -> "World":
        """A person changes the spec."""
        after_it = resource(SIMULATION, targets=targets or ("finance",), generation=2, **spec)
        self.of = replace(after_it, status=self.of.status, meta=replace(self.of.meta, generation=2))
        return self.settle()

    @property
    def status(self) -> SimulationStatus:
        assert isinstance(self.of.status, SimulationStatus)
        return self.of.status

    @property
    def stands_in(self) -> list[str]:
        return [each.name for each in standing_of(self.of.status)]


def world(*targets: str, answer: Answer = passes, **spec: Any) -> World:
    return World(resource(SIMULATION, targets=targets or ("finance",), **spec), answer)


def test_a_run_builds_and_what_it_built_keeps_the_resource() -> None:
    built = world().settle()
    assert [(j.cluster, j.remove) for j in built.jobs] == [("finance", False)]
    assert built.status.verdict is Verdict.PASSED
    assert built.stands_in == ["finance"]
    assert built.of.meta.finalizers == (FINALIZER,)


def test_deletion_removes_and_only_then_lets_the_resource_go() -> None:
    gone = world().settle().delete()
    assert [j.remove for j in gone.jobs] == [False, True]
    assert gone.stands_in == []
    assert gone.of.meta.finalizers == ()


def test_deletion_of_one_that_never_built_lets_it_go_at_once() -> None:
    never = world(suspend=True).settle().delete()
    assert never.jobs == []
    assert never.of.meta.finalizers == ()


def test_a_removal_that_does_not_pass_is_tried_again_later() -> None:
    answers = iter([Verdict.PASSED, Verdict.INCONCLUSIVE, Verdict.PASSED])
    held = world(answer=lambda _: next(answers)).settle().delete()
    assert held.of.meta.finalizers == (FINALIZER,)
    assert held.stands_in == ["finance"]
    assert len(held.jobs) == 2, "not at once"
    held.now = T0 + RETRY_AFTER
    held.settle()
    assert [j.remove for j in held.jobs] == [False, True, True]
    assert len({j.job for j in held.jobs}) == 3
    assert held.of.meta.finalizers == ()


def test_a_target_that_is_not_selected_any_more_is_cleared_by_the_next_run() -> None:
    moved = world("finance").settle().change("iot")
    assert {(j.cluster, j.remove) for j in moved.jobs[1:]} == {("iot", False), ("finance", True)}
    assert moved.stands_in == ["iot"]
    assert moved.of.meta.finalizers == (FINALIZER,)


def test_a_failed_build_may_have_left_something() -> None:
    failed = world(answer=lambda _: Verdict.FAILED).settle()
    assert failed.status.verdict is Verdict.FAILED
    assert failed.stands_in == ["finance"]
    failed.answer = passes
    assert failed.delete().of.meta.finalizers == ()
    assert failed.jobs[-1].remove


def test_removal_needs_no_permission() -> None:
    """A policy that forbids the kind by now must not keep what stands."""
    forbidden = world().settle()
    forbidden.targets["finance"] = replace(
        forbidden.targets["finance"], target=target("finance", policy={"kinds": ["DriftCheck"]})
    )
    assert forbidden.delete().of.meta.finalizers == ()
    assert forbidden.jobs[-1].remove


def test_removal_needs_no_spec_that_can_be_read() -> None:
    odd = world().settle()
    odd.of = replace(odd.of, spec=None, invalid="spec.source: can not be read by this version")
    assert odd.delete().of.meta.finalizers == ()
    assert odd.jobs[-1].remove


@pytest.mark.parametrize("how", ["unreachable", "gone", "another cluster"])
def test_what_is_out_of_sight_keeps_the_resource_until_a_person_says_that_nothing_is_left(how: str) -> None:
    built = world().settle()
    seen_before = built.targets["finance"]
    if how == "unreachable":
        built.targets["finance"] = replace(seen_before, reachable=False, message="connection refused", runs={})
    elif how == "gone":
        del built.targets["finance"]
    else:
        built.targets["finance"] = replace(seen_before, cluster_uid="cluster-other", runs={})
        built.answer = lambda _: Verdict.INCONCLUSIVE
    built.delete()
    built.now = after(7200)
    built.settle()
    assert built.of.meta.finalizers == (FINALIZER,)
    if how != "another cluster":
        assert f"{ANNOTATION_SETTLED}=finance" in built.status.message
    built.delete(annotations={ANNOTATION_SETTLED: "iot"})
    assert built.of.meta.finalizers == (FINALIZER,), "that is another target"
    built.delete(annotations={ANNOTATION_SETTLED: "iot,finance"})
    assert built.of.meta.finalizers == ()


def test_a_word_that_nothing_is_left_does_not_count_where_it_can_be_seen() -> None:
    built = world(annotations={ANNOTATION_SETTLED: "finance"}).settle()
    assert built.stands_in == ["finance"]


def told(ready: int, budget: float, rate: float, *, met: bool = True) -> RunObjects:
    slo = SloState(name="pay", objective=0.99, value=0.995, budget_left=budget, met=met)
    services = ServicesState(ready=ready, wanted=2)
    return RunObjects(state=SimulationState(uid="u", namespace="bank", services=services, rate=rate, slos=[slo]))


def test_status_shows_what_the_targets_tell() -> None:
    built = world("finance", "iot").settle()
    built.show("finance", {"standing": told(2, 0.5, 10.0)})
    built.show("iot", {"standing": told(1, 0.2, 5.0, met=False)})
    built.settle()
    status = built.status
    assert (status.services, status.rate, status.slos, status.budget_left) == ("3/4", "15.0/s", "1/2", "20%")
    writes = built.writes
    built.settle()
    assert built.writes == writes, "what has not changed costs no write"


def test_what_a_target_out_of_reach_told_last_stays_and_is_not_shown_as_if_it_were_seen() -> None:
    built = world().settle()
    built.show("finance", {"standing": told(2, 0.5, 10.0)})
    built.settle()
    in_reach = built.targets["finance"]
    built.targets["finance"] = replace(in_reach, reachable=False, runs={})
    built.settle()
    state = built.status.standing[0].state
    assert (built.status.services, state and state.services.ready) == ("", 2)
    assert built.status.standing[0].out_of_sight
    built.targets["finance"] = in_reach
    assert built.settle().status.services == "2/2"


def test_nothing_is_built_or_removed_where_a_target_leads_elsewhere_by_now() -> None:
    built = world().settle()
    built.targets["finance"] = replace(built.targets["finance"], cluster_uid="cluster-other", runs={})
    built.change("finance", seed=7)
    built.now = after(3600)
    built.settle().delete()
    built.now = after(7200)
    built.settle()
    assert [j.remove for j in built.jobs] == [False], "no Job in the other cluster"
    assert (built.stands_in, built.of.meta.finalizers) == (["finance"], (FINALIZER,))
    assert "another cluster" in built.status.message


def test_what_is_not_seen_removed_from_a_target_that_is_not_selected_is_tried_again() -> None:
    answers: dict[str, Verdict] = {"finance": Verdict.INCONCLUSIVE}
    moved = world("finance").settle()
    moved.answer = lambda run: answers.get(run.cluster, Verdict.PASSED)
    moved.change("iot")
    assert moved.stands_in == ["finance", "iot"]
    tried = len(moved.jobs)
    moved.settle()
    assert len(moved.jobs) == tried, "not at once"
    answers.clear()
    moved.now = T0 + TRY_AGAIN_AFTER
    assert moved.settle().stands_in == ["iot"]


def test_a_build_that_found_no_target_is_tried_again() -> None:
    """Argo CD may apply a Simulation before the TargetCluster that it names."""
    early = world("later").settle()
    assert early.jobs == []
    early.targets["later"] = TargetView(target("later"), True, "", {}, "cluster-later")
    early.now = T0 + TRY_AGAIN_AFTER
    assert early.settle().stands_in == ["later"]
    passed = len(early.jobs)
    early.now = after(86400)
    early.settle()
    assert len(early.jobs) == passed, "what stands is not built again"


def test_a_removed_simulation_shows_nothing() -> None:
    moved = world("finance").settle()
    moved.show("finance", {"standing": told(2, 0.5, 10.0)})
    moved.settle().change("iot")
    assert moved.status.services == ""
