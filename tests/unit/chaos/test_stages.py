"""Steps and ramps spelled out, what may be on at the same time, and the policy's share of that."""

from typing import Any

import pytest
from experiment_builders import KILL, LOSS, pods
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.engines.chaos.budgets import down_together
from firedrill.engines.chaos.selection import select
from firedrill.engines.chaos.shares import check_together
from firedrill.engines.chaos.stages import Stage, stages_of, together

Object = dict[str, Any]
TARGET: Object = {"namespace": "payments", "matchLabels": {"app": "ledger"}}


def step(name: str, fault: Object | None = None, **fields: Any) -> Object:
    return {"name": name, "target": TARGET, "fault": fault or LOSS, **fields}


def spec(*steps: Object, **fields: Any) -> ChaosExperimentSpec:
    whole: Object = {
        "clusters": {"names": ["finance"]},
        "timeout": "1h",
        "steadyState": {"http": {"url": "http://gateway/pay"}},
        **({"steps": list(steps)} if steps else {"target": TARGET, "fault": LOSS}),
        **fields,
    }
    return ChaosExperimentSpec.model_validate(whole)


def told(stage: Stage) -> tuple[Any, ...]:
    one = stage.spec
    return stage.name, one.target.value, one.duration.total_seconds(), stage.after, stage.delay.total_seconds()


def test_one_fault_is_one_stage_without_a_name() -> None:
    whole = spec()
    assert stages_of(whole) == (Stage("", whole),)


def test_steps_are_stages_each_with_its_own_fault() -> None:
    found = stages_of(spec(step("b", KILL, after=["a"], delay="3s"), step("a", duration="7s")))
    assert [stage.name for stage in found] == ["a", "b"], "who waits comes after whom he waits for"
    assert [stage.spec.fault.name for stage in found] == ["packetLoss", "podKill"]
    assert [stage.at_once for stage in found] == [True, False]
    assert found[1].delay.total_seconds() == 3
    assert not any(stage.spec.steps for stage in found)


def test_a_ramp_over_pods_adds_to_those_that_are_hit_and_all_end_together() -> None:
    target = {**TARGET, "mode": "Percent", "value": 50}
    found = stages_of(spec(step("x", target=target, duration="12s", ramp={"stages": 3})))
    assert list(map(told, found)) == [("x-1", 17, 12, (), 0), ("x-2", 34, 8, (), 4), ("x-3", 50, 4, (), 8)]
    hit = [{pod.uid for pod in select(stage.spec.target, pods(30))} for stage in found]
    assert hit[0] < hit[1] < hit[2]
    assert len(hit[2]) == 15


def test_a_ramp_over_all_pods_ends_with_all() -> None:
    found = stages_of(spec(target={**TARGET, "mode": "All"}, ramp={"stages": 2}))
    assert [(stage.name, stage.spec.target.mode, stage.spec.target.value) for stage in found] == [
        ("stage-1", "Percent", 50),
        ("stage-2", "All", None),
    ]


def test_a_ramp_over_a_fault_s_percent_is_a_sequence() -> None:
    found = stages_of(spec(step("x", duration="9s", ramp={"stages": 3, "over": "Percent"}), step("y", after=["x"])))
    assert [getattr(stage.spec.fault.chosen, "percent", 0) for stage in found] == [17, 34, 50, 50]
    assert [stage.after for stage in found] == [(), ("x-1",), ("x-2",), ("x-1", "x-2", "x-3")]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([step("a"), step("b")], [{"a", "b"}]),
        ([step("a"), step("b", after=["a"])], [{"a"}, {"b"}]),
        ([step("a"), step("b", after=["a"]), step("c")], [{"a", "c"}, {"b", "c"}]),
        ([step("a"), step("b", after=["a"]), step("c", after=["b"])], [{"a"}, {"b"}, {"c"}]),
    ],
)
def test_what_may_be_on_at_the_same_time(steps: list[Object], expected: list[set[str]]) -> None:
    found = together(stages_of(spec(*steps)))
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))


@given(st.lists(st.sets(st.integers(0, 6)), min_size=1, max_size=7))
def test_no_two_that_may_be_on_together_wait_for_each_other(waits: list[set[int]]) -> None:
    steps = [
        step(f"s{index}", after=[f"s{other}" for other in sorted(before) if other < index])
        for index, before in enumerate(waits)
    ]
    stages = stages_of(spec(*steps))
    groups = together(stages)
    assert set().union(*groups) == {stage.name for stage in stages}
    for stage in stages:
        assert not any(stage.name in group and group & set(stage.after) for group in groups)


def test_the_share_is_of_all_that_is_hit_at_once() -> None:
    whole = pods(4)
    side_by_side = stages_of(spec(step("a"), step("b")))
    in_a_row = stages_of(spec(step("a"), step("b", after=["a"])))
    apart = {"a": (whole, whole[:1]), "b": (whole, whole[1:2])}
    same = {"a": (whole, whole[:1]), "b": (whole, whole[:1])}
    refusal = check_together(side_by_side, apart, 25)
    assert refusal is not None
    assert refusal.message.startswith("2 of 4 pods would be hit at the same time by a, b")
    assert check_together(side_by_side, same, 25) is None
    assert check_together(side_by_side, apart, 50) is None
    assert check_together(in_a_row, apart, 25) is None


def test_what_may_be_taken_down_at_once_is_added_up() -> None:
    stages = stages_of(
        spec(
            step("a", {"podKill": {}}),
            step("b", {"podFailure": {}}),
            step("quiet", {"packetLoss": {"port": 80, "percent": 50}}),
            step("later", {"podKill": {}}, after=["a", "b"]),
        )
    )
    one, two, three = pods(3)
    hit = {"a": [one], "b": [one, two], "quiet": [three], "later": [three]}
    assert down_together(stages, hit) == [[one, two]]
    assert down_together(stages, {name: hit[name] for name in ("a", "quiet")}) == []


def test_many_other_pods_do_not_make_a_share_smaller() -> None:
    ledger, others = pods(4), [pod for pod in pods(104) if pod not in pods(4)]
    stages = stages_of(spec(step("a"), step("b"), step("c")))
    found = {"a": (ledger, ledger[:1]), "b": (ledger, ledger[1:2]), "c": (others, others[:1])}
    assert check_together(stages, found, 25) is not None


WRONG: list[tuple[Object, str]] = [
    ({"steps": [step("a")], "target": TARGET}, "target: is set in each of steps"),
    ({"steps": [step("a")], "fault": LOSS}, "fault: is set in each of steps"),
    ({"steps": [step("a")], "duration": "3s"}, "duration: is set in each of steps"),
    ({"target": TARGET}, "fault: must be set, unless steps are"),
    ({"fault": LOSS}, "target: must be set, unless steps are"),
    ({"steps": [step("a"), step("a")]}, "the name a is given twice"),
    ({"steps": [step("a", after=["b"])]}, "a is after b, which is no step"),
    ({"steps": [step("a", after=["b"]), step("b", after=["a"])]}, "a, b wait for each other"),
    ({"steps": [step("a", after=["a"])]}, "a wait for each other"),
    ({"steps": [step("a", ramp={"stages": 2})]}, "needs target.mode All, or a target.value"),
    ({"steps": [step("a", KILL, ramp={"stages": 2, "over": "Percent"})]}, "needs a fault with a percent"),
    ({"steps": [step("a", duration="2s", ramp={"stages": 3, "over": "Percent"})]}, "at least 1s for each"),
    ({"steps": [step("a", {"scale": {"replicas": 0}}, ramp={"stages": 2})]}, "needs a fault of chosen pods"),
    ({"steps": [step("a", duration="30s"), step("b", after=["a"])], "timeout": "100s"}, r"\(110 s\)"),
    ({"steps": [step("a")], "repeat": {"times": 5}, "timeout": "6m"}, r"\(380 s\)"),
    ({"steps": [step("a")], "probes": [{"name": "p", "when": ["During"]}]}, "set exactly one of http"),
    ({"steps": [step("a")], "abort": [{"name": "a", "window": "500ms"}]}, "the window of a must be at least 5 times"),
    ({"steps": [step("a")], "steadyState": {"tcp": {"host": "a", "port": 1}, "compare": {}}}, "set successRate"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_a_shape_that_can_not_be_is_refused(fields: Object, message: str) -> None:
    whole = {
        "clusters": {"names": ["finance"]},
        "steadyState": {"http": {"url": "http://gateway/pay"}},
        **fields,
    }
    with pytest.raises(ValidationError, match=message):
        ChaosExperimentSpec.model_validate(whole)
