"""A part of the kills that take too long to be all played: another one for each seed, by default for each day."""

import os
import random
import time
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

#: All of them, with FIREDRILL_KILL_ALL.
FULL: Final = bool(os.environ.get("FIREDRILL_KILL_ALL"))
#: FIREDRILL_KILL_SEED, so that what failed can be played again.
SEED: Final = os.environ.get("FIREDRILL_KILL_SEED") or time.strftime("%Y-%m-%d", time.gmtime())
#: Whether what is seen of all of them is kept in docs/.
WRITE_DOCS: Final = FULL and bool(os.environ.get("FIREDRILL_WRITE_DOCS"))


def part(of: str, kills: Sequence[T], count: int) -> list[T]:
    """``count`` of the kills, in their order, or all; ``of`` says of what they are."""
    if FULL or count >= len(kills):
        return list(kills)
    chosen = sorted(random.Random(f"{SEED} {of}").sample(range(len(kills)), count))
    return [kills[index] for index in chosen]
