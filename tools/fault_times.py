"""When the changes of a run were in place and seen undone, by what its record said at which time."""

from collections.abc import Sequence
from dataclasses import dataclass

from firedrill.api.changes import ChangeState
from firedrill.api.record import Record, RecordState


@dataclass(frozen=True)
class Sight:
    """The record as it was seen at a time, in seconds of any clock that is not set, and the bytes it took."""

    at: float
    record: Record
    size: int = 0


@dataclass(frozen=True)
class Times:
    """Seconds of each change: from the start of applying until in place, from that of undoing until seen undone."""

    changes: int
    inject: list[float]
    undo: list[float]
    problem: str


def times_of(sights: Sequence[Sight]) -> Times:
    """The times of a run whose record was seen from before its first change until it was settled, in that order."""
    begun: float | None = None
    ending: float | None = None
    placed: dict[int, float] = {}
    undone: dict[int, float] = {}
    for sight in sights:
        state = sight.record.state
        if begun is None and state.begun:
            begun = sight.at
        if ending is None and (state is RecordState.UNDOING or state.settled):
            ending = sight.at
        for index, change in enumerate(sight.record.changes):
            if change.applied_at is None:
                continue  # it was never carried out, or it was not noted yet
            placed.setdefault(index, sight.at)
            if change.state is ChangeState.UNDONE:
                undone.setdefault(index, sight.at)
    last = sights[-1].record if sights else None
    return Times(
        changes=len(last.changes) if last else 0,
        inject=[at - begun for at in placed.values() if begun is not None],
        undo=[at - ending for at in undone.values() if ending is not None],
        problem=_problem(last, len(placed), len(undone)),
    )


def _problem(last: Record | None, placed: int, undone: int) -> str:
    if last is None:
        return "no record was seen"
    told = []
    if placed < len(last.changes):
        told.append(f"{placed} of {len(last.changes)} changes were in place")
    if undone < placed:
        told.append(f"{undone} of {placed} were seen undone")
    if not last.state.settled:
        told.append(f"the record is {last.state}")
    return "; ".join(told)
