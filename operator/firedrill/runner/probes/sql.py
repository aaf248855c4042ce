"""A query of a Postgres."""

import asyncio
from typing import Final

import psycopg

from firedrill.api.probe_services import SqlProbe
from firedrill.runner.context import RunContext
from firedrill.runner.probes.expecting import meets, shown
from firedrill.runner.probes.logged_in import LoggedInAsk
from firedrill.sources.postgres import Postgres, connected

APPLICATION: Final = "firedrill-probe"


class SqlAsk(LoggedInAsk[SqlProbe]):
    """Asks over a connection of its own: a kept one goes on working where no new one is accepted."""

    def __init__(self, probe: SqlProbe, context: RunContext) -> None:
        super().__init__(probe, context, probe.username or "")

    async def __call__(self) -> tuple[bool | None, str]:
        """Whether the value is as expected; None where the query itself is wrong."""
        try:
            async with asyncio.timeout(self._probe.timeout.total_seconds()):
                rows = await self._rows()
        except TimeoutError:
            return False, "timeout"
        except psycopg.errors.SyntaxError as error:
            return None, f"the query is wrong: {error.diag.message_primary}"
        except (psycopg.Error, OSError) as error:
            # What else the server says no to, be it a login, a right or a lock, its other clients suffer too.
            return False, _named(error)
        if not rows:
            return False, "no row"
        if len(rows) > 1 or len(rows[0]) != 1:
            return None, "the query has more than one value"
        (value,) = rows[0]
        if value is None:
            return False, "null"
        good = meets(value, self._probe.equals, self._probe.min, self._probe.max)
        return (True, "") if good else (False, shown(value))

    async def _rows(self) -> list[list[str | None]]:
        """The first rows, as Postgres writes them."""
        probe, login = self._probe, self._login
        server = Postgres(probe.host, probe.port, probe.database, login.username, login.password, login.tls, login.ca)
        milliseconds = str(max(1, round(1000 * probe.timeout.total_seconds())))
        settings = {
            "default_transaction_read_only": "on",
            "statement_timeout": milliseconds,
            "lock_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds,
        }
        async with connected(server, APPLICATION, settings, probe.timeout.total_seconds()) as connection:
            await connection.set_read_only(True)
            cursor = psycopg.AsyncRawCursor(connection)
            async with connection.transaction():
                # What is prepared is one statement: the server takes no second one after a semicolon.
                await cursor.execute(probe.query.encode(), prepare=True)
                result = cursor.pgresult
                assert result is not None  # it was executed
                return [
                    [_decoded(result.get_value(row, column)) for column in range(result.nfields)]
                    for row in range(min(2, result.ntuples))
                ]


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def _named(error: Exception) -> str:
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return f"{type(error).__name__} ({error.sqlstate})"
    return type(error).__name__
