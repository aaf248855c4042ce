"""A work queue of keys: each key once, one worker a key, retried with backoff, looked at again when asked."""

import asyncio
import heapq
import itertools
import random
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_FIRST_DELAY = 0.2
_LONGEST_DELAY = 60.0


class WorkQueue(Generic[K]):
    """Keys that wait for work.

    A key that is added while it is worked on is worked on again afterwards; added while it waits, it waits once.
    ``clock`` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ready: dict[K, float] = {}
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._later: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._order = itertools.count()
        self._wake = asyncio.Event()
        self.retries = 0

    def __len__(self) -> int:
        return len(self._ready)

    def oldest_age(self) -> float:
        """Seconds that the oldest ready key has waited; 0 for an empty queue."""
        return self._clock() - min(self._ready.values()) if self._ready else 0.0

    def add(self, key: K) -> None:
        """Work on this key soon."""
        if key in self._working:
            self._again.add(key)
            return
        self._ready.setdefault(key, self._clock())
        self._wake.set()

    def add_later(self, key: K, seconds: float) -> None:
        """Work on this key after some time; an earlier time stands."""
        due = self._clock() + seconds
        if self._due.get(key, float("inf")) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._later, (due, next(self._order), key))
        self._wake.set()

    def retry(self, key: K, at_least: float = 0.0) -> float:
        """Work on this key again after a delay that doubles with each failure, with jitter; returns the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.retries += 1
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(failures, 20))
        delay = max(at_least, delay * random.uniform(0.75, 1.25))  # noqa: S311 - jitter, not a secret
        self.add_later(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """The key succeeded: its next failure is its first."""
        self._failures.pop(key, None)

    async def take(self) -> K:
        """Wait for a key and take it; :meth:`done` must follow."""
        while True:
            self._promote()
            if self._ready:
                key = next(iter(self._ready))
                del self._ready[key]
                self._working.add(key)
                return key
            self._wake.clear()
            timeout = max(0.0, self._later[0][0] - self._clock()) if self._later else None
            try:
                await asyncio.wait_for(self._wake.wait(), timeout)
            except TimeoutError:
                continue

    def done(self, key: K) -> None:
        """The work on a taken key has ended."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _promote(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            due, _, key = heapq.heappop(self._later)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
