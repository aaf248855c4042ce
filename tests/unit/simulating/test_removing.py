"""Removal takes away what earlier runs have built, also where somebody has begun with it by hand."""

import pytest
from target_in_memory import RUNNERS, Target, context

from firedrill.api.simulation import ExtendedResource
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.core.naming import state_name
from firedrill.runner.context import RunContext
from firedrill.runner.simulating import nodes, place, watch_over
from firedrill.runner.simulating.removing import remove

GPU = "example/gpu"


async def standing(target: Target) -> RunContext:
    """A Simulation of which a namespace, a resource on a node and the state are there."""
    run = context(target)
    target.node("one")
    await place.claim(run, "bank")
    await nodes.offer(run, [ExtendedResource(name=GPU, per_node=2)])
    state = watch_over.state(run.task, "bank", ["gateway"])
    await target.create(paths.configmaps(RUNNERS), state)
    target.writes.clear()
    return run


def left(target: Target) -> list[str]:
    return [path for path in target.objects if "/nodes/" not in path]


@pytest.mark.parametrize("namespace_is_there", [True, False])
async def test_nothing_is_left(namespace_is_there: bool) -> None:
    target = Target()
    run = await standing(target)
    if not namespace_is_there:
        del target.objects[paths.namespaces("bank")]
    removed = await remove(run)
    assert removed.verdict is Verdict.PASSED
    assert target.offered("one") == {}
    assert left(target) == []


async def test_marks_go_last_so_that_what_is_cut_off_can_be_done_again() -> None:
    target = Target()
    run = await standing(target)
    await remove(run)
    name = watch_over.conductor_name(run.task)
    assert target.writes == [
        ("patch", "/api/v1/nodes/one/status"),
        ("delete", paths.namespaces("bank")),
        ("delete", paths.configmaps(RUNNERS, nodes.record_name(run.task))),
        ("delete", paths.configmaps(RUNNERS, state_name(name))),
    ]


async def test_where_the_namespace_does_not_go_the_marks_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target()
    run = await standing(target)

    async def no_deletion(path: str, **_: object) -> dict[str, object]:
        target.writes.append(("delete", path))
        return {}

    monkeypatch.setattr(target, "delete", no_deletion)
    removed = await remove(run)
    assert (removed.verdict, removed.reason) == (Verdict.INCONCLUSIVE, "NotGone")
    assert paths.configmaps(RUNNERS, nodes.record_name(run.task)) in left(target)
