"""What the fault needs of whoever sends the requests. Tests give it others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

REFUSED = 429


@dataclass(frozen=True)
class Surge:
    """What is sent: GET requests for ``path``, ``rate`` a second and ``concurrency`` at a time at most.

    ``until`` is a Unix time: the kernel ends the process then, however long it took to start.
    """

    path: str
    rate: int
    concurrency: int
    until: float


@dataclass(frozen=True)
class Told:
    """Answers so far by their HTTP status; 0 where there was none."""

    statuses: Mapping[int, int] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.statuses.values())

    @property
    def refused(self) -> int:
        """Those that the API server had no room for."""
        return self.statuses.get(REFUSED, 0)

    def __str__(self) -> str:
        """In words, the most frequent first."""
        parts = [
            f"{count} {'without answer' if status == 0 else f'answered {status}'}"
            for status, count in sorted(self.statuses.items(), key=lambda item: (-item[1], item[0]))
        ]
        return f"{self.count} requests{f': {chr(44).join(parts)}' if parts else ''}".replace(",", ", ")


class Sender(Protocol):
    """A surge that was begun."""

    def told(self) -> Told:
        """Answers so far; those that were last told once it has ended."""
        ...

    async def look(self) -> tuple[bool, str]:
        """Whether it goes on, and the answers so far in words."""
        ...

    async def close(self) -> None:
        """End it, and wait until it has ended; never raises."""
        ...


class Surges(Protocol):
    """Begins surges."""

    async def begin(self, surge: Surge) -> Sender:
        """Begin one; raises OSError where no process can be started."""
        ...
