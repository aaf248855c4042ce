"""Connections to a Postgres, each of its own and bounded in time by the server."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True)
class Postgres:
    """One database of a server, and who connects."""

    host: str
    port: int
    database: str
    username: str
    password: str = field(default="", repr=False)
    tls: bool = False
    ca: str = field(default="", repr=False)


@asynccontextmanager
async def connected(
    server: Postgres, application: str, settings: Mapping[str, str], timeout: float
) -> AsyncIterator[Connection]:
    """A connection that is closed at the end. Raises psycopg.Error; see :func:`connect`."""
    connection = await connect(server, application, settings, timeout)
    try:
        yield connection
    finally:
        await connection.close()


async def connect(server: Postgres, application: str, settings: Mapping[str, str], timeout: float) -> Connection:
    """A connection with these settings in force from its first moment on; every statement is a transaction.

    ``timeout`` is in seconds. Raises psycopg.Error, whose ``sqlstate`` is None where the server did not answer.
    """
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    with tempfile.NamedTemporaryFile("w", suffix=".crt") as file:
        tls: dict[str, Any] = {"sslmode": "disable"}
        if server.tls:
            # libpq reads it from a file alone.
            file.write(server.ca)
            file.flush()
            tls = {"sslmode": "verify-full", "sslrootcert": file.name if server.ca else "system"}
        return await psycopg.AsyncConnection.connect(
            host=server.host,
            port=server.port,
            dbname=server.database,
            user=server.username,
            password=server.password,
            application_name=application,
            options=options,
            connect_timeout=max(2, round(timeout)),
            passfile="/dev/null",
            # What the server does not acknowledge by then, the kernel sends no more, also after we have given it up.
            tcp_user_timeout=max(1, round(1000 * timeout)),
            autocommit=True,
            **tls,
        )
