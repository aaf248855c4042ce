"""Statements to a Postgres, and its errors in the words of stores."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql

from firedrill.runner.data.stores import StoreError, StoreUnreachable
from firedrill.sources.postgres import Connection


class translated:  # noqa: N801 - reads as a word
    """Turns errors of the driver into those of stores."""

    def __enter__(self) -> None:
        """Nothing is to be done."""

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        """Raise the error of stores that this one means."""
        if isinstance(error, psycopg.Error) and error.sqlstate:
            raise StoreError(f"Postgres: {type(error).__name__}: {error.diag.message_primary}") from error
        if isinstance(error, psycopg.Error | OSError):
            text = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise StoreUnreachable(f"Postgres: {text[0][:200]}") from error


async def close_all(connections: Sequence[Connection]) -> None:
    """Close connections, whatever state they are in."""
    for each in connections:
        with suppress(psycopg.Error, OSError):
            await each.close()


async def maybe_row(connection: Connection, query: str, *values: object) -> tuple[Any, ...] | None:
    """The first row of an answer, if it has one."""
    with translated():
        cursor = await connection.execute(query.encode(), values)
        return await cursor.fetchone()


async def row(connection: Connection, query: str, *values: object) -> tuple[Any, ...]:
    found = await maybe_row(connection, query, *values)
    if found is None:
        raise StoreError("Postgres gave no answer to a question that has one")
    return found


def milliseconds(seconds: float) -> str:
    """A time as settings of the server have it."""
    return str(max(1, round(1000 * seconds)))


def identifier(table: str) -> sql.Identifier:
    """A table, with its schema or without, as a statement has it."""
    return sql.Identifier(*table.split("."))


def quoted(table: str) -> str:
    """The same as text."""
    return ".".join(f'"{part}"' for part in table.split("."))


def lock_statement(tables: Sequence[str]) -> sql.Composed:
    """Lock all of them against everybody."""
    return sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(
        sql.SQL(", ").join(identifier(each) for each in tables)
    )
