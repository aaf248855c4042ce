"""Many pods with a wrong value: put back with one request each, and seen to be so in its answer."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from chaos_clock import VirtualClock
from chaos_cluster import World
from chaos_lab import POD_KILL, spec, task
from chaos_process import Process

from firedrill.api.changes import ChangeState, Edit, ObjectEdited
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.record import Record, RecordState
from firedrill.clusters.access import Access
from firedrill.clusters.errors import ClusterError, Unreachable
from firedrill.engines.chaos.views import parse_pod
from firedrill.runner.faults.asked import IN_FLIGHT
from firedrill.runner.faults.edits import EditFault
from firedrill.runner.faults.edits_undo import object_edited_needs
from firedrill.runner.faults.table import UNDO
from firedrill.runner.undoing import Seen, UndoContext, look_at

WRONG = "firedrill.invalid/no/such-image:none"
PLACE = ["spec", "containers", "[name=app]", "image"]


class Bench:
    """So many pods that run, each with an image that is not there."""

    def __init__(self, count: int) -> None:
        self.clock = VirtualClock()
        self.world = World(self.clock)
        self.world.replace_delay = None
        self.world.service("ledger", count)
        self.process = Process(self.world, "test")
        self.changes = []
        for pod in self.world.pods("ledger"):
            original = pod["spec"]["containers"][0]["image"]
            stored = self.world.objects[f"/api/v1/namespaces/payments/pods/{pod['metadata']['name']}"]
            stored["spec"]["containers"][0]["image"] = WRONG
            self.changes.append(
                ObjectEdited(
                    state=ChangeState.APPLIED,
                    namespace="payments",
                    name=pod["metadata"]["name"],
                    uid=pod["metadata"]["uid"],
                    api="v1",
                    plural="pods",
                    kind="Pod",
                    edits=[Edit(path=PLACE, original=original, value=WRONG)],
                )
            )
        self.original = original

    async def round(self) -> list[Seen]:
        record = Record(
            uid="u",
            run_id="r",
            cluster="c",
            kind="ChaosExperiment",
            claim="p",
            deadline=self.clock.now(),
            state=RecordState.UNDOING,
            changes=self.changes,
        )
        context = UndoContext(self.process, task(spec(POD_KILL)), self.process)
        found = await self.clock.run(look_at(context, UNDO, record, range(len(self.changes))))
        return [found[index] for index in range(len(self.changes))]

    def asked(self, verb: str) -> int:
        return sum(request.startswith(f"{verb} ") for _, request in self.world.requests)

    def images(self) -> list[str]:
        return [pod["spec"]["containers"][0]["image"] for pod in self.world.pods("ledger")]


@pytest.mark.parametrize(("count", "reads"), [(1, 1), (20, 20), (21, 1), (100, 1)])
async def test_one_round_and_one_write_each(count: int, reads: int) -> None:
    bench = Bench(count)
    looks = await bench.round()
    assert {look.change.state for look in looks} == {ChangeState.UNDONE}
    assert set(bench.images()) == {bench.original}
    assert (bench.asked("GET"), bench.asked("PATCH")) == (reads, count)


@pytest.mark.parametrize("count", [2, 30])
async def test_each_pod_fares_for_itself(count: int) -> None:
    bench = Bench(count)
    gone, replaced, healed, late = bench.changes[0], bench.changes[1], bench.changes[-1], count > 2
    bench.world.remove(f"/api/v1/namespaces/payments/pods/{gone.name}")
    bench.changes[1] = replaced.model_copy(update={"uid": "of-another"})
    if late:
        stored = bench.world.objects[f"/api/v1/namespaces/payments/pods/{healed.name}"]
        stored["spec"]["containers"][0]["image"] = "theirs:2"
    looks = await bench.round()
    assert "is gone" in looks[0].change.evidence
    assert "was replaced" in looks[1].change.evidence
    assert {look.change.state for look in looks} == {ChangeState.UNDONE}
    if late:
        assert looks[-1].residues
        assert "theirs:2" in bench.images()


async def test_a_pod_that_moves_on_meanwhile_is_put_back_in_the_next_round() -> None:
    bench = Bench(30)

    def refuse(verb: str, path: str) -> ClusterError | None:
        return Unreachable("no answer") if verb == "PATCH" and path.endswith(bench.changes[3].name) else None

    bench.process.fail = refuse
    states = [look.change.state for look in await bench.round()]
    assert states.count(ChangeState.UNDONE) == 29
    assert states[3] is ChangeState.APPLIED
    bench.process.fail = lambda _verb, _path: None
    assert {look.change.state for look in await bench.round()} == {ChangeState.UNDONE}


async def test_pods_that_can_not_be_listed_are_asked_for_one_by_one() -> None:
    bench = Bench(30)
    bench.process.fail = lambda verb, path: (
        Unreachable("too slow") if verb == "GET" and path.endswith("/pods") else None
    )
    assert {look.change.state for look in await bench.round()} == {ChangeState.UNDONE}
    assert set(bench.images()) == {bench.original}


async def test_what_lands_while_it_is_looked_at_is_not_taken_for_never_sent() -> None:
    bench = Bench(1)
    (change,) = bench.changes
    stored = bench.world.objects[f"/api/v1/namespaces/payments/pods/{change.name}"]
    stored["spec"]["containers"][0]["image"] = bench.original
    latest = bench.clock.now() + timedelta(seconds=1) - IN_FLIGHT
    bench.changes = [change.model_copy(update={"state": ChangeState.PLANNED, "not_after": latest})]
    asked = bench.process.get

    async def slowly(path: str, params: Mapping[str, str] | None = None) -> dict[str, object]:
        seen = await asked(path, params)
        await bench.clock.sleep(2)
        return seen

    bench.process.get = slowly  # type: ignore[method-assign]
    (look,) = await bench.round()
    assert look.change.state is ChangeState.PLANNED
    assert "may still be on its way" in look.change.evidence


async def test_planning_ends_at_the_first_that_can_not_be_planned() -> None:
    bench = Bench(100)
    bench.process.fail = lambda _verb, _path: Unreachable("no answer")
    shape = spec({"podFailure": {}})
    fault = EditFault(bench.process, bench.process, task(shape), ChaosExperimentSpec.model_validate(shape))
    pods = [parse_pod(pod) for pod in bench.world.pods("ledger")]
    with pytest.raises(Unreachable):
        await bench.clock.run(fault.plan(pods, bench.clock.now()))
    assert bench.asked("GET") <= 8


async def test_a_value_that_comes_back_in_the_same_breath_is_not_undone() -> None:
    bench = Bench(1)
    _come_back(bench)
    (look,) = await bench.round()
    assert look.change.state is ChangeState.APPLIED
    assert "holds a value of ours all the same" in look.change.evidence


def _come_back(bench: Bench) -> None:
    """Somebody who mutates what is written sets our value again."""
    patched = bench.world.patch

    def patch(path: str, body: object, content_type: str, dry_run: bool) -> dict[str, object]:
        patched(path, body, content_type, dry_run)
        bench.world.objects[path]["spec"]["containers"][0]["image"] = WRONG
        return bench.world.get(path, None)

    bench.world.patch = patch  # type: ignore[method-assign]


def test_the_guardian_must_be_able_to_list_them() -> None:
    assert Access("list", "pods", "payments") in object_edited_needs(Bench(1).changes[0])
