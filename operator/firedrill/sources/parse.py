"""Tables from bytes or files, in any of the formats."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyarrow import csv

from firedrill.api.tableformat import TableFormat
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
_DELIMITERS: Final = (",", ";", "\t", "|")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_GZIP: Final = b"\x1f\x8b"
_ARROW: Final = b"ARROW1"
_BLOCK: Final = 4 * 1024 * 1024
_HEAD: Final = 64 * 1024


_HTML: Final = (b"<!doctype", b"<html")
_COUNTS: Final = re.compile(r"(?:Row #(?P<row>\d+): )?Expected (?P<wanted>\d+) columns, got (?P<found>\d+)")


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
    return MemoryTable(_read_csv(lambda: pa.BufferReader(data), data[:_HEAD]))


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
    return MemoryTable(_read_csv(lambda: pa.OSFile(str(path)), head))


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


def _read_csv(open_source: Any, head: bytes) -> "pa.Table":
    """Read a CSV with a header. Types are inferred over all rows; blanks and the usual words for none are null.

    UTF-8 is expected; UTF-16 is told by its byte order mark, and what is neither is read as Latin-1, so that a
    stray byte in one cell does not hide the other cells.
    """
    encoding = "utf-16" if head.startswith(_UTF16) else "utf-8"
    text = head.decode(encoding, errors="replace").strip("\ufeff\r\n ")
    if not text:
        raise InvalidTable("the file is empty; a header line is needed")
    if "\0" in text or head.startswith(_GZIP):
        raise InvalidTable("not CSV but binary data; compressed files are not read")
    delimiter = _delimiter(text)
    try:
        table = _convert_csv(open_source, delimiter, encoding)
        # Names are decoded only when they are asked for.
        if table.column_names and any(pa.types.is_binary(field.type) for field in table.schema):
            table = _convert_csv(open_source, delimiter, "latin-1")
    except UnicodeDecodeError:
        table = _convert_csv(open_source, delimiter, "latin-1")
    return table


def _convert_csv(open_source: Callable[[], Any], delimiter: str, encoding: str) -> "pa.Table":
    def read(threads: bool) -> "pa.Table":
        with open_source() as source:
            return csv.read_csv(
                source,
                csv.ReadOptions(use_threads=threads, block_size=_BLOCK, encoding=encoding),
                csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                csv.ConvertOptions(strings_can_be_null=True),
            )

    try:
        return read(threads=True)
    except pa.ArrowException:
        pass
    try:
        # Once more: rows are numbered only when they are read one after the other.
        return read(threads=False)
    except pa.ArrowException as error:
        # Not as its cause: the text of the error shows the row.
        raise InvalidTable(f"not CSV: {_wrong_row(error)}") from None


def _wrong_row(error: Exception) -> str:
    """Where a CSV is wrong, without the text of the row, which Arrow shows."""
    found = _COUNTS.search(_first_line(error))
    if found is None:
        return re.split("['\"]", _first_line(error))[0].rstrip(": ")
    row = f"row {found['row']}: " if found["row"] else ""
    return f"{row}expected {found['wanted']} columns, got {found['found']}"


def _delimiter(head: str) -> str:
    """The comma, unless the header has none and another common one."""
    header = head.splitlines()[0]
    return next((delimiter for delimiter in _DELIMITERS if delimiter in header), ",")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
