"""Tables as they come from a source: in memory, or a Parquet file that is read one column at a time."""

import hashlib
import io
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from firedrill.sources.errors import InvalidTable


class SourceTable(Protocol):
    """A table whose columns are read by position; names may repeat."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns, in order."""
        ...

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        ...

    def column(self, index: int) -> Any:
        """Values of a column as a ChunkedArray. Raises InvalidTable when the file turns out to be damaged."""
        ...

    @property
    def rows_at_most(self) -> int:
        """Rows, or more where a window leaves out some: known without reading."""
        ...

    @property
    def fingerprint(self) -> str:
        """What is known of the data without reading them: where it is another one, so are the data."""
        ...

    def pieces(self) -> "Sequence[SourceTable]":
        """The same rows in tables that are read one by one, always in the same order and of the same sizes."""
        ...


class MemoryTable:
    """A table in memory."""

    def __init__(self, table: "pa.Table", codes: frozenset[str] = frozenset()) -> None:
        self._table = table
        #: Columns that are texts for nothing but the zeros before their numbers.
        self.codes = codes

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
        """Values of a column."""
        return self._table.column(index)

    @property
    def rows_at_most(self) -> int:
        """Number of rows."""
        return self.num_rows

    @property
    def fingerprint(self) -> str:
        """Number of rows, names and types."""
        return f"{self.num_rows} rows\n{self._table.schema.remove_metadata().to_string()}"

    def pieces(self) -> Sequence[SourceTable]:
        """The table itself: it is in memory already."""
        return [self]


class ParquetTable:
    """A Parquet file of which one column at a time is in memory. Safe to read from several threads."""

    def __init__(self, source: Any) -> None:
        try:
            self._file = pq.ParquetFile(source)
            self._schema = self._file.schema_arrow
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InvalidTable(f"not a Parquet file: {error}") from error
        self._lock = threading.Lock()

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns, in order."""
        names: list[str] = self._schema.names
        return names

    @property
    def notes(self) -> Mapping[bytes, bytes]:
        """What the writer of the file has noted in its schema."""
        return dict(self._schema.metadata or {})

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        rows: int = self._file.metadata.num_rows
        return rows

    @property
    def rows_at_most(self) -> int:
        """Number of rows."""
        return self.num_rows

    def column(self, index: int) -> Any:
        """Values of a column, read from the file."""
        return self.of_groups(index, range(self._file.metadata.num_row_groups))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the footer, which has the place, size, least and greatest value of each column of each row group."""
        footer = io.BytesIO()
        self._file.metadata.write_metadata_file(footer)
        return hashlib.sha256(footer.getvalue()).hexdigest()

    def pieces(self) -> Sequence[SourceTable]:
        """The row groups of the file."""
        return [_RowGroup(self, group) for group in range(self._file.metadata.num_row_groups)]

    def rows_of(self, group: int) -> int:
        """Number of rows of a row group."""
        rows: int = self._file.metadata.row_group(group).num_rows
        return rows

    def of_groups(self, index: int, groups: Sequence[int]) -> Any:
        """Values of a column in some row groups."""
        name = self._schema.names[index]
        twins = [i for i, other in enumerate(self._schema.names) if other == name]
        try:
            with self._lock:
                table = self._file.read_row_groups(list(groups), columns=[name], use_threads=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InvalidTable(f"column {name!r} can not be read: {error}") from error
        # A name that repeats, or that a nested column shares as a prefix, brings more than one column.
        same = [i for i, other in enumerate(table.column_names) if other == name]
        return table.column(same[twins.index(index)])


class _RowGroup:
    """A row group of a Parquet file."""

    def __init__(self, file: ParquetTable, group: int) -> None:
        self._file, self._group = file, group

    @property
    def names(self) -> Sequence[str]:
        return self._file.names

    @property
    def num_rows(self) -> int:
        return self._file.rows_of(self._group)

    @property
    def rows_at_most(self) -> int:
        return self.num_rows

    @property
    def fingerprint(self) -> str:
        return f"{self._group} of {self._file.fingerprint}"

    def column(self, index: int) -> Any:
        return self._file.of_groups(index, [self._group])

    def pieces(self) -> Sequence[SourceTable]:
        return [self]
