"""Columns of codes in files of which only some show it: a number with zeros before it makes 01234 a text in one file,
and 12345 is an integer in the next one."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from firedrill.sources.table import MemoryTable, SourceTable

Part = tuple[str, SourceTable]


def agreed(parts: Sequence[Part]) -> Sequence[Part]:
    """Named tables, with the integers of a column as texts where it holds codes in another one of them."""
    codes = {name for _, table in parts if isinstance(table, MemoryTable) for name in table.codes}
    return [(name, _CodesTable(table, codes)) for name, table in parts] if codes else parts


class _CodesTable:
    """A table whose integers are texts in some columns: in each they are as they were written, without zeros."""

    def __init__(self, table: SourceTable, codes: set[str]) -> None:
        self._table, self._codes = table, codes

    @property
    def names(self) -> Sequence[str]:
        return self._table.names

    @property
    def num_rows(self) -> int:
        return self._table.num_rows

    @property
    def rows_at_most(self) -> int:
        return self._table.rows_at_most

    @property
    def fingerprint(self) -> str:
        return self._table.fingerprint

    def column(self, index: int) -> Any:
        column = self._table.column(index)
        is_code = self.names[index] in self._codes and pa.types.is_integer(column.type)
        return column.cast(pa.string()) if is_code else column

    def pieces(self) -> Sequence[SourceTable]:
        return [_CodesTable(piece, self._codes) for piece in self._table.pieces()]
