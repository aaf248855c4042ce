"""What is held in a Postgres, and what is seen of it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import psycopg

from firedrill.runner.data.postgres_asking import close_all, lock_statement, row, translated
from firedrill.sources.postgres import Connection

log = logging.getLogger(__name__)

#: How many tables are locked by sessions of that name, and how many sessions wait for them.
Look = Callable[[str], Awaitable[tuple[int, int]]]

WAITING: Final = """
SELECT count(*) FROM pg_stat_activity waiting
WHERE EXISTS (SELECT 1 FROM pg_stat_activity ours
              WHERE ours.application_name = %s AND ours.pid = ANY (pg_blocking_pids(waiting.pid)))
"""
LOCKED: Final = """
SELECT count(DISTINCT relation) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE application_name = %s AND mode = 'AccessExclusiveLock' AND granted AND relation IS NOT NULL
"""
#: Those that ordinary roles can get, and how many of all are in use.
ROOM: Final = """
SELECT current_setting('max_connections')::int
       - CASE WHEN rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int
              + coalesce(current_setting('reserved_connections', true), '0')::int END,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
FROM pg_roles WHERE rolname = current_user
"""


class Lock:
    """A transaction that holds a lock, and does nothing else."""

    def __init__(self, seen: Look, connection: Connection, application: str) -> None:
        self._seen = seen
        self._connection = connection
        self._application = application

    async def look(self) -> tuple[bool, str]:
        """The server is asked over another connection: this one stays idle."""
        locked, waiting = await self._seen(self._application)
        if not locked:
            return False, ""
        return True, f"the server lists {locked} tables locked by us, and {waiting} sessions that wait for them"

    async def close(self) -> None:
        """The transaction ends with its connection."""
        await close_all([self._connection])


class Pulses:
    """A session that locks and lets go, by a task of its own."""

    def __init__(
        self,
        connection: Connection,
        application: str,
        tables: Sequence[str],
        pulse: float,
        every: float,
        seconds: float,
    ) -> None:
        self._connection = connection
        self._application = application
        self._statement = lock_statement(tables)
        self._pulse = pulse
        self._every = every
        self._end = time.monotonic() + seconds
        self._pulses = 0
        self._waited = 0
        self._task = asyncio.ensure_future(self._run())

    async def look(self) -> tuple[bool, str]:
        """What was counted at the end of each pulse."""
        effect = f"{self._pulses} locks were held, and {self._waited} sessions waited for them" if self._waited else ""
        return not self._task.done() or time.monotonic() >= self._end, effect

    async def close(self) -> None:
        """The transaction ends with its connection."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await close_all([self._connection])

    async def _run(self) -> None:
        try:
            while time.monotonic() < self._end:
                begun = time.monotonic()
                await self._once()
                await asyncio.sleep(max(0.05, begun + self._every - time.monotonic()))
        except psycopg.Error as error:
            log.warning("the session that locks has ended: %s", type(error).__name__)

    async def _once(self) -> None:
        try:
            async with self._connection.transaction():
                await self._connection.execute(self._statement)
                await asyncio.sleep(self._pulse)
                (waiting,) = await row(self._connection, WAITING, self._application)
                self._pulses += 1
                self._waited += int(waiting)
        except psycopg.errors.LockNotAvailable:
            log.info("the lock was not to be had this time")


class Sessions:
    """Idle sessions."""

    def __init__(self, opened: list[Connection]) -> None:
        self._opened = opened

    async def look(self) -> tuple[bool, str]:
        """Asked over one of ours: no other may be left."""
        alive = [each for each in self._opened if not each.closed]
        if not alive:
            return False, ""
        with translated():
            room, used = await row(alive[0], ROOM)
        return True, f"{len(alive)} sessions of ours, {max(0, room - used)} of {room} connections are left"

    async def close(self) -> None:
        """All of them."""
        await close_all(self._opened)
