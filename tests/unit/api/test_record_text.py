"""A record as text: short ones are plain, long ones packed, and none is longer than a ConfigMap holds."""

import random
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from firedrill.api.changes import ChangeState, PodDeleted
from firedrill.api.record import Record
from firedrill.api.record_text import LARGEST_BYTES, PLAIN_BYTES, from_text, room_needed, to_text

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def record(count: int, *, done: bool = False, evidence: str = "") -> Record:
    source = random.Random(1)
    changes = []
    for number in range(count):
        uid = str(uuid.UUID(int=source.getrandbits(128)))
        name = f"shop-5d8f7c9b6f-{source.getrandbits(25):05x}"
        change = PodDeleted(
            namespace="payments",
            name=name,
            uid=uid,
            owner_kind="ReplicaSet",
            owner_name="shop-5d8f7c9b6f",
            owner_uid="0b0e3f0e-1111-4222-8333-444455556666",
            ready_before=count,
        )
        if done:
            at = NOW + timedelta(microseconds=source.getrandbits(24))
            told = (
                evidence or f"pod {name} is gone and ReplicaSet shop-5d8f7c9b6f has {count} ready pods, {count} before"
            )
            change = change.model_copy(
                update={"state": ChangeState.UNDONE, "evidence": told, "applied_at": at, "not_after": NOW}
            )
        changes.append(change)
        del number
    return Record(uid="u", run_id="r", cluster="c", kind="ChaosExperiment", claim="p", deadline=NOW, changes=changes)


@pytest.mark.parametrize("count", [0, 1, 100, 1000, 6000])
def test_what_is_written_is_read_again(count: int) -> None:
    for made in (record(count), record(count, done=True)):
        text = to_text(made)
        assert from_text(text) == made
        assert len(text) <= max(PLAIN_BYTES, LARGEST_BYTES)


def test_a_short_record_can_be_read_by_people() -> None:
    assert '"runId":"r"' in to_text(record(3))


@pytest.mark.parametrize("count", [1, 100, 1000, 6000])
def test_the_room_that_is_asked_for_is_enough_for_the_end(count: int) -> None:
    assert room_needed(record(count)) <= LARGEST_BYTES
    if count > 100:
        assert len(to_text(record(count, done=True))) <= room_needed(record(count))


def test_evidence_that_is_too_much_is_cut_and_nothing_else_is() -> None:
    source = random.Random(2)
    made = record(6000, done=True)
    noisy = [each.model_copy(update={"evidence": source.randbytes(500).hex()}) for each in made.changes]
    text = to_text(made.model_copy(update={"changes": noisy}))
    assert len(text) <= LARGEST_BYTES
    bare = [each.model_copy(update={"evidence": ""}) for each in from_text(text).changes]
    assert bare == [each.model_copy(update={"evidence": ""}) for each in made.changes]


@pytest.mark.parametrize("text", ["gzip:", "gzip:!!", "gzip:aGFsbG8=", "nothing", "{}"])
def test_what_is_no_record_says_so(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text)
