"""Tables that are read in pieces, by one process or by workers of which each takes its share."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from firedrill.api.driftcheck import DriftCheckSpec
from firedrill.api.errors import InvalidInput
from firedrill.api.verdict import Verdict
from firedrill.engines.drift import Asked, DriftReport
from firedrill.engines.drift.sketch import (
    MixedColumn,
    NotASketch,
    Room,
    SourceChanged,
    TableSketch,
    check_sketches,
    columns_to_sketch,
    from_wire,
    merge_tables,
    room_for,
    sketch_table,
    to_wire,
)
from firedrill.runner.parts import Crew, PartDone, PartTooLarge, WorkerMissing
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.table import SourceTable


class WorkerEnded(Exception):
    """Another worker could not do its part, and says why."""

    def __init__(self, verdict: Verdict, reason: str, message: str) -> None:
        self.verdict, self.reason, self.message = verdict, reason, message
        super().__init__(message)


async def check_in_pieces(
    spec: DriftCheckSpec, reference: SourceTable, current: SourceTable, crew: Crew, until: datetime
) -> DriftReport:
    """Compare two tables by the sketches of all workers.

    Raises PartDone where this is a worker whose sketches another one puts together, SourceError for a table that can
    not be read, InvalidInput for what can not be asked of sketches, WorkerMissing, WorkerEnded, and
    SourceChanged where workers have read different versions of a table.
    """
    asked = Asked.of(spec)
    wanted = columns_to_sketch(list(reference.names), list(current.names), asked)
    room = room_for(len(wanted), crew.size)
    sides = {"reference": reference, "current": current}
    mine = {
        name: await asyncio.to_thread(_sketched, table, wanted, asked, room, crew, f"spec.{name}")
        for name, table in sides.items()
    }
    if crew.index:
        try:
            await crew.hand_in({name: to_wire(sketch) for name, sketch in mine.items()})
        except PartTooLarge as error:
            raise InvalidInput(f"spec.scale.workers: {error}; compare fewer columns, or set one worker") from error
        raise PartDone
    parts = [mine, *(_parsed(part) for part in await crew.collect(until))]
    merged = {name: _merged([part[name] for part in parts], f"spec.{name}") for name in sides}
    return await asyncio.to_thread(check_sketches, merged["reference"], merged["current"], asked, crew.size)


async def give_up(crew: Crew, verdict: Verdict, reason: str, message: str) -> None:
    """Leave word for the first worker that this one could not do its part, so that it does not wait in vain."""
    await crew.hand_in({"ended": {"verdict": verdict.value, "reason": reason, "message": message}})


def _sketched(table: SourceTable, wanted: list[str], asked: Asked, room: Room, crew: Crew, field: str) -> TableSketch:
    """This worker's share of a table: every so manieth of its pieces."""
    try:
        pieces = table.pieces()
        mine = pieces[crew.index :: crew.size]
        return sketch_table(table.names, mine, wanted, asked.columns, room, _version(table, pieces))
    except (InvalidTable, MixedColumn) as error:
        raise SourceError(SourceReason.INVALID_DATA, field, str(error)) from error


def _version(table: SourceTable, pieces: Sequence[SourceTable]) -> str:
    """The same for all workers that have opened the same version of a table. A single piece is read by one of them
    alone, so that whatever grows while it is asked for, as a database does, is not held against it."""
    return hashlib.sha256(table.fingerprint.encode()).hexdigest() if len(pieces) > 1 else f"{len(pieces)}"


def _merged(parts: list[TableSketch], field: str) -> TableSketch:
    try:
        return merge_tables(parts)
    except SourceChanged as error:
        raise SourceChanged(f"{field}: {error}") from error
    except MixedColumn as error:
        raise SourceError(SourceReason.INVALID_DATA, field, str(error)) from error


def _parsed(part: dict[str, Any]) -> dict[str, TableSketch]:
    ended = part.get("ended")
    if isinstance(ended, dict):
        try:
            raise WorkerEnded(Verdict(ended["verdict"]), str(ended["reason"]), f"a worker: {ended['message']}")
        except (KeyError, ValueError) as error:
            raise WorkerMissing(f"what a worker has left can not be read: {error}") from error
    try:
        return {name: from_wire(part.get(name)) for name in ("reference", "current")}
    except NotASketch as error:
        raise WorkerMissing(f"what a worker has left can not be read: {error}") from error
