"""Undoing what a run has changed: the shape of an undo function, and the loop that calls them until all is seen.

Runner and guardian share both, so that it does not matter which of them does it, nor whether both do.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, TypeVar

from firedrill.api.changes import Change, ChangeBase, ChangeState
from firedrill.api.record import Record, RecordState
from firedrill.api.task import Task
from firedrill.clusters.access import Access
from firedrill.clusters.errors import ClusterError
from firedrill.runner.data.stores import Stores
from firedrill.runner.fis.aws import AwsRegions
from firedrill.runner.fis.port import Regions
from firedrill.runner.ports import Clock, Cluster
from firedrill.runner.record_store import RecordStore
from firedrill.runner.toolkit.port import Toolkit
from firedrill.runner.toolkit.system import SystemToolkit
from firedrill.runner.vault import Vault

Asked = TypeVar("Asked")
log = logging.getLogger(__name__)

#: Most of what is put back is seen to be so at the next look: that one comes soon.
_FIRST_WAIT_SECONDS: Final = 0.1
USUAL_WAIT_SECONDS: Final = 0.5
_LONGEST_WAIT_SECONDS: Final = 10.0
#: The waits stay short for so many rounds: an undo that goes well takes seconds.
_QUICK_ROUNDS: Final = 40
_MOST_DOUBLINGS: Final = 8


def wait_after(rounds: int) -> float:
    """Seconds from a look at what is being undone to the next, given how many looks came before it."""
    if rounds <= _QUICK_ROUNDS:
        return min(_FIRST_WAIT_SECONDS * 2.0 ** min(rounds, _MOST_DOUBLINGS), USUAL_WAIT_SECONDS)
    doublings = min(rounds - _QUICK_ROUNDS, _MOST_DOUBLINGS)
    return min(USUAL_WAIT_SECONDS * 2.0**doublings, _LONGEST_WAIT_SECONDS)


@dataclass(frozen=True)
class UndoContext:
    """What an undo function works with."""

    client: Cluster
    task: Task
    clock: Clock
    #: That of the process, which may have seen what is gone by now.
    own_vault: Vault | None = None
    #: How many changes are looked at in the same round, and what these have asked for alike.
    pending: int = 1
    shared: dict[Hashable, asyncio.Future[Any]] | None = None
    toolkit: Toolkit = field(default_factory=SystemToolkit)
    stores: Stores = field(default_factory=Stores)
    fis: Regions = field(default_factory=AwsRegions)

    @cached_property
    def vault(self) -> Vault:
        """Where originals are that the record does not hold."""
        return self.own_vault or Vault(self.client, self.clock, self.task.runner_namespace, self.task.job, "")

    async def once(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, Asked]]) -> Asked:
        """The answer to a question that many changes ask in the same round; it must not be changed."""
        if self.shared is None:
            return await ask()
        if key not in self.shared:
            self.shared[key] = asyncio.ensure_future(ask())
        answer: Asked = await asyncio.shield(self.shared[key])
        return answer


@dataclass(frozen=True)
class Seen:
    """One look at a change that is being undone.

    ``change`` carries its new state (UNDONE only where it was seen) and, in ``evidence``, how it was seen or
    what is waited for. ``residues`` are things that remain and can not be removed.
    """

    change: Change
    residues: tuple[str, ...] = ()


def seen(change: Change, evidence: str, residues: tuple[str, ...] = ()) -> Seen:
    """Nothing of a change is left, and how that was seen."""
    return Seen(change.model_copy(update={"state": ChangeState.UNDONE, "evidence": evidence}), residues)


def waiting(change: Change, evidence: str) -> Seen:
    """A change is not seen undone yet, and what is waited for."""
    return Seen(change.model_copy(update={"evidence": evidence}))


#: Does one bounded step towards undoing a change and looks; it is called until it has seen the change UNDONE.
#: It may be called by anyone at any time, for a change that was never carried out or that is undone already, and
#: where the object is gone, which counts as undone. It raises ClusterError freely: the caller tries again.
UndoFunction = Callable[[UndoContext, Any], Awaitable[Seen]]


@dataclass(frozen=True)
class Undoer:
    """How one type of change is undone, and what the guardian needs to be allowed for that."""

    undo: UndoFunction
    needs: Callable[[Any], Sequence[Access]]
    #: Why undoing would not work beside rights at the API server; empty where it would. It may raise ClusterError.
    unready: Callable[[UndoContext, Any], Awaitable[str]] | None = None


UndoTable = Mapping[type[ChangeBase], Undoer]


class Undoing:
    """Undoes all changes of a record, latest first, and settles it."""

    def __init__(self, context: UndoContext, store: RecordStore, table: UndoTable, by: str) -> None:
        self._context = context
        self._store = store
        self._table = table
        self._by = by

    async def run(
        self,
        give_up: Callable[[], bool] = lambda: False,
        message: str = "",
        first: Callable[[], Awaitable[None]] | None = None,
    ) -> Record:
        """Undo until everything is seen undone, or until ``give_up`` says so between two rounds.

        ``first`` must succeed once before what the record says is believed.

        Returns the record as it is then; only a settled one means that nothing is left. Requests that fail are
        repeated. Raises RecordLost where there is no record to work from.
        """
        rounds = 0
        while True:
            try:
                if first is not None:
                    await first()
                    first = None
                record = await self._round(message)
                if record.state.settled:
                    await self._context.vault.forget(vaults_of(record))
                    return record
            except ClusterError as error:
                log.warning("undoing goes on after an error: %s", error)
                record = None
            if give_up():
                return record or await self._last_known()
            await self._context.clock.sleep(wait_after(rounds))
            rounds += 1

    async def _last_known(self) -> Record:
        return await self._store.update(lambda record: record)

    async def _round(self, message: str) -> Record:
        record = await self._store.update(_begin)
        if record.state.settled:
            return record
        if record.state is RecordState.PREPARED:
            return await self._store.finish(lambda found: self._settle(found, message, nothing_applied=True))
        pending = [index for index, change in enumerate(record.changes) if is_pending(change)]
        seen = await look_at(self._context, self._table, record, pending)
        record = await self._store.update(lambda found: note(found, seen))
        if any(is_pending(change) for change in record.changes):
            return record
        return await self._store.finish(lambda found: self._settle(found, message, nothing_applied=False))

    def _settle(self, record: Record, message: str, *, nothing_applied: bool) -> Record:
        changes: list[Change] = list(record.changes)
        if nothing_applied:
            if record.state is not RecordState.PREPARED:
                return record  # the runner has begun in between: the next round undoes it
            changes = [
                change.model_copy(update={"state": ChangeState.UNDONE, "evidence": "was never carried out"})
                for change in changes
            ]
        elif any(is_pending(change) for change in changes):
            return record
        kept = any(change.state is ChangeState.KEPT for change in changes)
        return record.model_copy(
            update={
                "state": RecordState.KEPT if kept else RecordState.UNDONE,
                "changes": changes,
                "undone_at": self._context.clock.now(),
                "undone_by": self._by,
                "message": message or record.message,
            }
        )


async def look_at(context: UndoContext, table: UndoTable, record: Record, indices: Sequence[int]) -> Mapping[int, Seen]:
    """One step towards undoing each of these changes, latest first, and what is seen of it."""
    context = replace(context, pending=len(indices), shared={})

    async def look(change: Change) -> Seen:
        try:
            return await table[type(change)].undo(context, change)
        except ClusterError as error:
            log.warning("%s of %s/%s is not undone yet: %s", change.type, change.namespace, change.name, error)
            return Seen(change.model_copy(update={"evidence": f"not undone yet: {error}"[:1024]}))
        except Exception as error:
            # Whatever it is, the other changes are undone all the same.
            log.exception("undoing %s of %s/%s", change.type, change.namespace, change.name)
            evidence = f"not undone yet: {type(error).__name__}: {error}"
            return Seen(change.model_copy(update={"evidence": evidence[:1024]}))

    latest_first = sorted(indices, reverse=True)
    looks = await asyncio.gather(*(look(record.changes[index]) for index in latest_first))
    return dict(zip(latest_first, looks, strict=True))


def vaults_of(record: Record | None) -> set[str]:
    """The Secrets in which originals of a record are."""
    return {change.kept_in.secret for change in (record.changes if record else ()) if change.kept_in}


def is_pending(change: Change) -> bool:
    """Whether a change is not seen undone, nor kept."""
    return change.state not in (ChangeState.UNDONE, ChangeState.KEPT)


def _begin(record: Record) -> Record:
    if record.state.settled or record.state is RecordState.PREPARED:
        return record
    # What was only listed can not be carried out any more: that takes a write which this one forestalls.
    never = {"state": ChangeState.UNDONE, "evidence": "was never carried out"}
    changes = [each.model_copy(update=never) if each.state is ChangeState.LISTED else each for each in record.changes]
    return record.model_copy(update={"state": RecordState.UNDOING, "changes": changes})


def note(record: Record, seen: Mapping[int, Seen]) -> Record:
    """Write down what was seen; a change that somebody else has seen undone meanwhile stays so."""
    changes: list[Change] = list(record.changes)
    residues = list(record.residues)
    for index, look in seen.items():
        if is_pending(changes[index]):
            changes[index] = look.change
        residues += [residue for residue in look.residues if residue not in residues]
    return record.model_copy(update={"changes": changes, "residues": residues})
