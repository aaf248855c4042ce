"""Two loads of one schedule: neither is always sent first, and neither waits for one that is held up."""

import asyncio

import pytest

from firedrill.api.modelvalidation import ValidationLoad
from firedrill.engines.model import model_first
from firedrill.sources.openloop import drive
from firedrill.sources.turns import Turns

COUNT = 60
TIMES = [0.002 * i for i in range(COUNT)]


async def sent(leads: list[bool], held: int = 256) -> list[tuple[int, bool]]:
    """Which load sent which request, in the order of the sending; the second has ``held`` open at once at most."""
    seen: list[tuple[int, bool]] = []
    turns = Turns(leads)

    async def load(first: bool, in_flight: int) -> None:
        async def send(index: int) -> None:
            await turns.wait(index, first)
            seen.append((index, first))
            await asyncio.sleep(0 if first else 0.004)

        await drive(TIMES, send, in_flight, start=turns.start)

    await asyncio.gather(load(True, 256), load(False, held))
    return seen


@pytest.mark.parametrize("drawn", [[True] * COUNT, [False] * COUNT, [i % 3 == 0 for i in range(COUNT)]])
async def test_the_first_is_who_was_drawn(drawn: list[bool]) -> None:
    seen = await sent(drawn)
    assert sorted(seen) == [(i, first) for i in range(COUNT) for first in (False, True)]
    leads = [seen.index((i, True)) < seen.index((i, False)) for i in range(COUNT)]
    # The two are woken apart now and then, by a machine that is busy.
    assert sum(lead is wanted for lead, wanted in zip(leads, drawn, strict=True)) > 0.8 * COUNT


async def test_one_that_is_held_up_does_not_hold_up_the_other() -> None:
    seen = await asyncio.wait_for(sent([False] * COUNT, held=1), 10)
    assert seen.index((COUNT - 1, True)) < seen.index((COUNT - 1, False))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_who_is_first_is_drawn_by_the_seed(seed: int) -> None:
    load = ValidationLoad(requests=1000, warmup=100, seed=seed)
    drawn = model_first(load)
    assert (len(drawn), drawn) == (1100, model_first(load))
    assert 0.4 < sum(drawn) / len(drawn) < 0.6
    assert drawn != model_first(load.model_copy(update={"seed": seed + 1}))
