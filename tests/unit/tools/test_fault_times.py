"""Times of a run, from what its record said and when."""

from datetime import UTC, datetime

import pytest
from fault_times import Sight, times_of

from firedrill.api.changes import Change, ChangeState, PodDeleted
from firedrill.api.record import Record, RecordState

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
P, A, U = ChangeState.PLANNED, ChangeState.APPLIED, ChangeState.UNDONE


def sight(at: float, state: RecordState, *changes: ChangeState, skipped: tuple[int, ...] = ()) -> Sight:
    """The record at a time. ``skipped`` are the places of changes that were never carried out."""
    made: list[Change] = [
        PodDeleted(
            namespace="shop",
            name=f"shop-{number}",
            owner_kind="ReplicaSet",
            owner_name="shop",
            owner_uid="u",
            ready_before=1,
            state=change,
            applied_at=None if change is P or number in skipped else NOW,
        )
        for number, change in enumerate(changes)
    ]
    record = Record(uid="u", run_id="r", cluster="c", kind="k", claim="p", deadline=NOW, state=state, changes=made)
    return Sight(at, record)


WHOLE = (
    sight(10, RecordState.PREPARED, P, P),
    sight(11, RecordState.PREPARED, P, P),
    sight(12, RecordState.APPLYING, P, P),
    sight(13, RecordState.APPLYING, P, A),
    sight(15, RecordState.APPLIED, A, A),
    sight(30, RecordState.UNDOING, A, A),
    sight(31, RecordState.UNDOING, U, A),
    sight(34, RecordState.UNDOING, U, U),
    sight(35, RecordState.UNDONE, U, U),
)


def test_each_change_from_the_start_of_applying_and_of_undoing() -> None:
    times = times_of(WHOLE)
    assert (times.changes, sorted(times.inject), sorted(times.undo), times.problem) == (2, [1, 3], [1, 4], "")


def test_a_record_that_tells_twice_the_same_changes_nothing() -> None:
    twice = [each for each in WHOLE for _ in range(2)]
    assert times_of(twice) == times_of(WHOLE)


@pytest.mark.parametrize(
    ("sights", "problem"),
    [
        ((), "no record was seen"),
        (WHOLE[:3], "0 of 2 changes were in place; the record is Applying"),
        (WHOLE[:4], "1 of 2 changes were in place; 0 of 1 were seen undone; the record is Applying"),
        (WHOLE[:7], "1 of 2 were seen undone; the record is Undoing"),
        (
            (*WHOLE[:4], sight(20, RecordState.UNDONE, U, U, skipped=(0,))),
            "1 of 2 changes were in place",
        ),
    ],
)
def test_what_did_not_go_as_it_should_is_told(sights: tuple[Sight, ...], problem: str) -> None:
    assert times_of(sights).problem == problem


def test_a_change_that_was_never_carried_out_has_no_times() -> None:
    times = times_of((*WHOLE[:4], sight(20, RecordState.UNDOING, U, A, skipped=(0,)), *WHOLE[-1:]))
    assert times.inject == [1, 23]
    skipped = times_of((*WHOLE[:4], sight(20, RecordState.UNDONE, U, U, skipped=(0,))))
    assert (skipped.inject, skipped.undo) == ([1], [0])
