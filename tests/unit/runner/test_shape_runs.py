"""Experiments of several faults, of stages, of repetitions, and such as are ended by a condition."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from chaos_lab import PACKET_LOSS, POD_KILL, WRONG_SELECTOR, Lab, spec, steps_spec, task
from shape_lab import (
    ABORTED,
    FOLLOWED,
    IN_PARALLEL,
    IN_SEQUENCE,
    LATE_BESIDE,
    REPEATED,
    SAME_IN_SEQUENCE,
    at,
    ended,
    lab,
    measured,
    timeline,
)

from firedrill.api.changes import ChangeState
from firedrill.api.probe import Probe
from firedrill.api.record import Record, RecordState
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Unreachable

Object = dict[str, Any]


async def watched(played: Lab, look: Callable[[Record], None]) -> None:
    """Play, and look at the record again and again."""

    async def looking() -> None:
        while True:
            record = played.record()
            if record is not None:
                look(record)
            await played.clock.sleep(0.05)

    async def both() -> None:
        looker = asyncio.ensure_future(looking())
        await played.both(played.runner_process())
        looker.cancel()

    await played.clock.run(both())


async def test_steps_follow_each_other_and_the_first_is_undone_before_the_second() -> None:
    played = lab(IN_SEQUENCE)
    at_once: set[tuple[str, ...]] = set()
    await watched(
        played,
        lambda record: at_once.add(tuple(c.step for c in record.changes if c.state is ChangeState.APPLIED)),
    )
    assert ended(played) == (Verdict.PASSED, "SteadyStateHeld")
    assert at_once == {(), ("loss",), ("selector",)}
    assert at(played, "step loss: undone") < at(played, "step selector: the fault is in place")
    assert played.problems() == []


async def test_steps_side_by_side_are_on_at_the_same_time_and_end_each_at_its_own() -> None:
    played = lab(IN_PARALLEL)
    at_once: set[tuple[str, ...]] = set()
    await watched(
        played,
        lambda record: at_once.add(tuple(c.step for c in record.changes if c.state is ChangeState.APPLIED)),
    )
    assert ended(played) == (Verdict.PASSED, "SteadyStateHeld")
    assert ("loss", "selector") in at_once
    assert ("selector",) in at_once
    assert at(played, "step loss: undone") < at(played, "step selector: the fault is to end")


async def test_a_fault_follows_to_the_pod_that_comes_in_place_of_one_under_it() -> None:
    played = lab(FOLLOWED)
    await watched(played, lambda _record: None)
    assert ended(played) == (Verdict.PASSED, "SteadyStateHeld")
    record = played.record()
    assert record is not None
    first, second = [change.name for change in record.changes if not change.step]
    (came,) = [change for change in record.changes if change.step == "+1"]
    assert came.name not in (first, second)
    assert came.applied_at
    assert came.seconds < 24  # type: ignore[union-attr]
    assert f"the fault has followed to {came.name}" in timeline(played)
    assert played.problems() == []


@pytest.mark.parametrize("restored", ["ledger-1-0", "ledger-1-late"], ids=["hit at first", "followed to"])
async def test_a_pod_that_came_hides_no_other_that_somebody_has_freed(restored: str) -> None:
    fault = {"podFailure": {}}
    played = Lab(task(spec(fault, timeout="10m", duration="30s", target={**spec({})["target"], "mode": "All"})))
    played.world.put(paths.path("apps/v1", "replicasets", "payments", "ledger-1"), _one_more(played))

    async def meddle() -> None:
        while (record := played.record()) is None or record.state is not RecordState.APPLIED:
            await played.clock.sleep(0.1)
        owner = played.world.objects[paths.path("apps/v1", "replicasets", "payments", "ledger-1")]
        played.world.pod("ledger-1-late", owner, {"app": "ledger"})
        await played.clock.sleep(14)
        body = played.world.objects[paths.pods("payments", restored)]
        body["spec"]["containers"][0]["image"] = "ledger:1"
        played.world.put(paths.pods("payments", restored), body)

    async def both() -> None:
        await asyncio.gather(played.both(played.runner_process()), meddle())

    await played.clock.run(both())
    assert ended(played) == (Verdict.INCONCLUSIVE, "Reverted")
    assert played.result is not None
    assert restored in played.result.message


def _one_more(played: Lab) -> Object:
    """The ReplicaSet, meant to have three pods."""
    body = played.world.objects[paths.path("apps/v1", "replicasets", "payments", "ledger-1")]
    return {**body, "spec": {**body["spec"], "replicas": 3}}


async def test_a_fault_that_is_not_to_follow_stays_with_the_pods_that_it_has_hit() -> None:
    target = {**FOLLOWED["target"], "follow": False}
    played = Lab(task({**FOLLOWED, "target": target}))
    played.replaces_a_pod = True
    await watched(played, lambda _record: None)
    record = played.record()
    assert record is not None
    assert [change.step for change in record.changes] == ["", ""]
    assert played.problems() == []


async def test_what_is_added_is_carried_out_only_once_the_guardian_has_seen_it() -> None:
    played = lab(LATE_BESIDE)

    def look(record: Record) -> None:
        begun = [c for c in record.changes if c.state is not ChangeState.LISTED]
        if record.state.begun and not record.state.settled:
            assert record.guardian is not None
            assert record.guardian.changes >= len(begun)

    await watched(played, look)
    assert ended(played) == (Verdict.PASSED, "SteadyStateHeld")


async def test_nothing_more_is_injected_where_the_guardian_may_not_undo_it() -> None:
    played = lab(IN_SEQUENCE)
    played.world.forbidden.add(("patch", "services"))
    await played.play()
    assert ended(played) == (Verdict.INCONCLUSIVE, "GuardianNotPermitted")
    assert played.problems() == []
    record = played.record()
    assert record is not None
    assert [(c.step, c.applied_at is not None) for c in record.changes] == [("loss", True), ("selector", False)]
    assert record.changes[1].evidence == "was never carried out"


async def test_a_guardian_that_is_gone_stops_what_is_to_come() -> None:
    played = lab(IN_SEQUENCE)

    async def play() -> None:
        guardian = asyncio.ensure_future(played.guardian())
        runner = asyncio.ensure_future(played.runner(played.runner_process()))
        while (record := played.record()) is None or record.state is not RecordState.APPLIED:
            await played.clock.sleep(0.01)
        guardian.cancel()
        played.world.objects[paths.pods("firedrill", "guardian-pod-1")]["status"]["phase"] = "Failed"
        await runner

    await played.clock.run(play())
    assert ended(played) == (Verdict.INCONCLUSIVE, "GuardianNotReady")
    assert played.problems() == []


@pytest.mark.parametrize(
    "shape",
    [
        {**SAME_IN_SEQUENCE, "steps": [SAME_IN_SEQUENCE["steps"][0], {**SAME_IN_SEQUENCE["steps"][1], "delay": "5m"}]},
        {**REPEATED, "repeat": {"times": 2, "pause": "5m"}},
    ],
    ids=["delay", "pause"],
)
async def test_a_long_rest_is_not_taken_for_a_runner_that_hangs(shape: Object) -> None:
    played = lab({**shape, "timeout": "15m"})

    def look(record: Record) -> None:
        assert record.state.settled or played.clock.now() < record.deadline

    await watched(played, look)
    assert ended(played) == (Verdict.PASSED, "SteadyStateHeld")
    record = played.record()
    assert record is not None
    assert record.undone_by == "runner"


async def test_a_step_that_takes_long_to_be_undone_is_not_taken_for_a_runner_that_hangs() -> None:
    played = lab(IN_SEQUENCE)

    def slow_from_then_on(record: Record) -> None:
        played.world.container_delay = 45.0 if record.state is RecordState.APPLIED else 0.8

    await watched(played, slow_from_then_on)
    assert ended(played) == (Verdict.PASSED, "SteadyStateHeld"), played.result and played.result.message
    assert at(played, "step loss: undone") - at(played, "step loss: the fault is to end") > timedelta(seconds=40)
    record = played.record()
    assert record is not None
    assert record.undone_by == "runner"


async def test_the_deadline_covers_what_is_in_place_and_little_more() -> None:
    played = lab(LATE_BESIDE)
    margins: list[timedelta] = []

    def look(record: Record) -> None:
        if record.state is RecordState.APPLIED and any(c.state is ChangeState.APPLIED for c in record.changes):
            margins.append(record.deadline - played.clock.now())

    await watched(played, look)
    assert min(margins) > timedelta(seconds=20)
    assert max(margins) < timedelta(seconds=9 + 60 + 3 + 31)


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [(1, (Verdict.INCONCLUSIVE, "NotPermitted")), (2, (Verdict.PASSED, "SteadyStateHeld"))],
)
async def test_steps_side_by_side_spend_a_disruption_budget_together(
    allowed: int, expected: tuple[Verdict, str]
) -> None:
    target = spec({})["target"]
    first, second = (
        {"name": name, "target": {**target, "names": [pod]}, "fault": {"podFailure": {}}}
        for name, pod in (("a", "ledger-1-0"), ("b", "ledger-1-1"))
    )
    played = lab(steps_spec(first, second))
    budget = {
        "metadata": {"generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "ledger"}}},
        "status": {"disruptionsAllowed": allowed, "observedGeneration": 1},
    }
    played.world.put(paths.path("policy/v1", "poddisruptionbudgets", "payments", "ledger"), budget)
    played.take_as_given()
    await played.play()
    assert ended(played) == expected
    assert played.problems() == []


@pytest.mark.parametrize("delay", ["0s", "2s"])
async def test_two_steps_that_would_change_the_same_are_not_on_together(delay: str) -> None:
    shape = steps_spec(
        {"name": "a", "fault": {"wrongPort": {"service": "ledger"}}, "duration": "9s"},
        {"name": "b", "fault": WRONG_SELECTOR, "delay": delay},
    )
    played = lab(shape)
    await played.play()
    assert ended(played) == (Verdict.INCONCLUSIVE, "StepsOverlap")
    assert "Service payments/ledger" in (played.result.message if played.result else "")
    assert played.problems() == []


async def test_an_experiment_that_came_between_two_steps_is_not_disturbed() -> None:
    played = lab(IN_SEQUENCE)
    foreign = Record.model_validate(
        {
            "uid": "u",
            "runId": "other",
            "cluster": "finance",
            "kind": "ChaosExperiment",
            "claim": "p",
            "state": "Prepared",
            "deadline": "2026-07-01T13:00:00Z",
            "changes": [
                {
                    "type": "ObjectEdited",
                    "namespace": "payments",
                    "name": "ledger",
                    "uid": "s",
                    "api": "v1",
                    "plural": "services",
                    "kind": "Service",
                    "edits": [],
                }
            ],
        }
    )

    async def other() -> None:
        await played.clock.sleep(6)
        played.world.put(
            paths.configmaps("firedrill", "other-record"),
            {
                "metadata": {"labels": {"firedrill.dev/managed": "true", "firedrill.dev/role": "record"}},
                "data": {"record.json": foreign.model_dump_json(by_alias=True)},
            },
        )

    async def both() -> None:
        await asyncio.gather(played.both(played.runner_process()), other())

    await played.clock.run(both())
    assert ended(played) == (Verdict.INCONCLUSIVE, "Busy")
    assert played.problems() == []


async def test_a_step_that_is_not_permitted_any_more_ends_the_run() -> None:
    played = lab(IN_SEQUENCE)

    async def opted_out() -> None:
        await played.clock.sleep(6)
        played.world.put(paths.namespaces("payments"), {"metadata": {"labels": {}}})

    async def both() -> None:
        await asyncio.gather(played.both(played.runner_process()), opted_out())

    await played.clock.run(both())
    assert ended(played) == (Verdict.INCONCLUSIVE, "NotPermitted")
    assert played.result is not None
    assert {item.type: item.status for item in played.result.findings}["Injected"] == "True", "the first step was"
    assert played.problems() == []


# -- conditions that end it


async def test_a_condition_that_is_met_ends_the_run_at_once_and_nothing_more_is_injected() -> None:
    played = lab(ABORTED)
    await played.play()
    assert ended(played) == (Verdict.FAILED, "AbortConditionMet")
    assert played.result is not None
    assert "abort.nobody-answers was" in played.result.message
    found = measured(played)["abort.nobody-answers"]
    assert found.passed is False
    assert found.limit == "<= 0.5"
    assert at(played, "undoing") - at(played, "step scale: the fault is in place") < timedelta(seconds=5)
    record = played.record()
    assert record is not None
    assert [change.step for change in record.changes] == ["scale"]
    assert {item.type: item.status for item in played.result.findings}["RecoveryVerified"] == "True"


async def test_a_condition_that_is_not_met_is_told_with_the_worst_that_was_seen() -> None:
    condition = {"name": "half", "maxFailureRate": 0.99, "window": "2s"}
    played = lab(spec(PACKET_LOSS, abort=[condition]))
    await played.play()
    assert ended(played) == (Verdict.PASSED, "SteadyStateHeld")
    found = measured(played)["abort.half"]
    assert found.passed is True
    assert found.value is not None
    assert 0 < found.value < 0.99


class Fake:
    """Asks nobody, and answers by the time."""

    def __init__(self, played: Lab, answer: Callable[[float], bool | None]) -> None:
        self._played = played
        self._start = played.clock.now()
        self._answer = answer

    async def __call__(self) -> tuple[bool | None, str]:
        return self._answer((self._played.clock.now() - self._start).total_seconds()), ""

    async def ready(self) -> None:
        """It can always be asked."""

    async def close(self) -> None:
        """Nothing is open."""


def with_probe(shape: Object, answer: Callable[[float], bool | None]) -> Lab:
    played = lab(shape)

    def make(probe: Probe) -> Fake:
        del probe
        return Fake(played, answer)

    played.make = make
    return played


TCP: Object = {"tcp": {"host": "orders", "port": 80}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda _: True, (Verdict.PASSED, "SteadyStateHeld")),
        (lambda seconds: seconds < 7, (Verdict.FAILED, "AbortConditionMet")),
        (lambda _: None, (Verdict.INCONCLUSIVE, "AbortConditionNotReady")),
        (lambda _: False, (Verdict.INCONCLUSIVE, "AbortConditionNotReady")),
        (lambda seconds: True if seconds < 4 else None, (Verdict.INCONCLUSIVE, "AbortConditionUnknown")),
    ],
    ids=["good", "bad during", "blind", "bad before", "blind during"],
)
async def test_a_condition_with_a_probe_of_its_own(answer: Any, expected: tuple[Verdict, str]) -> None:
    played = with_probe(spec(PACKET_LOSS, abort=[{"name": "orders", **TCP}]), answer)
    await played.play()
    assert ended(played) == expected, played.result and played.result.message
    assert played.problems() == []


ALWAYS = ["Before", "During", "After", "Continuous"]


@pytest.mark.parametrize(
    ("when", "answer", "expected"),
    [
        (ALWAYS, lambda _: True, (Verdict.PASSED, "SteadyStateHeld")),
        (["Before"], lambda _: False, (Verdict.INCONCLUSIVE, "SteadyStateNotMet")),
        (["Before"], lambda _: None, (Verdict.INCONCLUSIVE, "ProbeCannotTell")),
        (["Before"], lambda seconds: seconds < 4, (Verdict.PASSED, "SteadyStateHeld")),
        (["During"], lambda seconds: seconds < 6, (Verdict.FAILED, "ProbeFailed")),
        (["During"], lambda seconds: True if seconds < 4 else None, (Verdict.INCONCLUSIVE, "ProbeCannotTell")),
        (["After"], lambda seconds: not 5 < seconds < 14, (Verdict.PASSED, "SteadyStateHeld")),
        (["After"], lambda seconds: seconds < 14, (Verdict.FAILED, "ProbeFailed")),
        (["Continuous"], lambda seconds: not 5 < seconds < 14, (Verdict.FAILED, "ProbeFailed")),
    ],
)
async def test_a_probe_beside_is_judged_when_it_is_asked_for(
    when: list[str], answer: Any, expected: tuple[Verdict, str]
) -> None:
    played = with_probe(spec(PACKET_LOSS, probes=[{"name": "orders", "when": when, **TCP}]), answer)
    await played.play()
    assert ended(played) == expected, played.result and played.result.message
    if expected[1] in ("SteadyStateHeld", "ProbeFailed"):
        assert {f"probe.orders.{each.lower()}" for each in when} <= measured(played).keys()
    assert played.problems() == []


async def test_the_operator_s_wish_to_stop_ends_every_step() -> None:
    played = lab(IN_SEQUENCE)

    async def both() -> None:
        await asyncio.gather(
            played.both(played.runner_process()), played.operator_aborts(7.0, "Superseded: the spec was changed")
        )

    await played.clock.run(both())
    assert ended(played) == (Verdict.INCONCLUSIVE, "Superseded")
    record = played.record()
    assert record is not None
    assert [change.step for change in record.changes] == ["loss"]
    assert played.problems() == []


# -- stages and repetitions


async def test_a_ramp_over_pods_hits_more_and_more_of_them() -> None:
    target = {"namespace": "payments", "matchLabels": {"app": "ledger"}, "mode": "All"}
    played = lab(spec(PACKET_LOSS, target=target, ramp={"stages": 2}))
    await played.play()
    assert ended(played) == (Verdict.PASSED, "SteadyStateHeld"), played.result and played.result.message
    first, second = (at(played, f"step stage-{number}: the fault is in place: 1") for number in (1, 2))
    assert timedelta(seconds=4) < second - first < timedelta(seconds=9)
    record = played.record()
    assert record is not None
    assert len({change.uid for change in record.changes}) == 2, "no pod is hit twice"
    assert played.problems() == []


async def test_a_ramp_of_a_percent_grows_stage_by_stage() -> None:
    played = lab(spec(PACKET_LOSS, timeout="10m", ramp={"stages": 3, "over": "Percent"}))
    await played.play()
    assert ended(played) == (Verdict.PASSED, "SteadyStateHeld"), played.result and played.result.message
    record = played.record()
    assert record is not None
    assert [getattr(change, "percent", 0) for change in record.changes] == [20, 40, 60]
    assert played.problems() == []


async def test_a_repeated_experiment_tells_the_distribution_of_its_times() -> None:
    repeat = {"times": 6, "pause": "1s", "maxMedianRecovery": "20s"}
    played = lab(spec(POD_KILL, timeout="20m", duration="2s", repeat=repeat))
    await played.play()
    assert ended(played) == (Verdict.PASSED, "SteadyStateHeld"), played.result and played.result.message
    found = measured(played)["recoveryTimeMedian"]
    assert found.passed is True
    assert "n = 6 of 6 repetitions; 96.9 % interval of the median" in found.detail
    assert measured(played)["selfHealingTimeMedian"].value == found.value, "of a killed pod all recovery is its own"
    assert played.result is not None
    assert len(played.result.report["repetitions"]["rows"]) == 6
    assert played.problems() == []


@pytest.mark.parametrize(
    ("times", "limit", "expected"),
    [
        (6, "1s", (Verdict.FAILED, "TooSlow")),
        (5, "20s", (Verdict.INCONCLUSIVE, "TooFewRepetitions")),
    ],
)
async def test_a_limit_is_held_against_the_interval(times: int, limit: str, expected: tuple[Verdict, str]) -> None:
    repeat = {"times": times, "maxMedianRecovery": limit}
    played = lab(spec(POD_KILL, timeout="20m", duration="2s", repeat=repeat))
    await played.play()
    assert ended(played) == expected, played.result and played.result.message


async def test_nothing_is_repeated_in_a_system_that_has_not_recovered() -> None:
    played = lab(spec(POD_KILL, timeout="10m", duration="2s", recoveryTimeout="5s", repeat={"times": 3}))
    played.world.replace_delay = 20.0
    await played.play()
    assert ended(played) == (Verdict.FAILED, "NotRecovered"), played.result and played.result.message
    record = played.record()
    assert record is not None
    assert len(record.changes) == 1
    assert played.problems() == []


async def test_steps_are_repeated_as_a_whole() -> None:
    played = lab({**IN_SEQUENCE, "repeat": {"times": 2}, "timeout": "15m"})
    await played.play()
    assert ended(played) == (Verdict.PASSED, "SteadyStateHeld"), played.result and played.result.message
    record = played.record()
    assert record is not None
    assert [change.step for change in record.changes] == ["loss", "selector", "2/loss", "2/selector"]
    assert played.problems() == []


async def test_a_dry_run_tells_all_steps_and_changes_nothing() -> None:
    played = lab({**IN_SEQUENCE, "dryRun": True})
    process = played.runner_process()
    await played.clock.run(played.runner(process))
    assert ended(played) == (Verdict.INCONCLUSIVE, "DryRun")
    assert played.result is not None
    assert "packets of pod" in played.result.message
    assert "Service payments/ledger changed" in played.result.message
    assert process.writes == []


# -- before against during


async def test_a_system_that_is_clearly_worse_fails_the_comparison() -> None:
    shape = spec(PACKET_LOSS, timeout="10m", duration="20s")
    shape["steadyState"]["window"] = "10s"
    shape["steadyState"]["compare"] = {"successRate": {"maxDrop": 0.1}}
    played = lab(shape)
    await played.play()
    assert ended(played) == (Verdict.FAILED, "WorseThanBefore"), played.result and played.result.message
    found = measured(played)["successRateDrop"]
    assert found.passed is False
    assert "Newcombe" in found.detail


async def test_a_comparison_that_can_not_tell_is_inconclusive() -> None:
    shape = spec({"packetLoss": {"percent": 5, "port": 8080}})
    shape["steadyState"]["compare"] = {"successRate": {"maxDrop": 0.05}}
    played = lab(shape)
    await played.play()
    assert ended(played)[1] in ("DifferenceUndecided", "FaultNotObserved"), played.result and played.result.message
    assert measured(played)["successRateDrop"].passed is None


# -- an API server that fails


@pytest.mark.parametrize("shape", [IN_SEQUENCE, REPEATED], ids=["in sequence", "repeated"])
async def test_an_api_server_that_fails_now_and_then_changes_nothing(shape: Object) -> None:
    played = lab(shape)
    runner = played.runner_process()
    count = 0

    def fail(verb: str, path: str) -> ClusterError | None:
        nonlocal count
        del path
        count += 1
        return Unreachable("no answer") if count % 7 == 0 and verb != "GET" else None

    runner.fail = fail
    await played.play(runner)
    assert ended(played) == (Verdict.PASSED, "SteadyStateHeld"), played.result and played.result.message
    assert played.problems() == []
