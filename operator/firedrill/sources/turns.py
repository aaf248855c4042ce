"""Who sends first of two loads that have the same schedule on one event loop."""

import asyncio
from collections.abc import Sequence
from typing import Final

#: Turns of the loop that the second waits for the first: both are woken in the same one, or the next.
_TURNS: Final = 5


class Turns:
    """``first_leads`` says of each request whether the first of two loads sends it before the second does.

    Both are to count their times from ``start``, a time of the running loop, so that they are woken together.
    """

    def __init__(self, first_leads: Sequence[bool]) -> None:
        self.start = asyncio.get_running_loop().time()
        self._first_leads = first_leads
        self._left: set[int] = set()

    async def wait(self, index: int, first: bool) -> None:
        """Return when it is the turn of this load; at once where the other is not about to send, but held up."""
        if self._first_leads[index] is not first:
            for _ in range(_TURNS):
                if index in self._left:
                    break
                await asyncio.sleep(0)
        self._left.add(index)
