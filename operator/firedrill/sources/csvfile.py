"""Tables from CSV."""

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa
from pyarrow import csv

from firedrill.sources.csvquotes import check_quotes
from firedrill.sources.errors import InvalidTable

_DELIMITERS: Final = (",", ";", "\t", "|")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_GZIP: Final = b"\x1f\x8b"
_BLOCK: Final = 4 * 1024 * 1024
#: What is looked at byte by byte fits the cache of a processor.
_SCANNED: Final = 1024 * 1024
_MARK: Final = b"\xef\xbb\xbf"

OpenSource = Callable[[], Any]
_COUNTS: Final = re.compile(r"(?:Row #(?P<row>\d+): )?Expected (?P<wanted>\d+) columns, got (?P<found>\d+)")


def read_csv(open_source: OpenSource, head: bytes) -> "pa.Table":
    """Read a CSV with a header. Types are inferred over all rows; blanks and the usual words for none are null.

    UTF-8 is expected; UTF-16 is told by its byte order mark, and what is neither is read as Latin-1, so that a
    stray byte in one cell does not hide the other cells. The source is opened more than once, and read block by
    block. Raises InvalidTable that says where it is wrong.
    """
    encoding = "utf-16" if head.startswith(_UTF16) else "utf-8"
    text = head.decode(encoding, errors="replace").strip("\ufeff\r\n ")
    if not text:
        raise InvalidTable("the file is empty; a header line is needed")
    if "\0" in text or head.startswith(_GZIP):
        raise InvalidTable("not CSV but binary data; compressed files are not read")
    delimiter = _delimiter(text)
    check_quotes(lambda: _blocks(open_source, encoding), delimiter)
    try:
        table = _convert_csv(open_source, delimiter, encoding)
        # Names are decoded only when they are asked for.
        if table.column_names and any(pa.types.is_binary(field.type) for field in table.schema):
            table = _convert_csv(open_source, delimiter, "latin-1")
    except UnicodeDecodeError:
        table = _convert_csv(open_source, delimiter, "latin-1")
    return table


def _blocks(open_source: OpenSource, encoding: str) -> Iterator[bytes]:
    """The bytes of a source without a mark, in blocks; as UTF-8 where those of its encoding are not ASCII's."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace") if encoding == "utf-16" else None
    with open_source() as source:
        first = True
        while block := source.read(_SCANNED):
            found: bytes = decoder.decode(block).encode() if decoder else block
            yield found.removeprefix(_MARK) if first else found
            first = False


def _convert_csv(open_source: OpenSource, delimiter: str, encoding: str) -> "pa.Table":
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
