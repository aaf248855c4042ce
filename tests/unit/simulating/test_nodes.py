"""Extended resources on nodes: whose they are, and who takes them away again."""

import pytest
from target_in_memory import RUNNERS, Target, context

from firedrill.api.errors import InvalidInput
from firedrill.api.simulation import ExtendedResource, SimulationSpec
from firedrill.clusters import paths
from firedrill.clusters.cache import RunCache
from firedrill.runner.context import RunContext
from firedrill.runner.simulating import building, nodes
from firedrill.simulation.plan import Plan, make_plan

GPU, NIC = "example/gpu", "example/nic"
NODE = "/api/v1/nodes/one/status"


def some(*names: str, count: int = 2) -> list[ExtendedResource]:
    return [ExtendedResource(name=name, per_node=count) for name in names]


def record(run: RunContext) -> str:
    return paths.configmaps(RUNNERS, nodes.record_name(run.task))


@pytest.mark.parametrize(
    ("there", "recorded_by", "refused"),
    [
        ({}, "", False),
        ({"example_gpu": "1"}, "", True),
        ({"example_gpu": "0"}, "", True),
        ({"example_nic": "1"}, "", False),
        ({"example_gpu": "1"}, "bank-uid", False),
        ({"example_gpu": "1"}, "shop-uid", False),
    ],
    ids=["nothing there", "a real one", "a real one that is broken", "another one", "its own", "another Simulation's"],
)
async def test_what_nobody_simulates_is_refused(there: dict[str, str], recorded_by: str, refused: bool) -> None:
    target = Target()
    if recorded_by:
        await nodes.offer(context(target, recorded_by), some(GPU))
    target.node("one", **there)
    target.writes.clear()
    if refused:
        with pytest.raises(InvalidInput, match=rf"^spec\.extendedResources\[1\]\.name: node one of .* {GPU} already"):
            await nodes.check(context(target), some("example/other", GPU))
    else:
        await nodes.check(context(target), some("example/other", GPU))
    assert target.writes == []


async def test_a_build_that_is_refused_for_a_resource_changes_nothing() -> None:
    target = Target()
    target.node("one", example_gpu="8")
    spec = SimulationSpec.model_validate(
        {
            "clusters": {"names": ["finance"]},
            "source": {"industry": {"name": "finance"}},
            "extendedResources": [{"name": GPU, "perNode": 1}],
        }
    )
    plan: Plan = make_plan(spec)
    with pytest.raises(InvalidInput, match=r"spec\.extendedResources\[0\]\.name: node one"):
        await building.build(context(target), spec, plan)
    assert target.writes == []


async def test_the_record_is_written_before_any_node() -> None:
    target = Target()
    target.node("one")
    run = context(target)
    assert await nodes.offer(run, some(GPU)) == 1
    assert target.writes == [("patch", record(run)), ("patch", NODE)]
    assert target.offered("one") == {GPU: "2"}


async def test_without_resources_nothing_is_written() -> None:
    target = Target()
    target.node("one", example_gpu="8")
    assert await nodes.offer(context(target), []) == 0
    assert await nodes.withdraw(context(target)) == 0
    assert target.writes == []


async def test_what_is_not_wanted_any_more_goes() -> None:
    target = Target()
    target.node("one")
    run = context(target)
    await nodes.offer(run, some(GPU, NIC))
    await nodes.offer(run, some(NIC, count=5))
    assert target.offered("one") == {NIC: "5"}
    await nodes.offer(run, [])
    assert target.offered("one") == {}
    assert record(run) not in target.objects


@pytest.mark.parametrize(
    ("others", "left"),
    [((), {}), ((GPU,), {GPU: "2"}), ((NIC,), {NIC: "2"}), ((GPU, NIC), {GPU: "2", NIC: "2"})],
)
async def test_what_another_simulation_names_stays(others: tuple[str, ...], left: dict[str, str]) -> None:
    target = Target()
    target.node("one")
    run = context(target)
    await nodes.offer(run, some(GPU, NIC))
    await nodes.offer(context(target, "shop-uid", name="shop"), some(*others))
    await nodes.withdraw(run)
    assert target.offered("one") == left


async def test_of_two_with_the_same_resource_the_last_one_takes_it_away() -> None:
    target = Target()
    target.node("one")
    runs = [context(target), context(target, "shop-uid", name="shop")]
    for run in runs:
        await nodes.offer(run, some(GPU))
    for run, left in zip(runs, ({GPU: "2"}, {}), strict=True):
        await nodes.withdraw(run)
        await nodes.forget(run)
        assert target.offered("one") == left


async def test_the_operator_takes_the_record_for_no_part_of_a_run() -> None:
    target = Target()
    run = context(target)
    await nodes.offer(run, some(GPU))
    cache = RunCache()
    assert cache.apply(target.objects[record(run)]) is None
    assert cache.keys() == set()
