"""Tables that are larger than memory: read in pieces, kept as sketches, merged, and compared within their errors."""

from firedrill.engines.drift.sketch.check import check_sketches, columns_to_sketch
from firedrill.engines.drift.sketch.errors import MixedColumn, SourceChanged
from firedrill.engines.drift.sketch.room import Room, room_for
from firedrill.engines.drift.sketch.table import TableSketch, merge_tables, sketch_table
from firedrill.engines.drift.sketch.wire import NotASketch, from_wire, to_wire

__all__ = [
    "MixedColumn",
    "NotASketch",
    "Room",
    "SourceChanged",
    "TableSketch",
    "check_sketches",
    "columns_to_sketch",
    "from_wire",
    "merge_tables",
    "room_for",
    "sketch_table",
    "to_wire",
]
