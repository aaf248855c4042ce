"""Hub, runner and guardian gone for good: the sweeper undoes what is left, itself killed at every write."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from chaos_clock import T0
from chaos_fis import FisInWorld
from chaos_lab import FAULTS, JOB, PACKET_LOSS, RECORD_PATH, SCALE, Lab, spec, task
from chaos_process import Killed, Process
from chaos_stores import FakeStores
from chaos_toolkit import ToolkitInWorld

from firedrill.api.record import RecordState
from firedrill.clusters import paths
from firedrill.runner.guardian import undo_table
from firedrill.runner.sweeping import OVERDUE, Keepers, Sweeper, why_sweep
from firedrill.runner.undoing import UndoContext
from support.seen import record as record_view

#: Many runs each: a part of `make test`, but not of `make unit`.
pytestmark = pytest.mark.matrix

#: The record belongs to a Job that is gone.
UNOWNED = "the record belongs to no Job"


async def swept(lab: Lab, process: Process) -> list[str]:
    context_of = partial(
        UndoContext,
        toolkit=ToolkitInWorld(process),
        stores=FakeStores(process, lab.store),
        fis=FisInWorld(process, lab.account),
    )
    return await Sweeper(process, process, "firedrill", "image", undo_table, context_of).run()


async def orphaned(fault: Any, kill_at: int, *, after: bool) -> tuple[Lab, Process]:
    """A run whose runner was killed at a write, and all of whose Jobs and pods are gone before the guardian came."""
    lab = Lab(task(spec(fault)))
    runner = lab.runner_process(kill_at, after=after)

    async def play() -> None:
        guardian = asyncio.ensure_future(lab.guardian())
        await lab.runner(runner)
        guardian.cancel()
        await asyncio.gather(guardian, return_exceptions=True)

    # The guardian would come at once: it is cut off as soon as the runner is dead.
    await lab.clock.run(play())
    return lab, runner


def bury(lab: Lab) -> None:
    """Take away Jobs, pods and task, as an uninstalled hub or a person may."""
    gone = [paths.jobs("firedrill", JOB), paths.jobs("firedrill", f"{JOB}-guardian")]
    gone += [path for path in lab.world.objects if path.startswith(paths.pods("firedrill") + "/")]
    for path in gone:
        lab.world.remove(path)


async def writes_of_a_run(fault: Any) -> int:
    lab = Lab(task(spec(fault)))
    runner = lab.runner_process()
    await lab.play(runner)
    return len(runner.writes)


def left(lab: Lab) -> list[str]:
    return [problem for problem in lab.problems() if problem != UNOWNED]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_what_a_runner_left_at_any_write_is_undone_by_the_sweeper(fault: Any) -> None:
    count = await writes_of_a_run(fault)
    unsettled = 0
    for number in range(1, count + 1):
        lab, runner = await orphaned(fault, number, after=True)
        assert runner.dead
        bury(lab)
        before = lab.record()
        where = f"runner killed after write {number}, {runner.writes[-1]}"

        async def play(lab: Lab = lab) -> list[str]:
            problems = await swept(lab, Process(lab.world, "sweeper"))
            await lab.clock.sleep(5.0)
            return problems

        assert await lab.clock.run(play()) == [], where
        assert left(lab) == [], where
        after = lab.record()
        if before is not None and not before.state.settled:
            unsettled += 1
            assert after is not None
            assert after.undone_by == "sweeper", where
            assert "ownerReferences" not in lab.world.objects[RECORD_PATH]["metadata"], where
    assert unsettled >= 3


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_sweeper_killed_at_any_write_is_followed_by_the_next(fault: Any) -> None:
    count = await writes_of_a_run(fault)
    number = 1
    while True:
        killed = False
        for after in (False, True):
            # The write that enters Applied is the last at which all of the fault is on.
            lab, _ = await orphaned(fault, count - 3, after=True)
            bury(lab)
            first = Process(lab.world, "sweeper", number, after=after)

            async def play(lab: Lab = lab, first: Process = first) -> list[str]:
                try:
                    await swept(lab, first)
                except Killed:
                    await lab.clock.sleep(2.0)
                problems = await swept(lab, Process(lab.world, "sweeper-2"))
                await lab.clock.sleep(5.0)
                return problems

            assert await lab.clock.run(play()) == []
            assert left(lab) == [], f"sweeper killed {'after' if after else 'before'} write {number}"
            killed = killed or first.dead
        if not killed:
            break
        number += 1
    assert number > 2


async def test_a_run_that_is_looked_after_is_left_alone() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))
    sweeper = Process(lab.world, "sweeper")

    async def play() -> list[str]:
        going = asyncio.ensure_future(lab.both(lab.runner_process()))
        await lab.clock.sleep(8.0)
        problems = await swept(lab, sweeper)
        await going
        return problems

    assert await lab.clock.run(play()) == []
    assert sweeper.writes == []
    assert lab.problems() == []
    record = lab.record()
    assert record is not None
    assert record.undone_by == "runner"


async def test_what_can_not_be_read_is_told() -> None:
    lab = Lab(task(spec(SCALE)))
    labels = {"firedrill.dev/managed": "true", "firedrill.dev/role": "record"}
    lab.world.put(RECORD_PATH, {"metadata": {"labels": labels}, "data": {"record.json": "{}"}})
    (problem,) = await lab.clock.run(swept(lab, Process(lab.world, "sweeper")))
    assert f"record {JOB}-record can not be read" in problem


@pytest.mark.parametrize(
    ("state", "runner", "guardian", "minutes", "acts"),
    [
        (RecordState.UNDONE, False, False, 900, False),
        (RecordState.APPLIED, False, False, 0, True),
        (RecordState.PREPARED, False, False, 0, True),
        (RecordState.APPLIED, True, False, 0, False),
        (RecordState.APPLIED, False, True, 0, False),
        (RecordState.APPLIED, True, True, 5, False),
        (RecordState.APPLIED, True, True, 11, True),
    ],
)
def test_when_it_acts(state: RecordState, runner: bool, guardian: bool, minutes: int, acts: bool) -> None:
    found = record_view(state, deadline=T0).record
    assert found is not None
    now = T0 + timedelta(minutes=minutes)
    assert timedelta(minutes=5) < OVERDUE < timedelta(minutes=11)
    assert bool(why_sweep(found, Keepers(runner, guardian), now)) == acts


async def test_a_record_that_can_not_be_handled_keeps_no_other_from_being_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab, _ = await orphaned(SCALE, 8, after=True)
    bury(lab)
    body = lab.world.objects[RECORD_PATH]
    odd = RECORD_PATH.replace("-record", "x-record")
    lab.world.put(odd, {"metadata": {**body["metadata"], "name": odd.rsplit("/", 1)[1]}, "data": dict(body["data"])})
    keepers = Sweeper._keepers

    async def fails_for_one(self: Sweeper, job: str, record: Any) -> Keepers:
        if job != JOB:
            raise KeyError("inject_by")
        return await keepers(self, job, record)

    monkeypatch.setattr(Sweeper, "_keepers", fails_for_one)
    (problem,) = await lab.clock.run(swept(lab, Process(lab.world, "sweeper")))
    assert "KeyError" in problem
    record = lab.record()
    assert record is not None
    assert record.state is RecordState.UNDONE
