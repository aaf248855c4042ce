"""Sketches that cross from worker to worker: what goes in comes out, and what is no sketch is refused."""

import base64
import json
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firedrill.api.verdict import Verdict
from firedrill.engines.drift import Asked, TableColumns
from firedrill.engines.drift.report import Reason
from firedrill.engines.drift.sketch import (
    NotASketch,
    Room,
    TableSketch,
    check_sketches,
    from_wire,
    merge_tables,
    room_for,
    sketch_table,
    to_wire,
)

RNG = np.random.default_rng(3)
TABLE = pa.table(
    {
        "x": RNG.normal(size=3000),
        "few": RNG.integers(0, 5, 3000),
        "c": [f"v{i % 7}" for i in range(3000)],
        "ids": [f"id{i}" for i in range(3000)],
        "none": pa.nulls(3000),
        "blank": pa.array([None] * 3000, pa.float64()),
    }
)
ROOM = Room(k=200, few=10, categories=100)


def wire(table: pa.Table = TABLE, room: Room = ROOM) -> dict[str, Any]:
    names = table.column_names
    sketch = sketch_table(names, [TableColumns(table)], names, Asked().columns, room)
    found: dict[str, Any] = json.loads(json.dumps(to_wire(sketch), allow_nan=False))
    return found


def packed(*numbers: float, kind: str = "<f8") -> str:
    return base64.b64encode(np.array(numbers, dtype=kind).tobytes()).decode()


def test_a_sketch_comes_back_as_it_was() -> None:
    sent = wire()
    assert to_wire(from_wire(sent)) == sent
    found = from_wire(sent)
    assert (found.rows, list(found.columns)) == (3000, TABLE.column_names)
    held = found.columns["x"].values
    assert held is not None
    assert held.size == 3000
    assert held.variance > 0
    counts = found.columns["ids"].counts
    assert counts is not None
    assert (counts.names, counts.size) == (None, 3000)


def test_two_tables_of_many_columns_fit_into_what_a_worker_may_hand_over() -> None:
    rows, columns = 60_000, 40
    table = pa.table({f"x{i}": RNG.normal(size=rows) for i in range(columns)})
    names = table.column_names
    sketch = sketch_table(names, [TableColumns(table)], names, Asked().columns, room_for(columns, 8))
    numbers = sum(8 * len(each.values.values) for each in sketch.columns.values() if each.values)
    assert 2 * numbers < 900 * 1024


def test_a_share_without_values_does_not_say_that_numbers_were_looked_for() -> None:
    moments = pa.array(range(400), pa.timestamp("us"))
    nothing = pa.nulls(400, pa.timestamp("us"))

    def merged(*shares: Any) -> TableSketch:
        return merge_tables([from_wire(wire(pa.table({"t": share}))) for share in shares])

    reference = merged(moments, moments)
    for share, reason, verdict in (
        (nothing, Reason.MISSING_SHARE_CHANGED, Verdict.FAILED),
        (moments[:0], Reason.TEMPORAL, Verdict.INCONCLUSIVE),
    ):
        report = check_sketches(reference, merged(moments, share), Asked(), 2)
        assert (report.columns[0].type, report.columns[0].reason) == ("temporal", reason)
        assert report.verdict is verdict


def test_numbers_that_were_looked_for_and_not_found_are_told() -> None:
    held = from_wire(wire(pa.table({"x": pa.nulls(400, pa.float64())}))).columns["x"].values
    assert held is not None
    assert held.size == 0


BROKEN: dict[str, Any] = {
    "no object": lambda w: [1],
    "nothing": lambda w: None,
    "no columns": lambda w: {"names": ["x"], "rows": 1},
    "an unknown field": lambda w: {**w, "more": 1},
    "negative rows": lambda w: {**w, "rows": -1},
    "rows that do not agree": lambda w: {**w, "rows": 2999},
    "a column that is none": lambda w: {**w, "names": ["y"]},
    "a kind that is none": lambda w: x(w, kind="odd"),
    "more missing than rows": lambda w: x(w, missing=9999),
    "fewer rows than values": lambda w: x(w, missing=5),
    "two ways": lambda w: x(w, names={"a": 1}),
    "too few groups": lambda w: x(w, numbers=None, groups=[1, 2]),
    "more words than texts": lambda w: x(w, words=1),
    "no base64": lambda w: numbers(w, values="%%%"),
    "half a number": lambda w: numbers(w, values="AAAA"),
    "too many numbers": lambda w: numbers(w, values="A" * 800_000),
    "numbers without weights": lambda w: numbers(w, weights=""),
    "numbers that are not finite": lambda w: numbers(w, values=packed(1, float("nan")), weights=packed(1, 1)),
    "numbers out of order": lambda w: numbers(w, values=packed(2, 1), weights=packed(1500, 1500, kind="<i8")),
    "negative weights": lambda w: numbers(w, values=packed(1, 2), weights=packed(-1, 3001, kind="<i8")),
    "weights that overflow": lambda w: numbers(w, values=packed(1, 2), weights=packed(2**62, 2**62, kind="<i8")),
    "a variance below zero": lambda w: numbers(w, variance=-1.0),
    "an infinite variance": lambda w: numbers(w, variance=1e999),
    "numbers without a least": lambda w: numbers(w, least=None),
    "numbers beyond the greatest": lambda w: numbers(w, greatest=-100.0),
}


def x(sent: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {**sent, "columns": {**sent["columns"], "x": {**sent["columns"]["x"], **changed}}}


def numbers(sent: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return x(sent, numbers={**sent["columns"]["x"]["numbers"], **changed})


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_no_sketch_is_refused(broken: str) -> None:
    with pytest.raises(NotASketch):
        from_wire(BROKEN[broken](wire()))


SENT = wire(TABLE.slice(0, 50))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100)
@given(st.sampled_from(["names", "rows", "columns"]), st.sampled_from(sorted(SENT["columns"])), st.data())
def test_nothing_but_a_sketch_or_a_refusal_comes_of_anything(part: str, column: str, data: Any) -> None:
    field = data.draw(st.sampled_from([None, *sorted(SENT["columns"][column])]))
    junk = data.draw(JSON)
    changed = dict(SENT["columns"][column])
    sent = {**SENT, part: junk}
    if field is not None:
        changed[field] = junk
        sent = {**SENT, "columns": {**SENT["columns"], column: changed}}
    with suppress(NotASketch):
        from_wire(sent)
