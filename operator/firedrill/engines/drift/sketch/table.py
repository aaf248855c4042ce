"""A table that is read in pieces: the sketches of its columns, and how those of several workers become one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from firedrill.api.driftcheck import DriftColumns
from firedrill.engines.drift.plan import unset
from firedrill.engines.drift.sketch import column as columns_of
from firedrill.engines.drift.sketch.column import ColumnSketch, ColumnSketcher
from firedrill.engines.drift.sketch.errors import SourceChanged
from firedrill.engines.drift.sketch.room import Room
from firedrill.engines.drift.table import Columns, unique_names


@dataclass(frozen=True)
class TableSketch:
    """What is kept of a table: the names of all its columns, and sketches of those that are compared. ``source`` is the
    same for all that have read the same version of it."""

    names: tuple[str, ...]
    rows: int
    columns: Mapping[str, ColumnSketch]
    source: str = ""


def sketch_table(
    names: Sequence[str],
    pieces: Iterable[Columns],
    wanted: Iterable[str],
    asked: DriftColumns,
    room: Room,
    source: str = "",
) -> TableSketch:
    """Read the columns ``wanted`` of all pieces, which have the columns ``names`` in this order.

    Memory holds one column of one piece at a time besides the sketches. Raises MixedColumn.
    """
    known = unique_names(names)
    settings = {each.name: each for each in asked.settings}
    made = {
        name: ColumnSketcher(settings.get(name, unset(name)), name in asked.include, room)
        for name in wanted
        if name in known
    }
    rows = 0
    for piece in pieces:
        rows += piece.num_rows
        for index, name in enumerate(known):
            if name in made:
                made[name].add(piece.column(index))
    return TableSketch(tuple(known), rows, {name: sketcher.result() for name, sketcher in made.items()}, source)


def merge_tables(parts: Sequence[TableSketch]) -> TableSketch:
    """The sketches of all workers as one, whatever their order. Raises SourceChanged where they have not read the same
    table, and MixedColumn where their columns do not go together."""
    first = parts[0]
    for part in parts[1:]:
        if (part.names, part.columns.keys(), part.source) != (first.names, first.columns.keys(), first.source):
            raise SourceChanged("workers have seen different versions: the data was changed while it was read")
    # A single process puts them together: it has room enough.
    merged = {name: columns_of.merge(name, [part.columns[name] for part in parts], Room()) for name in first.columns}
    return TableSketch(first.names, sum(part.rows for part in parts), merged, first.source)
