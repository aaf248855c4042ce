"""A table whose columns are read once, by name."""

import threading
from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc


class Columns(Protocol):
    """What the engine needs of a table; columns are read by position."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns, in order."""
        ...

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        ...

    def column(self, index: int) -> Any:
        """The values of a column, as a :class:`pyarrow.ChunkedArray`."""
        ...


class MissingColumn(Exception):
    """A table has no such column, or more than one."""

    def __init__(self, table: str, column: str, count: int) -> None:
        self.table = table
        of = f"table {table!r}" if table else "the data"
        text = f"{of} has no column {column!r}" if count == 0 else f"{of} has {count} columns {column!r}"
        super().__init__(text)


class Data:
    """A table whose columns stay in memory once they were asked for: several checks look at the same ones.

    ``name`` is that of another table, empty for the data under test. Safe to use from several threads.
    """

    def __init__(self, columns: Columns, name: str = "") -> None:
        self.name = name
        self.names = list(columns.names)
        self.num_rows = columns.num_rows
        self._columns = columns
        self._read: dict[str, Any] = {}
        self._locks = {each: threading.Lock() for each in self.names}

    def column(self, name: str) -> Any:
        """Values of a column as a ChunkedArray, dictionaries decoded. Raises MissingColumn."""
        count = self.names.count(name)
        if count != 1:
            raise MissingColumn(self.name, name, count)
        with self._locks[name]:
            if name not in self._read:
                self._read[name] = _plain(self._columns.column(self.names.index(name)))
            return self._read[name]

    def held(self) -> "Data":
        """The same table with all of its columns in memory, whatever happens to where it is from."""
        for name in set(self.names):
            if self.names.count(name) == 1:
                self.column(name)
        return self


def missing(column: Any) -> Any:
    """Where a column has no value, as booleans without nulls: null, NaN, blank text."""
    gone = pc.is_null(column, nan_is_null=True)
    if is_text(column.type):
        blank = pc.or_(pc.equal(pc.binary_length(column), 0), pc.ascii_is_space(column))
        gone = pc.or_(gone, pc.fill_null(blank, False))
    return gone


def is_text(kind: Any) -> bool:
    """Whether an Arrow type is text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_number(kind: Any) -> bool:
    """Whether an Arrow type is a number."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _plain(column: Any) -> Any:
    if not isinstance(column, pa.ChunkedArray):
        column = pa.chunked_array([column])
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    return column.cast(pa.string()) if pa.types.is_string_view(column.type) else column
