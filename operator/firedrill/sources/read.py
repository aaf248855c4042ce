"""A table from wherever a DataSource says."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from firedrill.api.credentials import CredentialsRef
from firedrill.api.data import ConfigMapSource, DataSource, FileSource, ReferenceSource, TableSource
from firedrill.api.datastores import VolumeSource
from firedrill.api.tableformat import TableFormat
from firedrill.api.window import TimeWindow
from firedrill.sources.context import SourceContext
from firedrill.sources.derived import JoinedTable, RenamedTable, StackedTable, WindowedTable
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.http import download
from firedrill.sources.login import CredentialsRefused, Login
from firedrill.sources.parse import parse_bytes, parse_file
from firedrill.sources.pinned import Pin, parse_pinned
from firedrill.sources.table import SourceTable

T = TypeVar("T")


async def read_table(source: DataSource, context: SourceContext, field: str) -> SourceTable:
    """Read the table of a source: what its window leaves, with its labels. ``field`` is the path of the source in its
    resource, for messages.

    Raises SourceError, never anything else, when it can not be had. Columns of a Parquet file are read when they are
    asked for, and InvalidTable is raised then where one is damaged.
    """
    table = await open_table(source, context, field)
    await settle(table, field)
    return table


async def settle(table: SourceTable, field: str) -> None:
    """Read what the rows of an opened table depend on: times of its window, identifiers of its labels.

    Raises SourceError.
    """
    derived: list[WindowedTable | JoinedTable] = []
    while isinstance(table, WindowedTable | JoinedTable):
        derived.append(table)
        table = table.inner
    for each in reversed(derived):
        await _made(each.settle, f"{field}.{each.field}")


async def open_table(source: DataSource, context: SourceContext, field: str) -> SourceTable:
    """The table of a source of which nothing is read that can be read in pieces later. Raises SourceError; where its
    window or its labels can not be read, InvalidTable is raised later."""
    profile = source.profile if isinstance(source, ReferenceSource) else None
    pin = Pin(profile.sha256, f"{field}.profile.sha256") if profile else None
    table = await _read_place(source, source.window, context, field, pin)
    if source.feature_names:
        table = RenamedTable(table, _with_features(table, source.feature_names))
    if source.window is not None and source.window.column is not None and source.sql is None:
        column, (start, end) = source.window.column, source.window.span(context.now)
        table = await _made(lambda: WindowedTable(table, column, start, end), f"{field}.window.column")
    if source.labels is not None:
        labels = await _read_place(source.labels.source, None, context, f"{field}.labels.source")
        by = source.labels.id_column
        table = await _made(lambda: JoinedTable(table, labels, by), f"{field}.labels.idColumn")
    return table


async def _read_place(
    source: TableSource, window: TimeWindow | None, context: SourceContext, field: str, pin: Pin | None = None
) -> SourceTable:
    """The table of a place. A store that can is asked for the window alone. Clients are imported when needed.

    A content that is pinned is held against its hash; the model admits a pin of one file alone."""
    start, end = window.span(context.now) if window else (None, None)
    if source.inline is not None:
        return await _parse(source.inline.csv.encode(), TableFormat.CSV, f"{field}.inline.csv", pin)
    if source.config_map is not None:
        return await _read_config_map(source.config_map, context, f"{field}.configMap", pin)
    if source.http is not None:
        return await download(context.http, source.http, f"{field}.http", context.max_download, pin)
    if source.volume is not None:
        return await _read_volume(source.volume, context, f"{field}.volume", pin)
    if source.s3 is not None:
        from firedrill.sources.s3 import read_s3

        login = await _login(source.s3.secret_ref, context, f"{field}.s3")
        return await read_s3(source.s3, login, f"{field}.s3", context.max_download, pin)
    if source.sql is not None:
        from firedrill.sources.sql import read_sql

        sql = source.sql
        login = await _login(sql.secret_ref, context, f"{field}.sql", tls=sql.tls, username=sql.username or "")
        span = (window.column, start, end) if window and window.column else None
        return await read_sql(sql, login, span, f"{field}.sql")
    if source.kafka is not None:
        from firedrill.sources.topic import read_topic

        login = await _login(source.kafka.secret_ref, context, f"{field}.kafka", tls=source.kafka.tls)
        # A column of the message counts before the message's own time.
        bounds = (None, None) if window and window.column else (start, end)
        return await read_topic(source.kafka, login, bounds, f"{field}.kafka", context.max_download)
    if source.prometheus is not None:
        from firedrill.sources.samples import read_samples

        assert start is not None, "the model admits no prometheus without the begin of a window"
        field = f"{field}.prometheus"
        return await read_samples(context.http, source.prometheus, start, end or context.now, field)
    assert source.file is not None, "the model admits no source without a member"
    return await _read_file(source.file, context, f"{field}.file", pin)


async def _made(make: Callable[[], T], field: str) -> T:
    try:
        return await asyncio.to_thread(make)
    except InvalidTable as error:
        raise SourceError(SourceReason.INVALID_DATA, field, str(error)) from error


async def _login(
    ref: CredentialsRef | None, context: SourceContext, field: str, *, tls: bool = False, username: str = ""
) -> Login:
    try:
        return await context.read_login(ref, tls=tls, username=username)
    except CredentialsRefused as error:
        raise SourceError(SourceReason.NOT_ALLOWED, f"{field}.secretRef", str(error)) from error
    except OSError as error:
        raise SourceError(SourceReason.UNREACHABLE, f"{field}.secretRef", str(error)) from error


async def _parse(data: bytes, kind: TableFormat, field: str, pin: Pin | None) -> SourceTable:
    if pin is not None:
        pin.check(data)
    return await _made(lambda: parse_bytes(data, kind), field)


async def _read_config_map(source: ConfigMapSource, context: SourceContext, field: str, pin: Pin | None) -> SourceTable:
    if context.read_config_map is None:
        raise SourceError(SourceReason.NOT_ALLOWED, field, "a ConfigMap can only be read in a cluster")
    shown = f"key {source.key!r} of ConfigMap {source.name!r}"
    try:
        data = await context.read_config_map(source.name, source.key)
    except LookupError as error:
        raise SourceError(SourceReason.NOT_FOUND, field, f"there is no {shown}") from error
    except OSError as error:
        message = f"{shown} could not be read: {str(error) or type(error).__name__}"
        raise SourceError(SourceReason.UNREACHABLE, field, message) from error
    return await _parse(data, source.format, f"{field}.key", pin)


async def _read_volume(source: VolumeSource, context: SourceContext, field: str, pin: Pin | None) -> SourceTable:
    if context.find_volume is None:
        raise SourceError(SourceReason.NOT_ALLOWED, field, "a volume can only be read in a cluster; use file")
    try:
        root = await context.find_volume(source.claim)
    except LookupError as error:
        message = f"there is no PersistentVolumeClaim {source.claim!r}"
        raise SourceError(SourceReason.NOT_FOUND, f"{field}.claim", message) from error
    except PermissionError as error:
        raise SourceError(SourceReason.NOT_ALLOWED, f"{field}.claim", str(error)) from error
    except OSError as error:
        raise SourceError(SourceReason.UNREACHABLE, f"{field}.claim", str(error)) from error
    path = root / source.path
    if not path.resolve().is_relative_to(root.resolve()):
        message = f"{source.path!r} is a link that leads out of the volume"
        raise SourceError(SourceReason.NOT_ALLOWED, f"{field}.path", message)
    return await _read_path(path, source.path, source.format, f"{field}.path", pin)


async def _read_file(source: FileSource, context: SourceContext, field: str, pin: Pin | None) -> SourceTable:
    name = f"{field}.path"
    if not context.allow_files:
        message = "local files can only be read by 'firedrill run --offline'"
        raise SourceError(SourceReason.NOT_ALLOWED, name, message)
    return await _read_path(_located(Path(source.path), context.base_dir), source.path, source.format, name, pin)


async def _read_path(path: Path, shown: str, kind: TableFormat | None, field: str, pin: Pin | None) -> SourceTable:
    try:
        return await asyncio.to_thread(parse_path, path, kind, pin)
    except FileNotFoundError as error:
        raise SourceError(SourceReason.NOT_FOUND, field, f"there is no file {shown!r}") from error
    except OSError as error:
        message = f"{shown!r} can not be read: {error.strerror or error}"
        raise SourceError(SourceReason.UNREACHABLE, field, message) from error
    except InvalidTable as error:
        raise SourceError(SourceReason.INVALID_DATA, field, f"{shown!r}: {error}") from error


def parse_path(path: Path, kind: TableFormat | None, pin: Pin | None = None) -> SourceTable:
    """A file, or the files of a folder as one table; marks of other tools, such as _SUCCESS, are no data.

    Raises InvalidTable, which names the file of a folder, and OSError.
    """
    if not path.is_dir():
        return parse_pinned(path, kind, pin)
    if pin is not None:
        raise InvalidTable("a folder can not be pinned: a profile is one file")
    files = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith(("_", ".")))
    if not files:
        raise InvalidTable("there is no file in this folder")
    parts = []
    for each in files:
        try:
            parts.append((each.name, parse_file(each, kind)))
        except InvalidTable as error:
            raise InvalidTable(f"{each.name}: {error}") from error
    return parts[0][1] if len(parts) == 1 else StackedTable(parts)


def _with_features(table: SourceTable, names: list[str]) -> list[str]:
    return [
        names[int(name[8:])] if name[:8] == "feature_" and name[8:].isdigit() and int(name[8:]) < len(names) else name
        for name in table.names
    ]


def _located(path: Path, base: Path) -> Path:
    """Beside the resource's file first, so that a set of files can be run from anywhere."""
    beside = base / path
    return beside if beside.exists() else path
