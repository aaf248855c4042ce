"""A drain: nodes are marked before any pod is evicted, and both are undone."""

from typing import Any

import pytest
from chaos_lab import RECORD_PATH, Lab, spec, task

from firedrill.api.changes import ObjectEdited, PodDeleted
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Forbidden, Throttled

NODES = ("node-1", "node-2", "node-3")
EVERY_POD = {"namespace": "payments", "matchLabels": {"app": "ledger"}, "mode": "All"}


def new_lab() -> Lab:
    lab = Lab(task(spec({"nodeDrain": {"gracePeriodSeconds": 0}}, target=EVERY_POD)))
    for name in NODES:
        lab.world.put(paths.path("v1", "nodes", name=name), {"spec": {"podCIDR": "10.0.0.0/24"}})
    for number, pod in enumerate(sorted(lab.world.objects)):
        if "/payments/pods/" in pod:
            lab.world.objects[pod]["spec"]["nodeName"] = NODES[number % len(NODES)]
    return lab


def node_of(lab: Lab, name: str) -> Any:
    return lab.world.objects[paths.path("v1", "nodes", name=name)]["spec"]


async def test_every_node_is_marked_before_a_pod_is_evicted_and_all_is_undone() -> None:
    lab = new_lab()
    runner = lab.runner_process()
    await lab.play(runner)
    marks = [number for number, write in enumerate(runner.writes) if "/nodes/" in write]
    evictions = [number for number, write in enumerate(runner.writes) if write.endswith("/eviction")]
    assert len(evictions) == 2
    record = lab.record()
    assert record is not None
    nodes = [change for change in record.changes if isinstance(change, ObjectEdited)]
    assert max(marks[: len(nodes)]) < min(evictions)
    assert {type(change) for change in record.changes} == {ObjectEdited, PodDeleted}
    assert [node_of(lab, name) for name in NODES] == [{"podCIDR": "10.0.0.0/24"}] * len(NODES)
    assert lab.problems() == []
    assert lab.result is not None
    assert lab.result.verdict is Verdict.PASSED, lab.result.message


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("/nodes/", Forbidden(403, "Forbidden", "may not patch nodes")),
        ("/eviction", Throttled(429, "TooManyRequests", "the disruption budget needs 2 pods")),
    ],
)
async def test_where_a_node_or_a_budget_refuses_nothing_is_left(where: str, error: ClusterError) -> None:
    lab = new_lab()
    runner = lab.runner_process()
    begun: list[bool] = []

    def refuse(verb: str, path: str) -> ClusterError | None:
        record = lab.world.objects.get(RECORD_PATH)
        begun.append(record is not None)
        return error if record is not None and where in path and verb in ("PATCH", "POST") else None

    runner.fail = refuse
    await lab.play(runner)
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "NotInjected")
    assert [node_of(lab, name) for name in NODES] == [{"podCIDR": "10.0.0.0/24"}] * len(NODES)
    assert lab.problems() == []
    assert any(begun)


async def test_a_runner_that_dies_between_the_mark_and_the_evictions_leaves_nothing() -> None:
    for number in range(1, 20):
        lab = new_lab()
        runner = lab.runner_process(number, after=True)
        await lab.play(runner)
        assert lab.problems() == [], number
        assert [node_of(lab, name) for name in NODES] == [{"podCIDR": "10.0.0.0/24"}] * len(NODES), number
        if not runner.dead:
            return
