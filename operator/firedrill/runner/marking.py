"""Noting in the record what was carried out: those that come while a write is on its way share the next one.

A record is written as a whole. With a write for each of a thousand changes, the last would be noted minutes after it
was made.

One that was undone before it took effect is in place all the same: whoever undid it has looked too early. Then the
record says again that it is applied, and is not settled any more: whoever works from the record undoes it.
"""

import asyncio
from collections.abc import Callable

from firedrill.api.changes import Change, ChangeState
from firedrill.api.record import Record, RecordState
from firedrill.runner.record_store import RecordStore

Mutation = Callable[[Change], Change]


class Marks:
    """The changes of one record, as they are carried out side by side."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._pending: dict[int, Mutation] = {}
        self._turn = asyncio.Lock()
        #: Changes that took effect when they were undone already, by their place in the record.
        self.late: set[int] = set()

    async def put(self, index: int, mutate: Mutation) -> None:
        """Write down what became of a change, and return once it is written. Raises what writing the record raises."""
        self._pending[index] = mutate
        async with self._turn:
            if index in self._pending:  # else whoever wrote last has written this one as well
                await self._write()

    async def flush(self) -> None:
        """Write down what could not be written before. Raises what writing the record raises."""
        async with self._turn:
            if self._pending:
                await self._write()

    async def _write(self) -> None:
        taken, self._pending = self._pending, {}
        try:
            await self._store.update(lambda record: self._marked(record, taken))
        except BaseException:
            self._pending = taken | self._pending
            raise

    def _marked(self, record: Record, marks: dict[int, Mutation]) -> Record:
        changes: list[Change] = list(record.changes)
        state = record.state
        for index, mutate in marks.items():
            before, marked = changes[index].state, mutate(changes[index])
            if before is ChangeState.PLANNED:
                changes[index] = marked
            elif before is ChangeState.UNDONE and marked.state is ChangeState.APPLIED:
                self.late.add(index)
                changes[index] = marked
                state = RecordState.UNDOING if state.settled else state
        return record.model_copy(update={"changes": changes, "state": state})
