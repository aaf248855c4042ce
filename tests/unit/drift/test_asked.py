"""What can be asked of a check beyond its defaults: types, limits, segments, dependent rows, corrections."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firedrill.api.driftcheck import (
    ColumnSettings,
    ColumnType,
    Correction,
    DriftColumns,
    DriftThresholds,
    Joint,
    Rows,
    Segments,
)
from firedrill.api.verdict import Verdict
from firedrill.engines.drift import Asked, check
from firedrill.engines.drift.dependent import cut, memory
from firedrill.engines.drift.report import ColumnReport
from firedrill.engines.drift.streaming import RisingRate, rises

ROWS = 400
ALONE = Joint(enabled=False)
DEPENDENT = Asked(rows=Rows(dependent=True), joint=ALONE)


def typed(reference: object, current: object, kind: ColumnType, **more: float) -> ColumnReport:
    setting = ColumnSettings(name="x", type=kind, **more)
    asked = Asked(DriftColumns(settings=[setting]), joint=ALONE)
    return check(pa.table({"x": reference}), pa.table({"x": current}), asked).columns[0]


def test_texts_can_be_compared_by_their_length() -> None:
    rng = np.random.default_rng(1)
    short = ["a" * n for n in rng.integers(1, 50, ROWS)]
    long = ["b" * n for n in rng.integers(20, 90, ROWS)]
    assert typed(short, long, ColumnType.TEXT_LENGTH).drift
    same = typed(short, ["é" * len(text) for text in short], ColumnType.TEXT_LENGTH)
    assert (same.type, same.drift) == ("text-length", False)


def test_times_can_be_compared_when_asked_for() -> None:
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(ROWS)]
    later = [day + timedelta(days=300) for day in days]
    assert typed(days, later, ColumnType.TIME).drift
    assert typed([str(day) for day in days], [str(day) for day in later], ColumnType.TIME).drift
    assert typed(["x"] * ROWS, ["y"] * ROWS, ColumnType.TIME).reason == "NotOfType"
    zoned = [[f"{day}T06:00:00Z" for day in side] for side in (days, later)]
    assert typed(zoned[0], zoned[1], ColumnType.TIME).drift
    assert typed(zoned[0], days, ColumnType.TIME).drift is False


def vectors(rng: np.random.Generator, shift: float, rows: int = ROWS) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array((rng.normal(size=(rows, 8)) + shift).ravel()), 8)


def test_embeddings_are_compared_along_the_line_between_the_sides() -> None:
    rng = np.random.default_rng(2)
    moved = check(pa.table({"e": vectors(rng, 0)}), pa.table({"e": vectors(rng, 0.3)}), Asked(joint=ALONE)).columns[0]
    assert (moved.type, moved.drift) == ("embedding", True)
    alarms = sum(
        check(pa.table({"e": vectors(rng, 0)}), pa.table({"e": vectors(rng, 0)}), Asked(joint=ALONE)).drift
        for _ in range(30)
    )
    assert alarms <= 5
    assert typed([[1.0], [1.0, 2.0]] * 200, [[1.0]] * 400, ColumnType.EMBEDDING).reason == "NotOfType"
    assert typed([[1.0] * 8] * 400, [[1.0] * 16] * 400, ColumnType.EMBEDDING).reason == "TypeChanged"
    assert typed([None] * 400, [None] * 400, ColumnType.EMBEDDING).reason == "NotOfType"


def test_vectors_that_are_not_whole_are_missing() -> None:
    gaps = [[1.0, None], None, [2.0, 3.0], [0.5, 1.5], [4.0, 1.0]] * 100
    found = typed(gaps, gaps, ColumnType.EMBEDDING)
    assert (found.reason, found.reference_missing) == ("Constant", pytest.approx(0.4))


@pytest.mark.parametrize(
    ("reference", "current", "reason"),
    [
        ([None] * 400, [None] * 400, "NotOfType"),
        ([[1.0, 2.0]] * 400, [None] * 400, "MissingShareChanged"),
        ([[1.0, 2.0]] * 400, [[]] * 400, "NotOfType"),
    ],
)
def test_vectors_of_which_none_is_there_are_missing(reference: Any, current: Any, reason: str) -> None:
    lists = pa.list_(pa.float64())
    sides = pa.table({"e": pa.array(reference, lists)}), pa.table({"e": pa.array(current, lists)})
    columns = DriftColumns(settings=[ColumnSettings(name="e", type=ColumnType.EMBEDDING)])
    assert check(*sides, Asked(joint=ALONE, columns=columns)).columns[0].reason == reason


def test_a_column_has_its_own_limit_and_weight() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=4000), rng.normal(0.4, 1, 4000)
    settings = [ColumnSettings(name="x", limit=0.5, weight=3)]
    report = check(pa.table({"x": a}), pa.table({"x": b}), Asked(DriftColumns(settings=settings), joint=ALONE))
    assert report.verdict is Verdict.PASSED
    assert report.measurements[0].weight == 3
    assert check(pa.table({"x": a}), pa.table({"x": b})).drift


def test_a_change_in_one_segment_is_found_there_and_named() -> None:
    rng = np.random.default_rng(4)
    region = np.repeat(["north", "south", "tiny"], [900, 90_0, 20])
    shifts = np.where(region == "north", 0.8, -0.8)
    reference = pa.table({"region": region, "x": rng.normal(size=len(region))})
    current = pa.table({"region": region, "x": rng.normal(size=len(region)) + shifts * (region != "tiny") * 0.5})
    report = check(reference, current, Asked(segments=Segments(column="region"), joint=ALONE))
    found = {column.segment for column in report.columns if column.drift and column.name == "x"}
    assert found >= {"region = north", "region = south"}
    tiny = next(column for column in report.columns if column.segment == "region = tiny")
    assert tiny.reason == "TooFewRows"
    assert "x where region = " in report.message


def test_the_share_of_false_alarms_can_be_bounded_instead() -> None:
    rng = np.random.default_rng(5)
    reference = {f"c{i}": rng.normal(size=300) for i in range(40)}
    current = {name: rng.normal(0.35, 1, 300) for name in reference}
    found = [
        sum(column.drift for column in check(pa.table(reference), pa.table(current), asked).columns)
        for asked in (
            Asked(joint=ALONE),
            Asked(thresholds=DriftThresholds(correction=Correction.BENJAMINI_HOCHBERG), joint=ALONE),
        )
    ]
    assert found[1] > found[0]


def series(rng: np.random.Generator, rows: int, phi: float) -> np.ndarray:
    values = np.empty(rows)
    values[0] = rng.normal()
    steps = rng.normal(size=rows) * np.sqrt(1 - phi**2)
    for i in range(1, rows):
        values[i] = phi * values[i - 1] + steps[i]
    return values


def test_dependent_rows_do_not_alarm_by_their_dependence() -> None:
    rng = np.random.default_rng(6)
    runs = [(series(rng, 2000, 0.8), series(rng, 2000, 0.8)) for _ in range(12)]
    tables = [(pa.table({"x": a}), pa.table({"x": b})) for a, b in runs]
    taken_as_independent = sum(check(a, b, Asked(thresholds=DriftThresholds(min_ks_effect=0))).drift for a, b in tables)
    assert taken_as_independent >= 4
    assert sum(check(a, b, DEPENDENT).drift for a, b in tables) <= 3
    a, b = runs[0]
    assert check(pa.table({"x": a}), pa.table({"x": b + 1}), DEPENDENT).drift


def test_dependent_rows_are_put_into_order_first() -> None:
    rng = np.random.default_rng(7)
    a, b = series(rng, 2000, 0.7), series(rng, 2000, 0.7) + 1
    order = rng.permutation(2000)
    asked = Asked(DriftColumns(exclude=["t"]), rows=Rows(dependent=True, order="t"), joint=ALONE)
    plain = check(pa.table({"t": range(2000), "x": a}), pa.table({"t": range(2000), "x": b}), asked)
    mixed = check(pa.table({"t": order, "x": a[order]}), pa.table({"t": order, "x": b[order]}), asked)
    assert plain.to_json() == mixed.to_json()
    assert plain.drift


def test_too_few_or_too_dependent_rows_are_undecided() -> None:
    rng = np.random.default_rng(8)
    few = pa.table({"x": rng.normal(size=1999)})
    report = check(few, few, DEPENDENT)
    assert (report.verdict, report.reason) == (Verdict.INCONCLUSIVE, "TooFewRows")
    slow = pa.table({"x": series(rng, 2500, 0.97)})
    assert check(slow, slow, DEPENDENT).columns[0].reason == "TooDependent"
    assert memory(np.zeros(10)) == 1.0


@given(st.integers(2000, 5_000_000), st.integers(2000, 5_000_000))
@settings(max_examples=50)
def test_blocks_lie_within_both_sides(reference: int, current: int) -> None:
    blocks = cut(reference, current)
    assert blocks.length >= 125
    for rows, starts in ((reference, blocks.reference), (current, blocks.current)):
        assert 16 <= len(starts) <= 400
        assert starts[-1] + blocks.length <= rows


@pytest.mark.parametrize(("usual", "risen"), [(0.05, 0.4), (0.1, 0.9), (0.3, 0.6)])
def test_a_risen_error_rate_is_seen_within_a_hundred_rows(usual: float, risen: float) -> None:
    rng = np.random.default_rng(9)
    alarms = rises([*(rng.random(3000) < usual).tolist(), *(rng.random(300) < risen).tolist()])
    assert len(alarms) == 1
    assert 3000 <= alarms[0] <= 3100


def test_a_steady_or_falling_error_rate_is_no_alarm() -> None:
    rng = np.random.default_rng(10)
    rates = np.concatenate([np.full(10_000, 0.3), np.linspace(0.3, 0.05, 10_000), np.full(10_000, 0.05)])
    assert rises((rng.random(30_000) < rates).tolist()) == []
    detector = RisingRate()
    assert not any(detector.update(True) for _ in range(2000))
