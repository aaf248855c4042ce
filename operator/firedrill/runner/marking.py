"""Noting in the record what was carried out: those that come while a write is on its way share the next one.

A record is written as a whole. With a write for each of a thousand changes, the last would be noted minutes after it
was made.
"""

import asyncio
from collections.abc import Callable

from firedrill.api.changes import Change, ChangeState
from firedrill.api.record import Record
from firedrill.runner.record_store import RecordStore

Mutation = Callable[[Change], Change]


class Marks:
    """The changes of one record, as they are carried out side by side."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._pending: dict[int, Mutation] = {}
        self._turn = asyncio.Lock()

    async def put(self, index: int, mutate: Mutation) -> None:
        """Write down what became of a change, and return once it is written. Raises what writing the record raises."""
        self._pending[index] = mutate
        async with self._turn:
            if index not in self._pending:
                return  # whoever wrote last has written this one as well
            taken, self._pending = self._pending, {}
            try:
                await self._store.update(lambda record: _marked(record, taken))
            except BaseException:
                self._pending = taken | self._pending
                raise


def _marked(record: Record, marks: dict[int, Mutation]) -> Record:
    changes: list[Change] = list(record.changes)
    for index, mutate in marks.items():
        # One that is not planned any more was undone by the guardian already.
        if changes[index].state is ChangeState.PLANNED:
            changes[index] = mutate(changes[index])
    return record.model_copy(update={"changes": changes})
