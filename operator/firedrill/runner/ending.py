"""Undoing one step of a run whose record goes on."""

import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial

from firedrill.api.record import Record, RecordState
from firedrill.clusters.errors import ClusterError
from firedrill.runner.record_store import RecordLost, RecordStore
from firedrill.runner.undoing import (
    USUAL_WAIT_SECONDS,
    Seen,
    UndoContext,
    UndoTable,
    is_pending,
    look_at,
    note,
    wait_after,
)

log = logging.getLogger(__name__)


async def undo_step(
    context: UndoContext, store: RecordStore, table: UndoTable, keys: Collection[str], give_up: Callable[[], bool]
) -> tuple[Record | None, bool]:
    """Undo the changes with these keys until all are seen undone, or until ``give_up`` says so between two rounds.

    The record as it was last seen, and whether all of the step is undone. The state of the record is left as it is: it
    still lists what is in place. Where somebody undoes the whole run, that is left to them.
    """
    record: Record | None = None
    rounds = 0
    while True:
        try:
            record, _control = await store.read()
            if record is None:
                raise RecordLost("the record is gone")
            if record.state is RecordState.UNDOING or record.state.settled:
                return record, False
            pending = _pending(record, keys)
            if pending:
                seen = await look_at(context, table, record, pending)
                record = await store.update(partial(_noted, seen))
            if not _pending(record, keys):
                return record, True
        except ClusterError as error:
            log.warning("undoing the step goes on after an error: %s", error)
        if give_up():
            return record, False
        # The run goes on meanwhile, and an end of it that is asked for must not wait.
        await context.clock.sleep(min(wait_after(rounds), USUAL_WAIT_SECONDS))
        rounds += 1


def _noted(seen: Mapping[int, Seen], found: Record) -> Record:
    return note(found, seen)


def _pending(record: Record, keys: Collection[str]) -> list[int]:
    return [index for index, change in enumerate(record.changes) if change.step in keys and is_pending(change)]
