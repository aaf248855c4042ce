"""Tables from CSV."""

import codecs
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from firedrill.sources.csvquotes import Quotes, refuse
from firedrill.sources.csvwords import texts_missing
from firedrill.sources.csvzeros import Zeros, is_code
from firedrill.sources.encoding import Mended
from firedrill.sources.errors import InvalidTable

_DELIMITERS: Final = (",", ";", "\t", "|")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_GZIP: Final = b"\x1f\x8b"
_BLOCK: Final = 4 * 1024 * 1024
#: Of what is looked at byte by byte: larger arrays of numpy are asked of the kernel, page by page, each time.
_SCANNED: Final = 64 * 1024
_MARK: Final = b"\xef\xbb\xbf"
_COUNTS: Final = re.compile(r"(?:Row #(?P<row>\d+): )?Expected (?P<wanted>\d+) columns, got (?P<found>\d+)")
_BLANK_LINES: Final = re.compile(r"(?:\r\n|\r|\n)*")
_LINE_END: Final = re.compile(r"\r\n|\r|\n")

OpenSource = Callable[[], Any]


@dataclass(frozen=True)
class _Form:
    """How a CSV is written; ``blank`` is the number of lines above its header. ``mended`` says that it is UTF-8 with
    stray bytes in it, or Latin-1."""

    delimiter: str
    encoding: str
    blank: int
    mended: bool = False

    @contextmanager
    def opened(self, open_source: OpenSource) -> Iterator[Any]:
        """The source in the form's encoding."""
        with open_source() as source:
            yield io.BufferedReader(Mended(source)) if self.mended else source

    @property
    def parse(self) -> Any:
        """How cells are told apart."""
        return csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True)


def read_csv(open_source: OpenSource, head: bytes) -> tuple["pa.Table", frozenset[str]]:
    """Read a CSV with a header, and the names of its columns of numbers with zeros before them, which are texts.

    Other types are inferred over all rows; blanks and the usual words for none are null, NA but among texts. UTF-8 is
    expected; UTF-16 is told by its byte order mark, and a byte that is neither is read as Latin-1, so that a stray one
    in one cell changes no other cell. The source is opened more than once, and read block by block. Raises
    InvalidTable that says where it is wrong.
    """
    encoding = "utf-16" if head.startswith(_UTF16) else "utf-8"
    decoded = head.decode(encoding, errors="replace").lstrip("\ufeff")
    text = decoded.strip("\ufeff\r\n ")
    if not text:
        raise InvalidTable("the file is empty; a header line is needed")
    if "\0" in text or head.startswith(_GZIP):
        raise InvalidTable("not CSV but binary data; compressed files are not read")
    blank = _BLANK_LINES.match(decoded)
    form = _Form(_delimiter(text), encoding, len(_LINE_END.findall(blank.group())) if blank else 0)
    zeros = _scan(open_source, form)
    try:
        table = _read_typed(open_source, form)
        # Names are decoded only when they are asked for.
        if table.column_names and any(pa.types.is_binary(field.type) for field in table.schema):
            raise UnicodeError
    except UnicodeError:
        form = replace(form, mended=True)
        table = _read_typed(open_source, form)
    table = texts_missing(table)
    return _with_codes(open_source, form, table) if zeros else (table, frozenset())


def _scan(open_source: OpenSource, form: _Form) -> bool:
    """Whether there may be numbers with zeros before them, from the bytes. Raises InvalidTable for a quote that is not
    closed."""

    def blocks() -> Iterator[bytes]:
        return _blocks(open_source, form.encoding)

    quotes, zeros = Quotes(form.delimiter), Zeros(form.delimiter)
    for block in blocks():
        quotes.feed(block)
        zeros.feed(block)
    quotes.close()
    zeros.close()
    refuse(quotes, blocks)
    return zeros.found


def _blocks(open_source: OpenSource, encoding: str) -> Iterator[bytes]:
    """The bytes of a source without a mark, in blocks; as UTF-8 where those of its encoding are not ASCII's."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace") if encoding == "utf-16" else None
    with open_source() as source:
        first = True
        while block := source.read(_SCANNED):
            found: bytes = decoder.decode(block).encode() if decoder else block
            yield found.removeprefix(_MARK) if first else found
            first = False


def _read_typed(open_source: OpenSource, form: _Form) -> "pa.Table":
    def read(threads: bool) -> "pa.Table":
        with form.opened(open_source) as source:
            return csv.read_csv(
                source,
                csv.ReadOptions(use_threads=threads, block_size=_BLOCK, encoding=form.encoding),
                form.parse,
                csv.ConvertOptions(strings_can_be_null=False),
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


def _with_codes(open_source: OpenSource, form: _Form, table: "pa.Table") -> tuple["pa.Table", frozenset[str]]:
    """The table with columns as texts that were inferred to be numbers, and have zeros before them; and their names."""
    numbers = {i for i, field in enumerate(table.schema) if _is_number(field.type)}
    try:
        codes = _written_with_zeros(open_source, form, table.num_columns, numbers) if numbers else set()
        texts = _read_texts(open_source, form, table.num_columns, codes) if codes else {}
    except pa.ArrowException as error:
        raise InvalidTable(f"not CSV: {_wrong_row(error)}") from None
    for i, column in texts.items():
        if len(column) != table.num_rows:
            raise InvalidTable("the file was changed while it was read")
        table = table.set_column(i, table.field(i).with_type(pa.string()), column)
    return table, frozenset(table.column_names[i] for i in codes)


def _written_with_zeros(open_source: OpenSource, form: _Form, width: int, numbers: Collection[int]) -> set[int]:
    """Those of some columns that have such a number. A block at a time is in memory."""
    left, found = set(numbers), set[int]()
    with (
        form.opened(open_source) as source,
        csv.open_csv(source, _by_position(form, width), form.parse, _as_texts(numbers)) as reader,
    ):
        for batch in reader:
            found |= {i for i in left if pc.any(is_code(batch.column(str(i)))).as_py()}
            left -= found
            if not left:
                break
    return found


def _read_texts(open_source: OpenSource, form: _Form, width: int, columns: Collection[int]) -> Mapping[int, Any]:
    """Some columns as texts, without the spaces that a number may have around it; the words for none as of numbers."""
    with form.opened(open_source) as source:
        table = csv.read_csv(source, _by_position(form, width), form.parse, _as_texts(columns))
    return {i: pc.utf8_trim(table.column(str(i)), " \t") for i in columns}


def _by_position(form: _Form, width: int) -> Any:
    """Columns named by their position: names of the header may repeat."""
    names = [str(i) for i in range(width)]
    # Lines are skipped as they are, blank ones with the others.
    skipped = form.blank + 1
    return csv.ReadOptions(block_size=_BLOCK, encoding=form.encoding, column_names=names, skip_rows_after_names=skipped)


def _as_texts(columns: Collection[int]) -> Any:
    names = [str(i) for i in sorted(columns)]
    types = dict.fromkeys(names, pa.string())
    return csv.ConvertOptions(strings_can_be_null=True, include_columns=names, column_types=types)


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


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
