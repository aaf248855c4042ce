"""A table from wherever a DataSource says."""

import asyncio
from pathlib import Path

from firedrill.api.data import ConfigMapSource, DataSource, FileSource, TableFormat
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.http import download
from firedrill.sources.parse import parse_bytes, parse_file
from firedrill.sources.table import SourceTable


async def read_table(source: DataSource, context: SourceContext, field: str) -> SourceTable:
    """Read the table of a source. ``field`` is the path of the source in its resource, for messages.

    Raises SourceError, never anything else, when it can not be had.
    """
    if source.inline is not None:
        return await _parse(source.inline.csv.encode(), TableFormat.CSV, f"{field}.inline.csv")
    if source.config_map is not None:
        return await _read_config_map(source.config_map, context, f"{field}.configMap")
    if source.http is not None:
        return await download(context.http, source.http, f"{field}.http", context.max_download)
    assert source.file is not None, "the model admits no source without a member"
    return await _read_file(source.file, context, f"{field}.file")


async def _parse(data: bytes, kind: TableFormat, field: str) -> SourceTable:
    try:
        return await asyncio.to_thread(parse_bytes, data, kind)
    except InvalidTable as error:
        raise SourceError(SourceReason.INVALID_DATA, field, str(error)) from error


async def _read_config_map(source: ConfigMapSource, context: SourceContext, field: str) -> SourceTable:
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
    return await _parse(data, source.format, f"{field}.key")


async def _read_file(source: FileSource, context: SourceContext, field: str) -> SourceTable:
    name = f"{field}.path"
    if not context.allow_files:
        message = "local files can only be read by 'firedrill run --offline'"
        raise SourceError(SourceReason.NOT_ALLOWED, name, message)
    path = _located(Path(source.path), context.base_dir)
    try:
        return await asyncio.to_thread(parse_file, path, source.format)
    except FileNotFoundError as error:
        raise SourceError(SourceReason.NOT_FOUND, name, f"there is no file {source.path!r}") from error
    except OSError as error:
        message = f"{source.path!r} can not be read: {error.strerror or error}"
        raise SourceError(SourceReason.UNREACHABLE, name, message) from error
    except InvalidTable as error:
        raise SourceError(SourceReason.INVALID_DATA, name, f"{source.path!r}: {error}") from error


def _located(path: Path, base: Path) -> Path:
    """Beside the resource's file first, so that a set of files can be run from anywhere."""
    beside = base / path
    return beside if beside.exists() else path
