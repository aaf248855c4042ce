"""Many changes that are noted side by side: none is lost, and they share their writes."""

import asyncio

import pytest
from chaos_lab import RECORD_PATH, Lab, spec, task

from firedrill.api.changes import Change, ChangeState, PodDeleted
from firedrill.api.record import Record, RecordState
from firedrill.clusters.errors import ClusterError, Forbidden
from firedrill.runner.marking import Marks
from firedrill.runner.record_store import RecordStore


def planned(count: int) -> Record:
    change = {"owner_kind": "ReplicaSet", "owner_name": "a", "owner_uid": "b", "ready_before": 1, "namespace": "a"}
    changes: list[Change] = [PodDeleted(name=f"pod-{number}", **change) for number in range(count)]  # type: ignore[arg-type]
    lab = Lab(task(spec({"podKill": {}})))
    return Record(uid="u", run_id="r", cluster="c", kind="k", claim="p", deadline=lab.task.deadline, changes=changes)


def applied(change: Change) -> Change:
    return change.model_copy(update={"state": ChangeState.APPLIED})


async def test_all_are_noted_with_few_writes() -> None:
    lab = Lab(task(spec({"podKill": {}})))
    process = lab.runner_process()
    store = RecordStore(process, lab.task, process)
    marks = Marks(store)

    async def play() -> None:
        await store.claim(planned(200))
        await asyncio.gather(*(marks.put(index, applied) for index in range(200)))

    await lab.clock.run(play())
    record = lab.record()
    assert record is not None
    assert {change.state for change in record.changes} == {ChangeState.APPLIED}
    assert len([write for write in process.writes if write == f"PATCH {RECORD_PATH}"]) < 5


@pytest.mark.parametrize("settled", [False, True])
async def test_what_was_undone_before_it_took_effect_is_to_be_undone_again(*, settled: bool) -> None:
    lab = Lab(task(spec({"podKill": {}})))
    process = lab.runner_process()
    store = RecordStore(process, lab.task, process)
    marks = Marks(store)

    async def play() -> None:
        made = planned(2)
        undone = made.changes[0].model_copy(update={"state": ChangeState.UNDONE})
        state = RecordState.UNDONE if settled else RecordState.UNDOING
        await store.claim(made.model_copy(update={"state": state, "changes": [undone, made.changes[1]]}))
        await asyncio.gather(*(marks.put(index, applied) for index in range(2)))

    await lab.clock.run(play())
    record = lab.record()
    assert record is not None
    assert [change.state for change in record.changes] == [ChangeState.APPLIED, ChangeState.APPLIED]
    assert record.state is RecordState.UNDOING
    assert marks.late == {0}


async def test_what_was_undone_and_not_carried_out_stays_undone() -> None:
    lab = Lab(task(spec({"podKill": {}})))
    process = lab.runner_process()
    store = RecordStore(process, lab.task, process)
    marks = Marks(store)

    async def play() -> None:
        made = planned(1)
        undone = made.changes[0].model_copy(update={"state": ChangeState.UNDONE, "evidence": "seen"})
        await store.claim(made.model_copy(update={"changes": [undone]}))
        await marks.put(0, lambda change: change.model_copy(update={"evidence": "was never carried out"}))

    await lab.clock.run(play())
    record = lab.record()
    assert record is not None
    assert record.changes[0].evidence == "seen"
    assert marks.late == set()


async def test_what_could_not_be_noted_is_noted_later() -> None:
    lab = Lab(task(spec({"podKill": {}})))
    process = lab.runner_process()
    store = RecordStore(process, lab.task, process)
    marks = Marks(store)

    async def play() -> None:
        await store.claim(planned(1))
        process.fail = lambda verb, _path: Forbidden(403, "Forbidden", "no") if verb == "PATCH" else None
        with pytest.raises(Forbidden):
            await marks.put(0, applied)
        process.fail = lambda _verb, _path: None
        await marks.flush()

    await lab.clock.run(play())
    record = lab.record()
    assert record is not None
    assert record.changes[0].state is ChangeState.APPLIED


async def test_a_write_that_fails_is_nobodys_success() -> None:
    lab = Lab(task(spec({"podKill": {}})))
    process = lab.runner_process()
    store = RecordStore(process, lab.task, process)
    marks = Marks(store)

    def refuse(verb: str, _path: str) -> ClusterError | None:
        return Forbidden(403, "Forbidden", "no") if verb == "PATCH" else None

    async def play() -> list[BaseException | None]:
        await store.claim(planned(5))
        process.fail = refuse
        return await asyncio.gather(*(marks.put(index, applied) for index in range(5)), return_exceptions=True)

    outcomes = await lab.clock.run(play())
    assert [type(each) for each in outcomes] == [Forbidden] * 5


@pytest.mark.parametrize("count", [3, 40])
async def test_pods_of_one_owner_are_counted_once_a_round(count: int) -> None:
    lab = Lab(
        task(spec({"podKill": {}}, target={"namespace": "payments", "matchLabels": {"app": "crowd"}, "mode": "All"}))
    )
    lab.world.service("crowd", count)
    await lab.play()
    record = lab.record()
    assert record is not None
    assert {change.state for change in record.changes} == {ChangeState.UNDONE}
    reads = [request for name, request in lab.world.requests if name == "runner" and request.startswith("GET")]
    owners = [request for request in reads if request.endswith("/replicasets/crowd-1")]
    assert len(owners) < count * 5
    assert lab.world.ready("crowd") == count
