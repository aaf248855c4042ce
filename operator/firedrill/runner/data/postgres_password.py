"""Passwords of roles of a Postgres, as the server keeps them: over a connection of a superuser.

A verifier is told to the server in a statement. The server is asked to keep it out of its logs; what extensions write
down (an audit, a statement's history that does not know this setting) is theirs.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from psycopg import sql

from firedrill.runner.data.postgres_asking import maybe_row, row, translated
from firedrill.runner.data.stores import RolePassword, StoreError
from firedrill.runner.data.verifiers import unmatched_verifier
from firedrill.sources.postgres import Connection

#: Only a superuser may set these.
_UNLOGGED: Final = MappingProxyType(
    {
        "log_statement": "none",
        "log_min_duration_statement": "-1",
        "log_min_duration_sample": "-1",
        "log_transaction_sample_rate": "0",
        "log_duration": "off",
        "log_min_error_statement": "panic",
        "pg_stat_statements.track": "none",
        # Else others could read the statement while the session is open.
        "track_activities": "off",
    }
)
_OBSTACLES: Final = """
SELECT current_setting('is_superuser') = 'on', pg_is_in_recovery(), r.rolcanlogin,
       r.rolname IN (current_user, session_user)
FROM (SELECT) one LEFT JOIN pg_roles r ON r.rolname = %s
"""
_BY_NAME: Final = "SELECT oid::text, rolname, coalesce(rolpassword, '') FROM pg_authid WHERE rolname = %s"
_BY_OID: Final = "SELECT oid::text, rolname, coalesce(rolpassword, '') FROM pg_authid WHERE oid = %s::oid"
#: Whoever changes the role at the same time waits, or is waited for: nobody's change is lost.
_HELD: Final = f"{_BY_OID} FOR UPDATE"
_END: Final = """
SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE usesysid = %s::oid AND backend_type = 'client backend') ended
"""


class _OnlyRehearsed(Exception):
    """Rolls a transaction back."""


async def why_not_changeable(connection: Connection, username: str, role: str) -> str:
    """Why it can not be changed and put back: found by doing both in a transaction that is rolled back."""
    superuser, standby, logs_in, own = await row(connection, _OBSTACLES, role)
    obstacles = (
        (logs_in is None, f"there is no role {role}"),
        (own, f"role {role} logs in for us: it has to put the password back"),
        (not superuser, f"role {username} is no superuser: it may not see what passwords are checked by"),
        (standby, "the server is a standby: passwords are changed on the primary"),
        (logs_in is False, f"role {role} may not log in: it has no use for a password"),
    )
    obstacle = next((text for holds, text in obstacles if holds), "")
    if obstacle:
        return obstacle
    found = await read(connection, role, by_oid=False)
    if found is None or not found.verifier:
        return f"role {role} has no password: it logs in otherwise"
    try:
        await _rehearse(connection, found)
    except StoreError as error:
        return f"the password of role {role} can not be changed and put back: {error}"
    return ""


async def _rehearse(connection: Connection, found: RolePassword) -> None:
    ours = unmatched_verifier()
    try:
        async with connection.transaction():
            for before, after in ((found.verifier, ours), (ours, found.verifier)):
                if not await swap(connection, found.oid, before, after):
                    raise StoreError("somebody else is changing it")
            raise _OnlyRehearsed
    except _OnlyRehearsed:
        return


async def read(connection: Connection, role: str, *, by_oid: bool) -> RolePassword | None:
    """A role with its verifier; None where there is none."""
    found = await maybe_row(connection, _BY_OID if by_oid else _BY_NAME, role)
    return RolePassword(*found) if found else None


async def swap(connection: Connection, oid: str, instead_of: str, verifier: str) -> bool:
    """Set a verifier where another one is, all or nothing; whether it is there then, whoever has set it."""
    await _set(connection, _UNLOGGED)
    async with connection.transaction():
        found = await maybe_row(connection, _HELD, oid)
        if found is None or found[2] not in (instead_of, verifier):
            return False
        if found[2] != verifier:
            with translated():
                await connection.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(found[1]), sql.Literal(verifier))
                )
            stored = await read(connection, oid, by_oid=True)
            if stored is None or stored.verifier != verifier:
                # It is rolled back with the transaction.
                raise StoreError("the server has made something else of a verifier that it was given")
    return True


async def end_sessions_of(connection: Connection, oid: str) -> int:
    """End all sessions of a role; how many there were."""
    (count,) = await row(connection, _END, oid)
    return int(count)


async def _set(connection: Connection, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        await row(connection, "SELECT set_config(%s, %s, false)", name, value)
