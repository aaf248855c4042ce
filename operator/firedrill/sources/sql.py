"""Rows of a query of a Postgres."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import psycopg
import pyarrow as pa

from firedrill.api.datastores import SqlSource
from firedrill.sources.errors import SourceError, SourceReason
from firedrill.sources.login import Login
from firedrill.sources.postgres import Postgres, connected
from firedrill.sources.table import MemoryTable, SourceTable

APPLICATION: Final = "firedrill-data"
_BATCH: Final = 10_000
#: Classes of SQLSTATE that may pass by themselves: connection, resources, the server's own going down.
_PASSING: Final = ("08", "53", "57P", "40", "55P")

Span = tuple[str, datetime | None, datetime | None]


async def read_sql(source: SqlSource, login: Login, span: Span | None, field: str) -> SourceTable:
    """The rows of the query, those of a window alone when there is one: (column, first time, first time after).

    The transaction is read-only, the cursor the server's, so that memory holds the columns and one batch. Raises
    SourceError: Unreachable where the server does not answer or gives up in time, NotAllowed for a login or a right
    that is missing, InvalidData for a query that is wrong or brings more than ``maxRows``.
    """
    seconds = source.timeout.total_seconds()
    try:
        async with asyncio.timeout(seconds + 1):
            return MemoryTable(await _rows(source, login, span, field))
    except (TimeoutError, psycopg.errors.QueryCanceled) as error:
        message = f"the query took longer than {seconds:g} s"
        raise SourceError(SourceReason.UNREACHABLE, f"{field}.timeout", message) from error
    except (psycopg.Error, OSError) as error:
        raise _told(error, source, field) from error


async def _rows(source: SqlSource, login: Login, span: Span | None, field: str) -> "pa.Table":
    server = Postgres(source.host, source.port, source.database, login.username, login.password, login.tls, login.ca)
    seconds = source.timeout.total_seconds()
    milliseconds = str(max(1, round(1000 * seconds)))
    settings = {
        "default_transaction_read_only": "on",
        "statement_timeout": milliseconds,
        "lock_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        # Times of no zone are UTC, here as in files.
        "timezone": "UTC",
    }
    async with connected(server, APPLICATION, settings, seconds) as connection:
        await connection.set_read_only(True)
        async with connection.transaction(), psycopg.AsyncRawServerCursor(connection, "firedrill") as cursor:
            query, parameters = _within(source.query, span)
            await cursor.execute(query.encode(), parameters)
            names = [each.name for each in cursor.description or ()]
            batches, rows = [], 0
            while found := await cursor.fetchmany(_BATCH):
                rows += len(found)
                if rows > source.max_rows:
                    message = f"the query has more than maxRows ({source.max_rows}) rows"
                    raise SourceError(SourceReason.INVALID_DATA, f"{field}.query", message)
                batches.append([_array(values) for values in zip(*found, strict=True)])
    if not batches:
        return pa.table([pa.nulls(0) for _ in names], names=names)
    columns = [_chunked([batch[i] for batch in batches]) for i in range(len(names))]
    return pa.table(columns, names=names)


def _within(query: str, span: Span | None) -> tuple[str, list[Any] | None]:
    plain = query.strip().rstrip(";")
    if span is None:
        return plain, None
    column, start, end = span
    quoted = '"' + column.replace('"', '""') + '"'
    bounds = [(op, at) for op, at in ((">=", start), ("<", end)) if at is not None]
    where = " AND ".join(f"{quoted} {op} ${i}" for i, (op, _) in enumerate(bounds, 1))
    # A line end, so that a comment at the end of the query does not swallow what follows.
    # The query is what the resource says, run with no more rights than its login has, in a read-only transaction.
    wrapped = f"SELECT * FROM (\n{plain}\n) AS firedrill_rows WHERE {where}"  # noqa: S608
    return wrapped, [at for _, at in bounds]


def _array(values: Sequence[Any]) -> Any:
    """Values of one type, as Postgres has them; types that Arrow has not, such as UUIDs and addresses, are text."""
    with contextlib.suppress(pa.ArrowException, TypeError, OverflowError, ValueError):
        array = pa.array(values)
        # A UUID is an extension that hardly anything else in Arrow knows.
        if not isinstance(array.type, pa.BaseExtensionType):
            return array
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _chunked(arrays: list[Any]) -> Any:
    try:
        return pa.concat_tables([pa.table({"c": each}) for each in arrays], promote_options="permissive").column(0)
    except pa.ArrowException:
        return pa.chunked_array([each.cast(pa.string()) for each in arrays])


def _text(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)


def _told(error: Exception, source: SqlSource, field: str) -> SourceError:
    where = f"Postgres at {source.host}:{source.port}"
    if isinstance(error, psycopg.errors.DataError | psycopg.DataError):
        return SourceError(SourceReason.INVALID_DATA, f"{field}.query", f"{where}: {_said(error)}")
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    if state is None:
        said = _said(error)
        refused = any(text in said for text in ("authentication failed", "no pg_hba.conf entry", "does not exist"))
        reason = SourceReason.NOT_ALLOWED if refused else SourceReason.UNREACHABLE
        return SourceError(reason, field, f"{where} can not be reached: {said}")
    if state.startswith(_PASSING):
        return SourceError(SourceReason.UNREACHABLE, field, f"{where}: {_said(error)} ({state})")
    if state.startswith(("28", "42501", "3D")):
        return SourceError(SourceReason.NOT_ALLOWED, field, f"{where}: {_said(error)} ({state})")
    return SourceError(SourceReason.INVALID_DATA, f"{field}.query", f"the query is wrong: {_said(error)} ({state})")


def _said(error: Exception) -> str:
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return (primary or str(error).strip().splitlines()[0] if str(error) else type(error).__name__)[:300]
