"""Tables made of other tables, still read one column at a time: stacked, cut to a window, joined, renamed."""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from firedrill.api.times import NotTimes, to_unix
from firedrill.sources.codes import agreed
from firedrill.sources.errors import InvalidTable
from firedrill.sources.table import SourceTable

_SHOWN: Final = 5


def position(table: SourceTable, name: str) -> int:
    """Index of the one column of this name. Raises InvalidTable where there is none, or more than one."""
    found = [i for i, other in enumerate(table.names) if other == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidTable(f"there are {len(found)} columns {name!r}; their names must differ")
    known = ", ".join(repr(other) for other in table.names[:_SHOWN])
    more = f" and {len(table.names) - _SHOWN} more" if len(table.names) > _SHOWN else ""
    raise InvalidTable(f"there is no column {name!r}; there are {known or 'no columns'}{more}")


class StackedTable:
    """The rows of several tables, one after the other; ``parts`` are not empty, each with its name for messages."""

    def __init__(self, parts: Sequence[tuple[str, SourceTable]]) -> None:
        """Raises InvalidTable that names the part whose columns are not those of the first one."""
        self._parts = agreed(parts)
        first_name, first = parts[0]
        self._names = list(first.names)
        for name, table in parts[1:]:
            for missing in set(self._names) - set(table.names):
                raise InvalidTable(f"{name}: there is no column {missing!r}, which {first_name} has")
            for extra in set(table.names) - set(self._names):
                raise InvalidTable(f"{name}: there is a column {extra!r}, which {first_name} has not")
            if len(set(self._names)) != len(self._names) and list(table.names) != self._names:
                raise InvalidTable(f"{name}: columns of the same name stand elsewhere than in {first_name}")

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns, as the first table orders them."""
        return self._names

    @property
    def num_rows(self) -> int:
        """Number of rows of all tables."""
        return sum(table.num_rows for _, table in self._parts)

    def column(self, index: int) -> Any:
        """Values of a column. Raises InvalidTable where its types do not go together."""
        name = self._names[index]
        twice = self._names.count(name) > 1
        found = [(part, table.column(index if twice else position(table, name))) for part, table in self._parts]
        try:
            tables = [pa.table({"c": column}) for _, column in found]
            return pa.concat_tables(tables, promote_options="permissive").column(0)
        except pa.ArrowException as error:
            first = found[0]
            other = next((each for each in found if each[1].type != first[1].type), first)
            raise InvalidTable(
                f"column {name!r} is {first[1].type} in {first[0]} and {other[1].type} in {other[0]}"
            ) from error

    @property
    def rows_at_most(self) -> int:
        """Number of rows of all tables at most."""
        return sum(table.rows_at_most for _, table in self._parts)

    @property
    def fingerprint(self) -> str:
        """Those of all tables."""
        return "\n".join(table.fingerprint for _, table in self._parts)

    def pieces(self) -> Sequence[SourceTable]:
        """Those of all tables, with their columns in the order of the first."""
        return [
            piece if list(piece.names) == self._names else _Reordered(piece, self._names)
            for _, table in self._parts
            for piece in table.pieces()
        ]


class _Reordered:
    """A table with its columns, whose names differ, in another order."""

    def __init__(self, table: SourceTable, names: Sequence[str]) -> None:
        self._table, self._names = table, names

    @property
    def names(self) -> Sequence[str]:
        return self._names

    @property
    def num_rows(self) -> int:
        return self._table.num_rows

    @property
    def rows_at_most(self) -> int:
        return self._table.rows_at_most

    def column(self, index: int) -> Any:
        return self._table.column(position(self._table, self._names[index]))

    @property
    def fingerprint(self) -> str:
        return self._table.fingerprint

    def pieces(self) -> Sequence[SourceTable]:
        return [self]


class WindowedTable:
    """The rows of a table whose time is in a window. Times are read when rows are first asked for; InvalidTable is
    raised then where they are anything but times."""

    #: The field that it comes from, below the source.
    field: Final = "window.column"

    def __init__(self, table: SourceTable, column: str, start: datetime | None, end: datetime | None) -> None:
        """Raises InvalidTable where there is no such column."""
        self._table, self._column, self._span = table, column, (start, end)
        position(table, column)

    def settle(self) -> None:
        """Read what rows depend on. Raises InvalidTable."""
        _ = self._kept

    @property
    def inner(self) -> SourceTable:
        """The table with all its rows."""
        return self._table

    @cached_property
    def _kept(self) -> Any:
        start, end = self._span
        try:
            times = to_unix(self._table.column(position(self._table, self._column)), self._column)
        except NotTimes as error:
            raise InvalidTable(str(error)) from error
        kept = pc.is_valid(times)
        if start is not None:
            kept = pc.and_(kept, pc.greater_equal(times, start.timestamp()))
        if end is not None:
            kept = pc.and_(kept, pc.less(times, end.timestamp()))
        return pc.fill_null(kept, False)

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns."""
        return self._table.names

    @property
    def num_rows(self) -> int:
        """Number of rows in the window."""
        rows: int = pc.sum(self._kept).as_py() or 0
        return rows

    def column(self, index: int) -> Any:
        """Values of a column, of the rows in the window."""
        return self._table.column(index).filter(self._kept)

    @property
    def rows_at_most(self) -> int:
        """Number of rows in and out of the window."""
        return self._table.rows_at_most

    @property
    def fingerprint(self) -> str:
        """That of the table with all its rows."""
        return self._table.fingerprint

    def pieces(self) -> Sequence[SourceTable]:
        """Those of the table, each with its rows in the window."""
        return [WindowedTable(piece, self._column, *self._span) for piece in self._table.pieces()]


class JoinedTable:
    """A table with columns of another one beside it, where an identifier agrees; else they are null. Identifiers are
    read when a label is first asked for; InvalidTable is raised then where they can not be joined by."""

    #: The field that it comes from, below the source.
    field: Final = "labels.idColumn"

    def __init__(self, table: SourceTable, labels: SourceTable, on: str) -> None:
        """Raises InvalidTable where the identifier is not in both, or where a label has the name of a column."""
        self._table, self._labels, self._on = table, labels, on
        position(table, on)
        key = position(labels, on)
        self._columns = [i for i in range(len(labels.names)) if i != key]
        for i in self._columns:
            if labels.names[i] in table.names:
                raise InvalidTable(f"column {labels.names[i]!r} of the labels is in the table already; rename either")

    def settle(self) -> None:
        """Read what labels depend on. Raises InvalidTable."""
        _ = self._indices

    @property
    def inner(self) -> SourceTable:
        """The table without labels."""
        return self._table

    @cached_property
    def _indices(self) -> Any:
        ids = _comparable(self._table.column(position(self._table, self._on)))
        known = _comparable(self._labels.column(position(self._labels, self._on)))
        # The first match is what is found, and the last one is what counts.
        found = pc.index_in(ids, value_set=known[::-1], skip_nulls=True)
        return pc.subtract(len(known) - 1, found)

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns of the table, then of the labels."""
        return [*self._table.names, *(self._labels.names[i] for i in self._columns)]

    @property
    def num_rows(self) -> int:
        """Number of rows of the table."""
        return self._table.num_rows

    def column(self, index: int) -> Any:
        """Values of a column."""
        own = len(self._table.names)
        if index < own:
            return self._table.column(index)
        return self._labels.column(self._columns[index - own]).take(self._indices)

    @property
    def rows_at_most(self) -> int:
        """Number of rows of the table at most."""
        return self._table.rows_at_most

    @property
    def fingerprint(self) -> str:
        """Those of the table and of the labels."""
        return f"{self._table.fingerprint}\n{self._labels.fingerprint}"

    def pieces(self) -> Sequence[SourceTable]:
        """Those of the table, each with its labels."""
        return [JoinedTable(piece, self._labels, self._on) for piece in self._table.pieces()]


class RenamedTable:
    """A table with other names."""

    def __init__(self, table: SourceTable, names: Sequence[str]) -> None:
        self._table = table
        self._names = names

    @property
    def names(self) -> Sequence[str]:
        """The other names."""
        return self._names

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return self._table.num_rows

    def column(self, index: int) -> Any:
        """Values of a column."""
        return self._table.column(index)

    @property
    def rows_at_most(self) -> int:
        """Number of rows at most."""
        return self._table.rows_at_most

    @property
    def fingerprint(self) -> str:
        """That of the table."""
        return self._table.fingerprint

    def pieces(self) -> Sequence[SourceTable]:
        """Those of the table, with the other names."""
        return [RenamedTable(piece, self._names) for piece in self._table.pieces()]


def _comparable(column: Any) -> Any:
    """Identifiers in one array, as text, so that 7 of a CSV is the "7" of a JSON."""
    joined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(joined, pa.ChunkedArray):
        joined = pa.concat_arrays(joined.chunks) if joined.num_chunks else pa.array([], column.type)
    try:
        if pa.types.is_floating(joined.type) and bool(pc.all(pc.equal(joined, pc.round(joined))).as_py()):
            joined = joined.cast(pa.int64())
        return joined.cast(pa.large_string())
    except pa.ArrowException as error:
        raise InvalidTable(f"identifiers of type {joined.type} can not be joined by") from error
