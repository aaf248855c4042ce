"""A table that is read one column at a time, so that memory is bounded by a column and not by the table."""

from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa


class Columns(Protocol):
    """What the engine needs of a table. Names may repeat: columns are read by position."""

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


class TableColumns:
    """A table that is in memory."""

    def __init__(self, table: "pa.Table") -> None:
        self._table = table

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns, in order."""
        names: list[str] = self._table.column_names
        return names

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        rows: int = self._table.num_rows
        return rows

    def column(self, index: int) -> Any:
        """The values of a column, as a :class:`pyarrow.ChunkedArray`."""
        return self._table.column(index)


def unique_names(names: Sequence[str]) -> list[str]:
    """The names with a number after each repeated one: ``a, b, a`` gives ``a, b, a (2)``."""
    taken = set(names)
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique = name
        while seen[name] > 1 and unique in taken:
            unique = f"{name} ({seen[name]})"
            if unique in taken:
                seen[name] += 1
        taken.add(unique)
        result.append(unique)
    return result
