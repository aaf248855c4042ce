"""Tables from bytes or files, in any of the formats."""

from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from firedrill.api.tableformat import TableFormat
from firedrill.sources.csvfile import read_csv
from firedrill.sources.errors import InvalidTable
from firedrill.sources.messages import parse_lines
from firedrill.sources.table import MemoryTable, ParquetTable, SourceTable

_SUFFIXES: Final = {
    ".csv": TableFormat.CSV,
    ".tsv": TableFormat.CSV,
    ".txt": TableFormat.CSV,
    ".parquet": TableFormat.PARQUET,
    ".pq": TableFormat.PARQUET,
    ".jsonl": TableFormat.JSONL,
    ".ndjson": TableFormat.JSONL,
    ".json": TableFormat.JSONL,
    ".arrow": TableFormat.ARROW,
    ".feather": TableFormat.ARROW,
    ".ipc": TableFormat.ARROW,
    ".hl7": TableFormat.HL7,
}
_GZIP: Final = b"\x1f\x8b"
_ARROW: Final = b"ARROW1"
_HEAD: Final = 64 * 1024


_HTML: Final = (b"<!doctype", b"<html")


def format_of(path: Path, head: bytes) -> TableFormat:
    """Format of a file by its name, else by how it starts."""
    known = _SUFFIXES.get(path.suffix.lower())
    if known is not None:
        return known
    if head.startswith(b"PAR1"):
        return TableFormat.PARQUET
    if head.startswith(_ARROW):
        return TableFormat.ARROW
    return TableFormat.JSONL if head.lstrip()[:1] in (b"{", b"[") else TableFormat.CSV


def parse_bytes(data: bytes, kind: TableFormat) -> SourceTable:
    """A table from bytes in memory. Raises InvalidTable that says where it is not one."""
    _no_page(data[:_HEAD])
    if kind is TableFormat.PARQUET:
        return ParquetTable(pa.BufferReader(data))
    if kind is TableFormat.ARROW:
        return MemoryTable(_read_arrow(pa.BufferReader(data), data[:_HEAD]))
    if kind.of_lines:
        return MemoryTable(_read_lines(data, kind))
    return MemoryTable(*read_csv(lambda: pa.BufferReader(data), data[:_HEAD]))


def parse_file(path: Path, kind: TableFormat | None) -> SourceTable:
    """A table from a local file; a Parquet file is read column by column.

    Raises InvalidTable when it is not a table, OSError when it can not be opened.
    """
    if not path.is_file():
        # A pipe, such as /dev/stdin, can be read but once.
        return _parse_stream(path, kind)
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    _no_page(head)
    kind = kind or format_of(path, head)
    if kind is TableFormat.PARQUET:
        # Not mapped: the pages of a mapped file count as memory of the process.
        return ParquetTable(pa.OSFile(str(path)))
    if kind is TableFormat.ARROW:
        return MemoryTable(_read_arrow(pa.OSFile(str(path)), head))
    if kind.of_lines:
        return MemoryTable(_read_lines(path.read_bytes(), kind))
    return MemoryTable(*read_csv(lambda: pa.OSFile(str(path)), head))


def _parse_stream(path: Path, kind: TableFormat | None) -> SourceTable:
    data = path.read_bytes()
    return parse_bytes(data, kind or format_of(path, data[:_HEAD]))


def _no_page(head: bytes) -> None:
    """A page for people, such as a login that a server answers with, would else be read as a table."""
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:16].lower().startswith(_HTML):
        raise InvalidTable("not a table but an HTML page, such as that of a login")


def _read_lines(data: bytes, kind: TableFormat) -> "pa.Table":
    if data.startswith(_GZIP):
        raise InvalidTable("not text but compressed; compressed files are not read")
    return parse_lines(data, kind)


def _read_arrow(source: Any, head: bytes) -> "pa.Table":
    """A file or a stream of Arrow."""
    try:
        with source:
            reader = pa.ipc.open_file(source) if head.startswith(_ARROW) else pa.ipc.open_stream(source)
            table = reader.read_all()
            # Offsets of a damaged file may point anywhere.
            table.validate(full=True)
            return table
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InvalidTable(f"not an Arrow file: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
