"""The record: claimed once, changed by compare-and-swap, handed over at its end."""

from datetime import timedelta
from typing import Any

import pytest
from chaos_clock import T0, VirtualClock
from chaos_cluster import World
from chaos_lab import PACKET_LOSS, RECORD_PATH, spec, task
from chaos_process import Process

from firedrill.api.changes import PodDeleted
from firedrill.api.record import Record, RecordState
from firedrill.clusters import paths
from firedrill.clusters.errors import Forbidden, Unreachable
from firedrill.runner.record_store import Aborted, Claimed, RecordLost, RecordStore, Refused

TASK = task(spec(PACKET_LOSS))
JOB_PATH = paths.jobs(TASK.runner_namespace, TASK.job)


def record(claim: str = "me") -> Record:
    change = PodDeleted(
        namespace="payments",
        name="ledger",
        uid="1",
        owner_kind="ReplicaSet",
        owner_name="r",
        owner_uid="2",
        ready_before=2,
    )
    return Record(
        uid="u", run_id="r", cluster="c", kind="k", claim=claim, deadline=T0 + timedelta(seconds=60), changes=[change]
    )


class Bench:
    """A store on a world of its own."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.world = World(self.clock)
        self.process = Process(self.world, "test")
        self.store = RecordStore(self.process, TASK, self.process)
        self.world.put(JOB_PATH, {"metadata": {"uid": "job-uid"}})

    def control(self, text: str) -> None:
        body = self.world.objects[RECORD_PATH]
        self.world.put(RECORD_PATH, {**body, "data": {**body["data"], "control.json": text}})

    def run(self, coroutine: Any) -> Any:
        return self.clock.run(coroutine)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_record_is_read_back_as_it_was_written(bench: Bench) -> None:
    assert await bench.run(bench.store.claim(record())) == Claimed(record())
    assert (await bench.run(bench.store.read()))[0] == record()
    labels = bench.world.objects[RECORD_PATH]["metadata"]["labels"]
    assert labels["firedrill.dev/role"] == "record"
    assert bench.world.objects[RECORD_PATH]["metadata"]["annotations"]["firedrill.dev/resource"] == "sre/ledger-loss"
    assert "ownerReferences" not in bench.world.objects[RECORD_PATH]["metadata"]


async def test_whoever_creates_it_first_has_decided(bench: Bench) -> None:
    await bench.run(bench.store.claim(record("another")))
    assert await bench.run(bench.store.claim(record())) == Refused("another", "")


async def test_a_claim_whose_answer_was_lost_is_ours(bench: Bench) -> None:
    await bench.run(bench.store.claim(record()))
    assert await bench.run(bench.store.claim(record())) == Claimed(record())
    bench.control('{"abort":"Superseded"}')
    assert await bench.run(bench.store.claim(record())) == Refused("me", "Superseded")


@pytest.mark.parametrize(
    "data", [{"control.json": '{"abort":"Cancelled"}'}, {"record.json": "", "control.json": '{"abort":"Cancelled"}'}]
)
async def test_a_fence_of_the_operator_can_not_be_claimed(bench: Bench, data: Any) -> None:
    bench.world.put(RECORD_PATH, {"metadata": {}, "data": data})
    assert await bench.run(bench.store.claim(record())) == Refused("", "Cancelled")
    with pytest.raises(RecordLost, match="cancelled before it was claimed"):
        await bench.run(bench.store.update(lambda found: found))


async def test_a_record_that_was_deleted_is_written_again(bench: Bench) -> None:
    await bench.run(bench.store.restore(record()))
    assert (await bench.run(bench.store.read()))[0] == record()


async def test_it_is_written_again_also_where_a_fence_took_its_place(bench: Bench) -> None:
    bench.world.put(RECORD_PATH, {"metadata": {}, "data": {"control.json": '{"abort":"Deleted"}'}})
    await bench.run(bench.store.restore(record()))
    found, control = await bench.run(bench.store.read())
    assert (found, control.abort) == (record(), "Deleted")


async def test_a_record_that_is_there_is_not_written_over(bench: Bench) -> None:
    await bench.run(bench.store.claim(record("another")))
    await bench.run(bench.store.restore(record()))
    assert (await bench.run(bench.store.read()))[0] == record("another")


async def test_a_conflict_is_met_with_the_newer_record(bench: Bench) -> None:
    await bench.run(bench.store.claim(record()))
    seen = []

    def mutate(found: Record) -> Record:
        seen.append(found.message)
        if len(seen) == 1:  # somebody else writes between our read and our write
            other = found.model_copy(update={"message": "theirs"})
            bench.world.objects[RECORD_PATH]["data"]["record.json"] = other.model_dump_json(by_alias=True)
            bench.world.put(RECORD_PATH, bench.world.objects[RECORD_PATH])
        return found.model_copy(update={"residues": ["ours"]})

    written = await bench.run(bench.store.update(mutate))
    assert seen == ["", "theirs"]
    assert (written.message, written.residues) == ("theirs", ["ours"])


async def test_control_is_never_written_over(bench: Bench) -> None:
    await bench.run(bench.store.claim(record()))
    bench.control('{"approved":"abc"}')
    await bench.run(bench.store.update(lambda found: found.model_copy(update={"message": "m"})))
    assert (await bench.run(bench.store.read()))[1].approved == "abc"


async def test_an_abort_stops_a_write_also_when_it_comes_in_between(bench: Bench) -> None:
    await bench.run(bench.store.claim(record()))
    calls = []

    def mutate(found: Record) -> Record:
        calls.append(1)
        bench.control('{"abort":"Superseded: x"}')
        return found.model_copy(update={"state": RecordState.APPLYING})

    with pytest.raises(Aborted, match="Superseded: x"):
        await bench.run(bench.store.update_unless_aborted(mutate))
    assert calls == [1]
    assert (await bench.run(bench.store.read()))[0] == record()


async def test_what_does_not_change_is_not_written(bench: Bench) -> None:
    await bench.run(bench.store.claim(record()))
    writes = len(bench.process.writes)
    await bench.run(bench.store.update(lambda found: found))
    assert len(bench.process.writes) == writes


def settled(found: Record) -> Record:
    return found.model_copy(update={"state": RecordState.UNDONE, "undone_by": "runner"})


async def test_a_settled_record_is_handed_to_the_job_and_stays_as_it_is(bench: Bench) -> None:
    await bench.run(bench.store.claim(record()))
    await bench.run(bench.store.finish(settled))
    owners = bench.world.objects[RECORD_PATH]["metadata"]["ownerReferences"]
    assert owners == [{"apiVersion": "batch/v1", "kind": "Job", "name": TASK.job, "uid": "job-uid"}]
    again = await bench.run(bench.store.finish(lambda found: found.model_copy(update={"undone_by": "guardian"})))
    assert again.undone_by == "runner"


@pytest.mark.parametrize(
    "job",
    [None, {"uid": "of-another"}, {"uid": "job-uid", "deletionTimestamp": "2026-01-01T00:00:00Z"}],
    ids=["gone", "made anew", "being deleted"],
)
async def test_what_somebody_has_deleted_the_job_of_stays_to_be_read(bench: Bench, job: dict[str, str] | None) -> None:
    await bench.run(bench.store.claim(record()))
    bench.world.remove(JOB_PATH)
    if job:
        bench.world.put(JOB_PATH, {"metadata": job})
    await bench.run(bench.store.finish(settled))
    assert "ownerReferences" not in bench.world.objects[RECORD_PATH]["metadata"]
    assert (await bench.run(bench.store.read()))[0] == settled(record())


async def test_where_the_job_may_not_be_asked_about_it_is_settled_and_stays(bench: Bench) -> None:
    await bench.run(bench.store.claim(record()))
    bench.process.fail = lambda _verb, path: Forbidden(403, "Forbidden", "get jobs") if path == JOB_PATH else None
    assert (await bench.run(bench.store.finish(settled))).state is RecordState.UNDONE
    assert "ownerReferences" not in bench.world.objects[RECORD_PATH]["metadata"]


async def test_what_is_not_settled_is_not_handed_over(bench: Bench) -> None:
    await bench.run(bench.store.claim(record()))
    await bench.run(bench.store.finish(lambda found: found.model_copy(update={"message": "not yet"})))
    assert "ownerReferences" not in bench.world.objects[RECORD_PATH]["metadata"]


@pytest.mark.parametrize("lost", [1, 4, 7])
async def test_lost_answers_are_asked_for_again(bench: Bench, lost: int) -> None:
    answers = iter([Unreachable("no answer")] * lost)
    bench.process.fail = lambda _verb, _path: next(answers, None)
    assert isinstance(await bench.run(bench.store.claim(record())), Claimed)


async def test_what_can_not_pass_is_not_tried_again(bench: Bench) -> None:
    tries = []

    def forbid(verb: str, path: str) -> Forbidden:
        tries.append(path)
        return Forbidden(403, "Forbidden", "no")

    bench.process.fail = forbid
    with pytest.raises(Forbidden):
        await bench.run(bench.store.claim(record()))
    assert len(tries) == 1


async def test_long_evidence_does_not_make_a_record_unreadable(bench: Bench) -> None:
    await bench.run(bench.store.claim(record()))

    def talk(found: Record) -> Record:
        (change,) = found.changes
        return found.model_copy(
            update={"message": "m" * 9999, "changes": [change.model_copy(update={"evidence": "e" * 9999})]}
        )

    await bench.run(bench.store.update(talk))
    found, _ = await bench.run(bench.store.read())
    assert (len(found.message), len(found.changes[0].evidence)) == (2048, 1024)


async def test_a_record_that_can_not_be_read_is_lost(bench: Bench) -> None:
    bench.world.put(RECORD_PATH, {"metadata": {}, "data": {"record.json": "{}"}})
    with pytest.raises(RecordLost, match="can not be read"):
        await bench.run(bench.store.read())
