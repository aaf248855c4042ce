"""SIGKILL before and after every write of runner and guardian: the run is settled, and nothing is left.

The writes are counted in a run without a kill, so that a write that is added is tried too.
"""

import asyncio
from typing import Any

import pytest
from chaos_lab import CPU_STRESS, FAULTS, HTTP_ABORT, PACKET_LOSS, POD_KILL, RECORD_PATH, Lab, spec, task
from chaos_process import Process

#: Many runs each: a part of `make test`, but not of `make unit`.
pytestmark = pytest.mark.matrix

#: Those that end by themselves, with every process of ours dead.
SELF_ENDING = {"packet-loss": PACKET_LOSS, "pod-kill": POD_KILL, "http-abort": HTTP_ABORT, "cpu-stress": CPU_STRESS}


def new_lab(fault: Any) -> Lab:
    return Lab(task(spec(fault)))


async def count_writes(fault: Any) -> tuple[list[str], list[str]]:
    """The writes of runner and guardian in a run that nobody disturbs."""
    lab = new_lab(fault)
    runner, guardian = lab.runner_process(), Process(lab.world, "guardian")
    await lab.play(runner, guardian)
    assert lab.problems() == []
    return runner.writes, guardian.writes


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_runner_killed_at_every_write(fault: Any) -> None:
    writes, _ = await count_writes(fault)
    assert len(writes) >= 6
    settling = max(number for number, write in enumerate(writes, start=1) if write.endswith(RECORD_PATH))
    for number in range(1, len(writes) + 1):
        for after in (False, True):
            lab = new_lab(fault)
            runner = lab.runner_process(number, after=after)
            await lab.play(runner)
            where = f"runner killed {'after' if after else 'before'} write {number}, {writes[number - 1]}"
            assert runner.dead, where
            assert lab.problems() == [], where
            record = lab.record()
            if record is not None and not (number > settling or (after and number == settling)):
                assert record.undone_by == "guardian", where


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_guardian_killed_at_every_write(fault: Any) -> None:
    _, writes = await count_writes(fault)
    assert writes
    for number in range(1, len(writes) + 1):
        for after in (False, True):
            lab = new_lab(fault)
            guardian = Process(lab.world, "guardian", number, after=after)
            await lab.play(lab.runner_process(), guardian)
            assert guardian.dead
            assert lab.problems() == [], f"guardian killed {'after' if after else 'before'} write {number}"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_runner_and_then_guardian_killed_at_every_pair_of_writes(fault: Any) -> None:
    runner_writes, _ = await count_writes(fault)
    tried = 0
    for runner_number in range(1, len(runner_writes) + 1):
        for runner_after in (False, True):
            guardian_number = 1
            while True:
                killed = 0
                for guardian_after in (False, True):
                    lab = new_lab(fault)
                    runner = lab.runner_process(runner_number, after=runner_after)
                    guardian = Process(lab.world, "guardian", guardian_number, after=guardian_after)
                    await lab.play(runner, guardian)
                    where = (
                        f"runner killed {'after' if runner_after else 'before'} {runner_number}, guardian "
                        f"{'after' if guardian_after else 'before'} {guardian_number}"
                    )
                    assert lab.problems() == [], where
                    killed += guardian.dead
                    tried += 1
                if not killed:
                    break  # the guardian has no write of that number any more
                guardian_number += 1
    assert tried > 50


@pytest.mark.parametrize("fault", SELF_ENDING.values(), ids=SELF_ENDING)
async def test_all_processes_killed_for_good_the_kernel_ends_the_fault(fault: Any) -> None:
    lab = new_lab(fault)

    async def play() -> None:
        guardian = asyncio.ensure_future(lab.guardian())
        runner = asyncio.ensure_future(lab.runner(lab.runner_process()))
        await lab.clock.sleep(8.0)
        for process in (guardian, runner):
            process.cancel()
        await lab.clock.sleep(12.0)

    await lab.clock.run(play())
    assert all(not netns.holders.loaded() for netns in lab.world.netns.values())
    assert all(netns.passes() for netns in lab.world.netns.values() for _ in range(50))
    assert lab.world.ready("ledger") == 2
