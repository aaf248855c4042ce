"""SIGKILL before and after every write, of experiments with several faults, or one again and again.

As in test_chaos_kills.py: the writes are counted in a run without a kill, so that a write that is added is tried too.
"""

from typing import Any

import pytest
from chaos_lab import RECORD_PATH
from chaos_process import Process
from shape_lab import ABORTED, IN_SEQUENCE, SHAPES, lab

#: Many runs each: a part of `make test`, but not of `make unit`.
pytestmark = pytest.mark.matrix


async def count_writes(shape: Any) -> tuple[list[str], list[str]]:
    """The writes of runner and guardian in a run that nobody disturbs."""
    played = lab(shape)
    runner, guardian = played.runner_process(), Process(played.world, "guardian")
    await played.play(runner, guardian)
    assert played.problems() == []
    record = played.record()
    assert record is not None
    assert record.undone_by == "runner"
    return runner.writes, guardian.writes


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_runner_killed_at_every_write(shape: Any) -> None:
    writes, _ = await count_writes(shape)
    assert len(writes) >= 8
    settling = max(number for number, write in enumerate(writes, start=1) if write.endswith(RECORD_PATH))
    for number in range(1, len(writes) + 1):
        for after in (False, True):
            played = lab(shape)
            runner = played.runner_process(number, after=after)
            await played.play(runner)
            where = f"runner killed {'after' if after else 'before'} write {number}, {writes[number - 1]}"
            assert runner.dead, where
            assert played.problems() == [], where
            record = played.record()
            if record is not None and (number < settling or (number == settling and not after)):
                assert record.undone_by == "guardian", where


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_guardian_killed_at_every_write(shape: Any) -> None:
    _, writes = await count_writes(shape)
    assert writes
    for number in range(1, len(writes) + 1):
        for after in (False, True):
            played = lab(shape)
            guardian = Process(played.world, "guardian", number, after=after)
            await played.play(played.runner_process(), guardian)
            assert guardian.dead
            assert played.problems() == [], f"guardian killed {'after' if after else 'before'} write {number}"


@pytest.mark.parametrize("shape", [IN_SEQUENCE, ABORTED], ids=["two in sequence", "aborted by its condition"])
async def test_runner_and_then_guardian_killed_at_every_pair_of_writes(shape: Any) -> None:
    runner_writes, _ = await count_writes(shape)
    tried = 0
    for runner_number in range(1, len(runner_writes) + 1):
        guardian_number = 1
        while True:
            played = lab(shape)
            runner = played.runner_process(runner_number, after=True)
            guardian = Process(played.world, "guardian", guardian_number)
            await played.play(runner, guardian)
            assert played.problems() == [], f"runner killed after {runner_number}, guardian before {guardian_number}"
            tried += 1
            if not guardian.dead:
                break  # the guardian has no write of that number any more
            guardian_number += 1
    assert tried > 30
