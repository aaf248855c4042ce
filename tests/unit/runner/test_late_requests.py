"""Requests that take long: none takes effect when the run has been seen undone, and one that does is undone again."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from chaos_lab import (
    DATABASE_LOCK,
    DATABASE_PASSWORD,
    DATABASE_REVOKE,
    FAULTS,
    KAFKA_CONSUMER_LAG,
    RECORD_PATH,
    SECRET_DELETE,
    SECRET_PATH,
    SERVICE_DELETE,
    Lab,
    spec,
    task,
)
from chaos_process import Process

from firedrill.api.changes import ChangeState, PodDeleted
from firedrill.api.record import RecordState
from firedrill.clusters import paths
from firedrill.clusters.client import REQUEST_SECONDS
from firedrill.clusters.errors import Unreachable
from firedrill.runner.data import kafka, postgres, redis
from firedrill.runner.faults import asked
from firedrill.runner.faults.driver import NotInjected
from firedrill.runner.retry import within

Object = dict[str, Any]
SERVICE = paths.path("v1", "services", "payments", "ledger")
LEDGER = paths.deployments("payments", "ledger")
STORES = paths.path("v1", "secrets", "firedrill", "stores")


class Aborted(Process):
    """A runner whose run the operator aborts a second after it has begun to apply; then its requests take long."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab.world, "runner")
        self.lab = lab
        self.since: datetime | None = None
        self.abort: asyncio.Future[None] | None = None

    async def _write(self, verb: str, path: str, action: Any, harmless: bool) -> Any:
        answer = await super()._write(verb, path, action, harmless)
        record = self.lab.record()
        if path == RECORD_PATH and self.since is None and record and record.state is RecordState.APPLYING:
            self.since = self.now()
            self.abort = asyncio.ensure_future(self.lab.operator_aborts(1.0, "Superseded"))
        return answer


class Slow(Aborted):
    """Each answer of one object comes a moment before the client gives it up; the first one never does."""

    def __init__(self, lab: Lab, path: str, *, lost: bool = True) -> None:
        super().__init__(lab)
        self.slow = path
        self.lost = lost

    async def get(self, path: str, params: Any = None) -> Object:
        if self.since and path == self.slow:
            await self.world.clock.sleep(REQUEST_SECONDS - 0.5)
            if self.lost:
                self.lost = False
                raise Unreachable("no answer")
        return await super().get(path, params)

    async def _write(self, verb: str, path: str, action: Any, harmless: bool) -> Any:
        if self.since and path == self.slow:
            await self.world.clock.sleep(REQUEST_SECONDS - 1.0)
        return await super()._write(verb, path, action, harmless)


class CutOff(Aborted):
    """Who logs in to the data store can not be read for a while."""

    async def get(self, path: str, params: Any = None) -> Object:
        if self.since and path == STORES and self.now() < self.since + timedelta(seconds=45):
            await self.world.clock.sleep(10.0)
            raise Unreachable("no answer")
        return await super().get(path, params)


async def played_on(lab: Lab, runner: Process) -> None:
    """To the end, and on for as long as anything could still be on its way."""

    async def both() -> None:
        await lab.both(runner)
        await lab.clock.sleep(60)

    await lab.clock.run(both())


def test_undoing_waits_longer_than_anything_can_take() -> None:
    """Sent by not_after, answered or given up within a client's time, carried out or dropped within a server's."""
    assert timedelta(seconds=REQUEST_SECONDS) == asked.ANSWER_LIMIT
    assert asked.IN_FLIGHT == asked.ANSWER_LIMIT + asked.SERVER_LIMIT
    for store in (postgres, kafka, redis):
        assert timedelta(seconds=store._TIMEOUT) <= asked.SERVER_LIMIT


async def test_what_takes_too_long_is_given_up_and_ended() -> None:
    lab = Lab(task(spec(FAULTS["scale"])))
    ended = []

    async def work() -> str:
        try:
            await lab.clock.sleep(3)
        finally:
            ended.append(lab.clock.now())
        return "done"

    assert await lab.clock.run(within(lab.clock, 4, work(), "work")) == "done"
    begun = lab.clock.now()
    with pytest.raises(Unreachable, match="work: no answer in time"):
        await lab.clock.run(within(lab.clock, 2, work(), "work"))
    assert ended[1] - begun == timedelta(seconds=2)


async def test_nothing_is_sent_after_its_time() -> None:
    lab = Lab(task(spec(FAULTS["scale"])))
    pod = {"owner_kind": "ReplicaSet", "owner_name": "a", "owner_uid": "b", "ready_before": 1, "namespace": "a"}
    change = PodDeleted(name="p", not_after=lab.clock.now() - timedelta(milliseconds=1), **pod)  # type: ignore[arg-type]
    sent: list[str] = []

    async def request() -> None:
        sent.append("it")

    with pytest.raises(NotInjected, match="too late"):
        await asked.send(change, lab.clock, request(), "too late")
    assert sent == []


@pytest.mark.parametrize(("name", "path"), [("scale", LEDGER), ("image-break", LEDGER), ("wrong-selector", SERVICE)])
async def test_no_slow_edit_lands_when_the_run_is_undone(name: str, path: str) -> None:
    lab = Lab(task(spec(FAULTS[name], timeout="10m")))
    await played_on(lab, Slow(lab, path))
    assert lab.problems() == []


@pytest.mark.parametrize("fault", [DATABASE_PASSWORD, DATABASE_REVOKE, KAFKA_CONSUMER_LAG, DATABASE_LOCK])
async def test_nothing_is_done_to_a_store_when_the_run_is_undone(fault: Object) -> None:
    lab = Lab(task(spec(fault, timeout="10m")))
    await played_on(lab, CutOff(lab))
    assert lab.problems() == []


@pytest.mark.parametrize(("name", "path"), [("scale", LEDGER), ("wrong-selector", SERVICE)])
async def test_what_lands_late_all_the_same_is_undone_by_the_runner(
    name: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the guardian waits for nothing, and has settled the record and left when the request takes effect."""
    monkeypatch.setattr(asked, "IN_FLIGHT", timedelta())
    lab = Lab(task(spec(FAULTS[name], timeout="10m")))
    await played_on(lab, Slow(lab, path, lost=False))
    assert lab.problems() == []
    record = lab.record()
    assert record is not None
    assert (record.state, record.undone_by) == (RecordState.UNDONE, "runner")
    assert record.changes[0].applied_at is not None


@pytest.mark.parametrize(("fault", "path"), [(SERVICE_DELETE, SERVICE), (SECRET_DELETE, SECRET_PATH)])
async def test_what_a_person_deleted_first_stays_deleted(fault: Object, path: str) -> None:
    lab = Lab(task(spec(fault)))

    async def person() -> None:
        while (record := lab.record()) is None or record.state is not RecordState.PREPARED:
            await lab.clock.sleep(0.02)
        lab.world.remove(path)

    async def both() -> None:
        await asyncio.gather(lab.both(lab.runner_process()), person())

    await lab.clock.run(both())
    assert path not in lab.world.objects
    record = lab.record()
    assert record is not None
    assert (record.state, record.residues) == (RecordState.UNDONE, [])
    assert record.changes[0].evidence == "was never carried out"


@pytest.mark.parametrize("after", [False, True])
async def test_a_deletion_that_nobody_has_noted_is_created_again_and_declared(*, after: bool) -> None:
    """Between the deletion and its note the runner dies: whether it was the run or a person, nobody can say."""
    lab = Lab(task(spec(SERVICE_DELETE)))
    runner = lab.runner_process()
    await lab.play(runner)
    deleting = next(number for number, write in enumerate(runner.writes, start=1) if write == f"DELETE {SERVICE}")
    lab = Lab(task(spec(SERVICE_DELETE)))
    await lab.play(lab.runner_process(deleting, after=after))
    assert lab.problems() == []
    record = lab.record()
    assert record is not None
    told = ["Service ledger was created again, though it is not known whether it was us who deleted it"]
    assert record.residues == (told if after else [])
    assert {change.state for change in record.changes} == {ChangeState.UNDONE}
