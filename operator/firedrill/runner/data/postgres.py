"""What data faults do to a Postgres."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import psycopg
from psycopg import sql

from firedrill.api.changes import Grant
from firedrill.runner.data import postgres_password
from firedrill.runner.data.postgres_asking import (
    close_all,
    identifier,
    lock_statement,
    maybe_row,
    milliseconds,
    quoted,
    row,
    translated,
)
from firedrill.runner.data.postgres_held import LOCKED, ROOM, WAITING, Lock, Pulses, Sessions
from firedrill.runner.data.stores import Held, RolePassword, Table
from firedrill.sources.postgres import Connection, Postgres, connect, connected

_UNDOING: Final = "firedrill-undo"
_TIMEOUT: Final = 5.0
#: A lock that is not granted by then is given up; who comes after it waits so long at most.
_LOCK_SECONDS: Final = 8.0
_AT_ONCE: Final = 8

_END: Final = """
SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE application_name = %s AND pid <> pg_backend_pid()) ended
"""
_GRANTS: Final = """
SELECT c.oid::text, a.privilege_type, a.is_grantable
FROM pg_class c JOIN pg_roles r ON r.rolname = %s
LEFT JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
          ON a.grantee = r.oid AND a.grantor = c.relowner
WHERE c.oid = to_regclass(%s) ORDER BY 2
"""
_OBSTACLES: Final = """
SELECT c.relkind IN ('r', 'p'),
       pg_has_role(current_user, c.relowner, 'USAGE'),
       r.rolsuper,
       EXISTS (SELECT 1 FROM aclexplode(c.relacl) a WHERE a.grantee = r.oid AND a.grantor <> c.relowner),
       EXISTS (SELECT 1 FROM aclexplode(c.relacl) a WHERE a.grantor = r.oid AND a.grantor <> c.relowner),
       EXISTS (SELECT 1 FROM pg_attribute t, aclexplode(t.attacl) a WHERE t.attrelid = c.oid AND a.grantee = r.oid)
FROM pg_class c, pg_roles r WHERE c.oid = to_regclass(%s) AND r.rolname = %s
"""


class PostgresDatabase:
    """One database; each question goes over a connection of its own."""

    def __init__(self, server: Postgres) -> None:
        self._server = server

    async def reach(self) -> None:
        """One question to which everybody gets an answer."""
        async with self._asked(_UNDOING) as connection:
            await row(connection, "SELECT 1")

    async def why_not_lockable(self, tables: Sequence[str]) -> str:
        """A lock of all wants a right to change rows, or to own the table."""
        async with self._asked(_UNDOING) as connection:
            for name in tables:
                (found,) = await row(connection, "SELECT to_regclass(%s)::oid::text", quoted(name))
                if found is None:
                    return f"there is no table {name}"
                (may,) = await row(connection, "SELECT has_table_privilege(%s::oid, 'UPDATE, DELETE, TRUNCATE')", found)
                if not may:
                    return f"role {self._server.username} may not lock table {name}: it may not change its rows"
        return ""

    async def lock(self, application: str, tables: Sequence[str], seconds: float) -> Held:
        """One session, idle in its transaction, which is what the server's timeout counts."""
        with translated():
            connection = await connect(self._server, application, _lock_settings(seconds), _TIMEOUT)
            try:
                await connection.execute("BEGIN")
                await connection.execute(lock_statement(tables))
            except BaseException:
                await connection.close()
                raise
        return Lock(self.seen, connection, application)

    async def pulse(self, application: str, tables: Sequence[str], pulse: float, every: float, seconds: float) -> Held:
        """One session that locks and lets go."""
        with translated():
            settings = _lock_settings(pulse + 2.0)
            connection = await connect(self._server, application, settings, _TIMEOUT)
        return Pulses(connection, application, tables, pulse, every, seconds)

    async def why_not_fillable(self, reserve: int, most: int) -> str:
        """Filling half of what is free would be no fault at all."""
        async with self._asked(_UNDOING) as connection:
            (version,) = await row(connection, "SELECT current_setting('server_version_num')::int")
            if version < 140000:
                return "sessions can not be made to end by themselves before Postgres 14"
            room, used = await row(connection, ROOM)
        wanted = room - used - reserve
        if wanted > most:
            return f"{wanted} sessions would have to be opened, and maxSessions is {most}"
        return "" if wanted > 0 else f"{used} of {room} connections are in use: there is nothing to take"

    async def fill(self, application: str, reserve: int, most: int, seconds: float) -> Held:
        """Idle sessions, which the server's timeout counts, until it refuses or enough are there."""
        settings = {"idle_session_timeout": milliseconds(seconds)}
        with translated():
            opened = [await connect(self._server, application, settings, _TIMEOUT)]
            try:
                room, used = await row(opened[0], ROOM)
                left = min(most - 1, room - used - reserve)
                refused = False
                while left > 0 and not refused:
                    # Each is known as soon as it is there: who gives this up in between closes it, too.
                    batch = [self._open(application, settings, opened) for _ in range(min(left, _AT_ONCE))]
                    answers = await asyncio.gather(*batch, return_exceptions=True)
                    failures = [each for each in answers if isinstance(each, BaseException)]
                    refused = bool(failures)
                    if any(not isinstance(each, psycopg.OperationalError) for each in failures):
                        raise failures[0]
                    left -= len(batch)
            except BaseException:
                await close_all(opened)
                raise
        return Sessions(opened)

    async def _open(self, application: str, settings: Mapping[str, str], opened: list[Connection]) -> None:
        opened.append(await connect(self._server, application, settings, _TIMEOUT))

    async def end_sessions(self, application: str) -> int:
        """Ask the server to end them."""
        async with self._asked(_UNDOING) as connection:
            (count,) = await row(connection, _END, application)
            return int(count)

    async def why_not_revocable(self, table: str, role: str) -> str:
        """Only what the owner granted on the whole table comes back as it was."""
        async with self._asked(_UNDOING) as connection:
            found = await maybe_row(connection, _OBSTACLES, quoted(table), role)
        if found is None:
            return f"there is no table {table}, or no role {role}"
        plain, owns, superuser, by_others, granted_on, columns = found
        obstacles = (
            (not plain, f"{table} is no table"),
            (not owns, f"role {self._server.username} does not own table {table}"),
            (superuser, f"role {role} is a superuser, whom no grant concerns"),
            (by_others, f"role {role} has grants on {table} from others than its owner"),
            (granted_on, f"role {role} has granted rights on {table} to others, which would go with its own"),
            (columns, f"role {role} has grants on single columns of {table}, which would go with those of the table"),
        )
        return next((text for holds, text in obstacles if holds), "")

    async def table(self, name: str, role: str) -> Table | None:
        """As the server lists it; the default of an owner counts as granted."""
        async with self._asked(_UNDOING) as connection:
            with translated():
                cursor = await connection.execute(_GRANTS, (role, quoted(name)))
                rows = await cursor.fetchall()
        if not rows:
            return None
        grants = tuple(Grant(privilege=privilege, grantable=grantable) for _, privilege, grantable in rows if privilege)
        return Table(rows[0][0], name, grants)

    async def revoke(self, application: str, table: Table, role: str) -> bool:
        """In one statement, so that all of it is done or nothing."""
        async with self._asked(application) as connection:
            with translated():
                await connection.execute(
                    sql.SQL("REVOKE {} ON {} FROM {}").format(
                        _privileges(table.grants), identifier(table.name), sql.Identifier(role)
                    )
                )
            (may,) = await row(
                connection,
                "SELECT has_table_privilege(%s::name, %s::oid, %s)",
                role,
                table.oid,
                ", ".join(each.privilege for each in table.grants),
            )
        return not may

    async def grant(self, table: Table, role: str, grants: Sequence[Grant]) -> None:
        """With and without the right to hand on, in one transaction."""
        async with self._asked(_UNDOING) as connection:
            with translated():
                async with connection.transaction():
                    for option, suffix in ((False, ""), (True, " WITH GRANT OPTION")):
                        some = [each for each in grants if each.grantable is option]
                        if some:
                            await connection.execute(
                                sql.SQL("GRANT {} ON {} TO {}" + suffix).format(
                                    _privileges(some), identifier(table.name), sql.Identifier(role)
                                )
                            )

    async def why_not_changeable(self, role: str) -> str:
        """Only what the server gives and takes as it is comes back as it was."""
        async with self._asked(_UNDOING) as connection:
            return await postgres_password.why_not_changeable(connection, self._server.username, role)

    async def password(self, role: str, *, by_oid: bool = False) -> RolePassword | None:
        """As the server keeps it."""
        async with self._asked(_UNDOING) as connection:
            return await postgres_password.read(connection, role, by_oid=by_oid)

    async def swap_password(self, oid: str, instead_of: str, verifier: str, application: str = _UNDOING) -> bool:
        """In one transaction that holds the role."""
        async with self._asked(application) as connection:
            return await postgres_password.swap(connection, oid, instead_of, verifier)

    async def end_sessions_of(self, oid: str) -> int:
        """Ask the server to end them."""
        async with self._asked(_UNDOING) as connection:
            return await postgres_password.end_sessions_of(connection, oid)

    async def seen(self, application: str) -> tuple[int, int]:
        """How many tables sessions of that name have locked, and how many sessions wait for them."""
        async with self._asked(_UNDOING) as connection:
            (locked,) = await row(connection, LOCKED, application)
            (waiting,) = await row(connection, WAITING, application)
        return int(locked), int(waiting)

    @asynccontextmanager
    async def _asked(self, application: str) -> AsyncIterator[Connection]:
        limit = milliseconds(_TIMEOUT)
        settings = {
            "statement_timeout": limit,
            "lock_timeout": limit,
            "idle_in_transaction_session_timeout": limit,
        }
        with translated():
            async with connected(self._server, application, settings, _TIMEOUT) as connection:
                yield connection


def _lock_settings(seconds: float) -> Mapping[str, str]:
    limit = milliseconds(_LOCK_SECONDS)
    return {
        "lock_timeout": limit,
        "statement_timeout": limit,
        "idle_in_transaction_session_timeout": milliseconds(seconds),
    }


def _privileges(grants: Sequence[Grant]) -> sql.Composed:
    # Words of the server's own list; nothing that a person wrote.
    return sql.SQL(", ").join(sql.SQL(each.privilege) for each in grants)
