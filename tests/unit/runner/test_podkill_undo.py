"""When a killed pod counts as back: readiness of its owner, counted over pods, whatever happened meanwhile."""

from typing import Any

import pytest
from chaos_clock import VirtualClock
from chaos_cluster import World
from chaos_lab import POD_KILL, spec, task
from chaos_process import Process

from firedrill.api.changes import ChangeState, PodDeleted
from firedrill.clusters import paths
from firedrill.runner.faults.asked import IN_FLIGHT
from firedrill.runner.faults.podkill import pod_deleted_needs, undo_pod_deleted
from firedrill.runner.undoing import Seen, UndoContext


class Bench:
    """A ledger of three pods, one of which is recorded as deleted."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.world = World(self.clock)
        self.world.replace_delay = None
        self.world.service("ledger", 3)
        self.owner = self.world.objects[self.replica_set]
        self.victim = self.world.pods("ledger")[0]
        self.change = PodDeleted(
            state=ChangeState.APPLIED,
            namespace="payments",
            name=self.victim["metadata"]["name"],
            uid=self.victim["metadata"]["uid"],
            owner_kind="ReplicaSet",
            owner_name="ledger-1",
            owner_uid=self.owner["metadata"]["uid"],
            ready_before=3,
            deployment="ledger",
        )

    replica_set = paths.path("apps/v1", "replicasets", "payments", "ledger-1")

    def kill(self) -> None:
        self.world.remove(paths.pods("payments", self.change.name))

    def newcomer(self, *, ready: bool = True, owner: Any = None) -> None:
        self.world.pod("ledger-new", owner or self.owner, {"app": "ledger"}, ready=ready)

    async def look(self, **fields: Any) -> Seen:
        process = Process(self.world, "test")
        context = UndoContext(process, task(spec(POD_KILL)), process)
        return await self.clock.run(undo_pod_deleted(context, self.change.model_copy(update=fields)))


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_back(bench: Bench) -> None:
    bench.kill()
    bench.newcomer()
    seen = await bench.look()
    assert seen.change.state is ChangeState.UNDONE
    assert "3 ready pods, 3 before" in seen.change.evidence


async def test_the_owner_lags_behind_but_its_pods_tell(bench: Bench) -> None:
    # Right after the kill the ReplicaSet's own status still counts three.
    bench.kill()
    bench.owner["status"] = {"readyReplicas": 3}
    seen = await bench.look()
    assert seen.change.state is ChangeState.APPLIED
    assert "2 ready pods, 3 are needed" in seen.change.evidence


async def test_a_replacement_that_is_not_ready_is_not_back(bench: Bench) -> None:
    bench.kill()
    bench.newcomer(ready=False)
    assert (await bench.look()).change.state is ChangeState.APPLIED


async def test_the_pod_itself_must_be_gone(bench: Bench) -> None:
    bench.victim = bench.world.objects[paths.pods("payments", bench.change.name)]
    bench.victim["metadata"]["deletionTimestamp"] = "2026-07-01T12:00:00Z"
    bench.newcomer()
    seen = await bench.look()
    assert seen.change.state is ChangeState.APPLIED
    assert "on its way out" in seen.change.evidence


async def test_another_pod_of_that_name_is_another_pod(bench: Bench) -> None:
    bench.kill()
    bench.world.pod(bench.change.name, bench.owner, {"app": "ledger"})
    assert (await bench.look()).change.state is ChangeState.UNDONE


async def test_scaled_down_meanwhile(bench: Bench) -> None:
    bench.kill()
    bench.owner["spec"]["replicas"] = 2
    bench.world.objects[paths.deployments("payments", "ledger")]["spec"]["replicas"] = 2
    seen = await bench.look()
    assert seen.change.state is ChangeState.UNDONE
    assert "meant to have 2" in seen.change.evidence


@pytest.mark.parametrize("gone", [True, False], ids=["old ReplicaSet gone", "old ReplicaSet empty"])
@pytest.mark.parametrize(("fresh", "state"), [(3, ChangeState.UNDONE), (2, ChangeState.APPLIED)])
async def test_rolled_out_meanwhile(bench: Bench, gone: bool, fresh: int, state: ChangeState) -> None:
    for pod in bench.world.pods("ledger"):
        bench.world.remove(paths.pods("payments", pod["metadata"]["name"]))
    if gone:
        bench.world.remove(bench.replica_set)
    else:
        bench.owner["spec"]["replicas"] = 0
    next_set = bench.world.put(paths.path("apps/v1", "replicasets", "payments", "ledger-2"), {"kind": "ReplicaSet"})
    for number in range(fresh):
        bench.world.pod(f"ledger-2-{number}", next_set, {"app": "ledger"})
    seen = await bench.look()
    assert seen.change.state is state
    assert "Deployment ledger has" in seen.change.evidence


async def test_everything_gone_is_undone(bench: Bench) -> None:
    for path in list(bench.world.objects):
        bench.world.remove(path)
    seen = await bench.look()
    assert seen.change.state is ChangeState.UNDONE
    assert "is gone" in seen.change.evidence


async def test_what_was_never_asked_for_is_undone_once_no_request_can_be_on_its_way(bench: Bench) -> None:
    not_after = bench.clock.now()
    early = await bench.look(state=ChangeState.PLANNED, not_after=not_after)
    assert early.change.state is ChangeState.PLANNED
    assert "may still be on its way" in early.change.evidence
    await bench.clock.run(bench.clock.sleep(IN_FLIGHT.total_seconds()))
    late = await bench.look(state=ChangeState.PLANNED, not_after=not_after)
    assert late.change.state is ChangeState.UNDONE
    assert "never deleted" in late.change.evidence


def test_needs_name_each_right() -> None:
    needs = [str(need) for need in pod_deleted_needs(Bench().change)]
    assert needs == [
        "get pods in payments",
        "list pods in payments",
        "get replicasets.apps in payments",
        "get deployments.apps in payments",
    ]
