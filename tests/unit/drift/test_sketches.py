"""Sketches: their errors keep what they promise, their verdicts lean the safe way, and what is counted is exact."""

import itertools
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from firedrill.api.driftcheck import ColumnSettings, ColumnType, DriftColumns, DriftThresholds, Joint
from firedrill.api.verdict import Verdict
from firedrill.engines.drift import Asked, DriftReport, TableColumns, check, ks
from firedrill.engines.drift.ordered import Sample
from firedrill.engines.drift.report import Reason
from firedrill.engines.drift.sketch import (
    MixedColumn,
    Room,
    SourceChanged,
    TableSketch,
    check_sketches,
    merge_tables,
    sketch_table,
)
from firedrill.engines.drift.sketch.check import DOUBT
from firedrill.engines.drift.sketch.column import ColumnSketch
from firedrill.engines.drift.sketch.quantiles import QuantileSketcher
from firedrill.engines.drift.sketch.weighted import Weighted, distance, merge

NO_JOINT = Joint(enabled=False)
#: So small that sketches of a few thousand values have errors worth looking at.
COARSE = Room(k=200, few=10)
RNG = np.random.default_rng(7)


def sketch(pieces: list[pa.Table], asked: Asked, room: Room = COARSE) -> TableSketch:
    """One sketch a piece, as if each had a worker of its own, merged."""
    names = pieces[0].column_names
    return merge_tables([sketch_table(names, [TableColumns(each)], names, asked.columns, room) for each in pieces])


def in_pieces(table: pa.Table, count: int = 4) -> list[pa.Table]:
    size = max(-(-table.num_rows // count), 1)
    return [table.slice(start, size) for start in range(0, max(table.num_rows, 1), size)]


def sketched(reference: pa.Table, current: pa.Table, asked: Asked, room: Room = COARSE, count: int = 4) -> DriftReport:
    return check_sketches(
        sketch(in_pieces(reference, count), asked, room), sketch(in_pieces(current, count), asked, room), asked, count
    )


def weighted(pieces: list[Any], k: int = 200, few: int = 0) -> Weighted:
    made = []
    for piece in pieces:
        sketcher = QuantileSketcher(k, few)
        sketcher.add(np.asarray(piece, dtype=np.float64))
        made.append(sketcher.result())
    return merge(made)


def sup_error(sketch: Weighted, values: Any) -> float:
    """The largest error of the share of values up to a bound, looked for at every bound where it can be."""
    bounds = np.union1d(values, sketch.values)
    truth = np.searchsorted(np.sort(values), bounds, side="right") / len(values)
    return float(np.abs(sketch.up_to(bounds) / sketch.size - truth).max())


SHAPES = {
    "normal": lambda n: RNG.normal(size=n),
    "skewed": lambda n: RNG.lognormal(0, 3, n),
    "ties": lambda n: RNG.integers(0, 40, n).astype(float),
    "sorted": lambda n: np.arange(n, dtype=float),
    "reversed": lambda n: np.arange(n, dtype=float)[::-1],
    "an atom": lambda n: np.where(RNG.random(n) < 0.4, 0.0, RNG.normal(size=n)),
    "zoomed in": lambda n: np.abs(np.arange(n) - n / 2) * (1 - 2 * (np.arange(n) % 2)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("n", "k", "count"), [(60_000, 200, 1), (60_000, 200, 8), (200_000, 1024, 3)])
def test_no_share_of_values_is_further_off_than_is_told(shape: str, n: int, k: int, count: int) -> None:
    values = SHAPES[shape](n)
    found = weighted(np.array_split(values, count), k)
    told = found.rank_error(DOUBT)
    assert sup_error(found, values) <= told < 12 / k
    assert told <= found.interval_error(DOUBT) <= 2 * told
    assert found.size == n
    assert (found.least, found.greatest) == (values.min(), values.max())


def test_a_distance_between_sketches_is_within_both_errors_of_the_true_one() -> None:
    sides = [RNG.normal(shift, 1 + shift, 50_000) for shift in (0.0, 0.2)]
    first, second = (weighted(np.array_split(side, 5)) for side in sides)
    told, true = distance(first, second), ks.distance(np.sort(sides[0]), np.sort(sides[1]))
    assert abs(told.ks - true.ks) <= first.rank_error(DOUBT) + second.rank_error(DOUBT)
    assert abs(told.interval - true.interval) <= first.interval_error(DOUBT) + second.interval_error(DOUBT)


def test_merging_makes_errors_smaller_and_does_not_depend_on_the_order() -> None:
    parts = [weighted([RNG.normal(size=20_000)]) for _ in range(4)]
    told = {merge(order).rank_error(DOUBT) for order in itertools.permutations(parts)}
    assert len(told) == 1
    assert told.pop() < 0.7 * weighted([RNG.normal(size=80_000)]).rank_error(DOUBT)
    for order in itertools.permutations(parts):
        one, other = merge(parts), merge(order)
        assert np.array_equal(one.values, other.values)
        assert np.array_equal(one.weights, other.weights)


@settings(max_examples=50)
@given(st.lists(st.lists(st.floats(-1e300, 1e300).map(lambda x: x + 0.0), max_size=30), min_size=1, max_size=5))
def test_what_fits_is_kept_exactly_whatever_the_pieces(pieces: list[list[float]]) -> None:
    values = np.sort(np.concatenate([np.array(piece, dtype=float) for piece in pieces]))
    found, sample = weighted(pieces, few=1000), Sample(values)
    assert (found.size, found.rank_error(DOUBT), found.interval_error(DOUBT)) == (len(values), 0, 0)
    ranks = np.arange(len(values))
    assert np.array_equal(found.at(ranks), sample.at(ranks))
    assert np.array_equal(found.up_to(values), sample.up_to(values))


def side(at: float, error: float, n: int = 10_000_000) -> Weighted:
    """A sketch of values spread evenly from ``at`` to ``at + 1`` whose error is about this."""
    variance = (error * n) ** 2 / (2 * np.log(2 * 2 * 10_000 / (DOUBT / 4)))
    weights = np.full(10_000, n // 10_000, dtype=np.int64)
    return Weighted(at + np.arange(10_000) / 10_000, weights, float(variance), at, at + 1)


def table_of(values: Weighted) -> TableSketch:
    return TableSketch(("x",), values.size, {"x": ColumnSketch("numeric", "double", values.size, 0, values)})


@pytest.mark.parametrize(
    ("moved", "error", "verdict", "reason"),
    [
        (0.0, 0.0, Verdict.PASSED, "NoDrift"),
        (0.099, 0.0, Verdict.PASSED, "NoDrift"),
        (0.101, 0.0, Verdict.FAILED, "DriftDetected"),
        (0.0, 0.01, Verdict.PASSED, "NoDrift"),
        (0.05, 0.01, Verdict.PASSED, "NoDrift"),
        (0.09, 0.01, Verdict.INCONCLUSIVE, "SketchTooCoarse"),
        (0.101, 0.01, Verdict.INCONCLUSIVE, "SketchTooCoarse"),
        (0.15, 0.01, Verdict.FAILED, "DriftDetected"),
        (0.15, 0.1, Verdict.INCONCLUSIVE, "SketchTooCoarse"),
        (0.9, 0.1, Verdict.FAILED, "DriftDetected"),
    ],
)
def test_a_verdict_holds_with_the_errors_against_it(moved: float, error: float, verdict: Verdict, reason: str) -> None:
    report = check_sketches(table_of(side(0, error)), table_of(side(moved, error)), Asked(joint=NO_JOINT))
    assert (report.verdict, report.reason) == (verdict, reason), report.message
    if reason == "SketchTooCoarse":
        assert report.columns[0].reason is Reason.SKETCH_TOO_COARSE
        assert report.measurements[0].passed is None
        for part in ("KS distance between 0.", "(limit 0.1)", "p between", "10000000 reference and 10000000 current"):
            assert part in report.message
    if error:
        [test] = report.to_json()["columns"][0]["tests"]
        assert test["margin"]["reference"] == pytest.approx(error, rel=0.1)


def few_values(at: float) -> Weighted:
    """300 values of which the share up to a bound may be wrong by 0.014."""
    return Weighted(at + np.arange(300) / 300, np.ones(300, np.int64), 1.0, at, at + 1)


@pytest.mark.parametrize(
    ("moved", "verdict"), [(0.02, Verdict.PASSED), (0.115, Verdict.INCONCLUSIVE), (0.3, Verdict.FAILED)]
)
def test_significance_has_the_errors_against_it_as_well(moved: float, verdict: Verdict) -> None:
    # Of 300 values a side a distance of 0.115 has a p-value of 0.04.
    asked = Asked(joint=NO_JOINT, thresholds=DriftThresholds(min_ks_effect=0.01))
    assert check_sketches(table_of(few_values(0)), table_of(few_values(moved)), asked).verdict is verdict


@pytest.mark.parametrize(("shift", "never"), [(0.23, Verdict.FAILED), (0.272, Verdict.PASSED)])
def test_near_the_limit_sketches_err_to_neither_side(shift: float, never: Verdict) -> None:
    # A normal shift of 0.2513 is a distance of 0.1.
    quantiles = np.linspace(0.5 / 100_000, 1 - 0.5 / 100_000, 100_000)
    values = ndtri(RNG.permutation(quantiles))
    tables = pa.table({"x": values}), pa.table({"x": values + shift})
    verdicts = {sketched(*tables, Asked(joint=NO_JOINT), Room(k=k, few=10)).verdict for k in (200, 200, 200, 600, 1500)}
    assert never not in verdicts
    assert Verdict.INCONCLUSIVE in verdicts


DAYS = [date(2025, 1, 1) + timedelta(days=i % 50) for i in range(400)]
TEXT = ["a" * (i % 9 + 1) for i in range(400)]
NUMBERS = [float(i % 23) for i in range(400)]
TYPED = {
    "TextLength": (TEXT, ["a" * (i % 9 + 7) for i in range(400)]),
    "Time": (DAYS, [day + timedelta(days=30) for day in DAYS]),
    "Numeric": ([str(x) for x in NUMBERS], [str(x + 9) for x in NUMBERS]),
    "Categorical": (NUMBERS, [x % 7 for x in NUMBERS]),
}


@pytest.mark.parametrize(
    ("reference", "current", "kind"),
    [
        (NUMBERS, NUMBERS, None),
        (NUMBERS, [x + 5 for x in NUMBERS], None),
        (NUMBERS, [None if i % 3 else x for i, x in enumerate(NUMBERS)], None),
        (NUMBERS, [float("inf") if i % 4 == 0 else x for i, x in enumerate(NUMBERS)], None),
        (NUMBERS, [None] * 400, None),
        ([None] * 400, [None] * 400, None),
        ([1.0] * 400, [1.0] * 400, None),
        ([i % 2 for i in range(400)], [int(i % 5 == 0) for i in range(400)], None),
        ([i % 2 == 0 for i in range(400)], [i % 5 == 0 for i in range(400)], None),
        ([i % 2 == 0 for i in range(400)], [i % 5 for i in range(400)], None),
        ([f"v{i % 5}" for i in range(400)], [f"v{i % 3}" for i in range(400)], None),
        ([f"v{i % 5}" for i in range(400)], [f"v{i % 5}" for i in range(399)] + [" "], None),
        ([f"id{i}" for i in range(400)], [f"id{i + 400}" for i in range(400)], None),
        ([f"0{i % 40}" for i in range(400)], [f"0{i % 30}" for i in range(400)], None),
        ([str(i) for i in range(400)], [str(i + 300) for i in range(400)], None),
        (["?" if i % 20 == 0 else str(i) for i in range(400)], ["?" if i % 9 else str(i) for i in range(400)], None),
        (["?" if i % 20 == 0 else str(i) for i in range(400)], [str(i + 90) for i in range(400)], None),
        (NUMBERS, [str(x) for x in NUMBERS], None),
        (NUMBERS, [f"v{x}" for x in NUMBERS], None),
        (NUMBERS, ["a", "1"] * 200, ColumnType.CATEGORICAL),
        (DAYS, DAYS, None),
        (DAYS, NUMBERS, None),
        ([[1, 2]] * 400, [[1, 2]] * 400, None),
        ([[1, 2]] * 400, [{"a": 1}] * 400, None),
        *((*pair, ColumnType(name)) for name, pair in TYPED.items()),
        (NUMBERS, NUMBERS, ColumnType.TEXT_LENGTH),
    ],
)
def test_small_columns_come_out_as_by_the_exact_way(reference: Any, current: Any, kind: ColumnType | None) -> None:
    columns = DriftColumns(settings=[ColumnSettings(name="x", type=kind)] if kind else [])
    asked = Asked(joint=NO_JOINT, columns=columns)
    tables = pa.table({"x": reference}), pa.table({"x": current})
    exact, found = check(*tables, asked), sketched(*tables, asked, Room())
    assert (found.verdict, found.reason) == (exact.verdict, exact.reason)
    (one,), (other,) = exact.columns, found.columns
    assert (other.reason, other.type) == (one.reason, one.type)
    assert [(test.test, round(test.effect, 9)) for test in other.tests] == [
        (test.test, round(test.effect, 9)) for test in one.tests
    ]
    # Kolmogorov's limit stands where the exact way counts; it is larger.
    assert all(b.p_value >= a.p_value * 0.999 for a, b in zip(one.tests, other.tests, strict=True))
    assert (other.reference_missing, other.current_missing) == (one.reference_missing, one.current_missing)
    assert [item.label for item in other.bins] == [item.label for item in one.bins]


def test_whole_reports_agree_and_say_that_they_are_of_sketches() -> None:
    n = 20_000
    tables = [
        pa.table({"x": RNG.normal(shift, 1, n), "c": RNG.choice(["p", "q"], n), f"only{shift}": RNG.normal(size=n)})
        for shift in (0, 1)
    ]
    report = sketched(*tables, Asked(), count=3)
    assert {each.name: each.reason.value for each in report.columns} == {
        "only0": "ColumnMissing",
        "x": "ValuesChanged",
        "only1": "ColumnAdded",
        "c": "NoDrift",
    }
    assert report.to_json()["sketched"] == {"doubt": DOUBT, "workers": 3}
    assert report.wholes[0].reason == "Sketched"
    assert check(*tables, Asked(joint=NO_JOINT)).to_json()["sketched"] is None


def test_too_many_texts_are_compared_in_groups_whose_alarms_hold() -> None:
    n, asked = 20_000, Asked(joint=NO_JOINT)
    few = Room(categories=100)
    ids = pa.table({"x": [f"id{i}" for i in range(n)]})
    later = pa.table({"x": [f"id{i + n}" for i in range(n)]})
    report = sketched(ids, later, asked, few)
    assert (report.columns[0].reason, report.measurements[0].weight) == (Reason.MANY_VALUES, 0)
    flooded = pa.table({"x": [f"id{i}" if i % 3 else "unknown" for i in range(n)]})
    assert sketched(ids, flooded, asked, few).columns[0].reason is Reason.VALUES_CHANGED
    # Names of together too many bytes are no different from too many names.
    assert sketched(ids, later, asked, Room(name_bytes=1000)).columns[0].reason is Reason.MANY_VALUES
    # One side that is counted and one that is grouped still agree on the groups.
    counted = pa.table({"x": [f"v{i % 50}" for i in range(n)]})
    assert sketched(counted, flooded, asked, few).columns[0].reason is Reason.VALUES_CHANGED


MANY = RNG.integers(1, 4000, 12_000)


@pytest.mark.parametrize(
    ("reference", "current", "kind", "reason", "verdict"),
    [
        (MANY * 1.5, [f"hash-{i:x}" for i in MANY], None, Reason.TYPE_CHANGED, Verdict.FAILED),
        ([f"hash-{i:x}" for i in MANY], MANY * 1.5, None, Reason.TYPE_CHANGED, Verdict.FAILED),
        # The exact way reads the texts and sees no change; of too many texts this is not known, and no pass.
        (MANY * 1.5, [f"{i * 1.5}" for i in MANY], None, Reason.TOO_MANY_TEXTS, Verdict.INCONCLUSIVE),
        (MANY * 1.5, [f"{i * 1.5}" for i in MANY], ColumnType.NUMERIC, Reason.NO_DRIFT, Verdict.PASSED),
        (
            ["?" if i % 50 == 0 else f"{i}" for i in MANY],
            [f"hash-{i:x}" for i in MANY],
            None,
            Reason.TYPE_CHANGED,
            Verdict.FAILED,
        ),
        # Numbers are one category however they are written.
        (MANY, [f"{i:06d}" for i in MANY], ColumnType.CATEGORICAL, Reason.MANY_VALUES, Verdict.PASSED),
        (MANY * 1.0, [f"{i}" for i in MANY], ColumnType.CATEGORICAL, Reason.MANY_VALUES, Verdict.PASSED),
    ],
)
def test_numbers_against_too_many_texts(
    reference: Any, current: Any, kind: ColumnType | None, reason: Reason, verdict: Verdict
) -> None:
    other = RNG.integers(0, 5, len(MANY))
    columns = DriftColumns(settings=[ColumnSettings(name="x", type=kind)] if kind else [])
    tables = (pa.table({"x": reference, "other": other}), pa.table({"x": current, "other": other}))
    asked = Asked(joint=NO_JOINT, columns=columns)
    report = sketched(*tables, asked, Room(categories=100))
    assert ({each.name: each.reason for each in report.columns}["x"], report.verdict) == (reason, verdict)
    # What is said is never against the exact way.
    assert verdict in (check(*tables, asked).verdict, Verdict.INCONCLUSIVE)


def test_vectors_are_not_compared_by_sketches_and_it_is_said() -> None:
    vectors = pa.table({"x": pa.array([[1.0, 2.0]] * 400, pa.list_(pa.float32(), 2))})
    report = sketched(vectors, vectors, Asked(joint=NO_JOINT))
    assert report.columns[0].reason is Reason.UNSUPPORTED_TYPE
    assert "sketches can not compare" in report.columns[0].message


def test_pieces_of_a_column_may_be_empty_but_not_of_different_types() -> None:
    asked = Asked(joint=NO_JOINT)
    empty, numbers, texts = pa.table({"x": pa.nulls(200)}), pa.table({"x": NUMBERS}), pa.table({"x": TEXT})
    ints = pa.table({"x": [int(x) for x in NUMBERS]})
    assert sketch([empty, numbers, ints], asked).columns["x"].rows == 1000
    for pieces in ([numbers, texts], [texts, numbers]):
        with pytest.raises(MixedColumn, match=r"column 'x' is .* in one piece and .* in another"):
            sketch(pieces, asked)
        with pytest.raises(MixedColumn, match="'x'"):
            sketch_table(["x"], [TableColumns(each) for each in pieces], ["x"], asked.columns, COARSE)
    with pytest.raises(SourceChanged, match="different versions"):
        merge_tables([sketch([each], asked) for each in (numbers, pa.table({"y": NUMBERS}))])


MOMENTS = 1_700_000_000 + RNG.integers(0, 10**6, 4000)
CLOCK = RNG.integers(0, 86_400, 4000)


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        (pa.array(MOMENTS).cast(pa.timestamp("s")), pa.array(MOMENTS).cast(pa.timestamp("s")).cast(pa.timestamp("ns"))),
        (pa.array(MOMENTS * 10**6, pa.timestamp("us")), pa.array(MOMENTS * 10**9 + 999, pa.timestamp("ns"))),
        (pa.array(DAYS), pa.array(DAYS).cast(pa.timestamp("ns"))),
        (pa.array(DAYS), pa.array(DAYS).cast(pa.date64())),
        (pa.array((CLOCK * 1000).astype("int32"), pa.time32("ms")), pa.array(CLOCK * 10**6, pa.time64("us"))),
        (pa.array(CLOCK.astype("int32"), pa.time32("s")), pa.array(CLOCK * 10**9, pa.time64("ns"))),
        (pa.array(CLOCK, pa.duration("s")), pa.array(CLOCK * 10**9, pa.duration("ns"))),
        # Seconds that are too many for whole microseconds of 64 bits are still what they are.
        (pa.array([2**55, -(2**55)] * 200, pa.timestamp("s")), pa.array([2**55, -(2**55)] * 200, pa.timestamp("s"))),
    ],
    ids=lambda side: str(side.type),
)
def test_times_of_different_units_are_the_same_moments(reference: Any, current: Any) -> None:
    asked = Asked(joint=NO_JOINT, columns=DriftColumns(include=["x"]))
    tables = pa.table({"x": reference}), pa.table({"x": current})
    for report in (check(*tables, asked), sketched(*tables, asked)):
        [column] = report.columns
        assert (report.verdict, column.reason) == (Verdict.PASSED, Reason.NO_DRIFT), report.message


def ids(rng: np.random.Generator, values: int, rows: int) -> pa.Table:
    return pa.table({"id": [f"id{value}" for value in rng.integers(0, values, rows)]})


def test_groups_of_texts_do_not_alarm_by_their_number_alone() -> None:
    # 1,024 groups of 12,000 rows a side are 0.16 apart by chance; by p-value alone some of these would alarm.
    asked = Asked(joint=NO_JOINT, thresholds=DriftThresholds(significance=0.5))
    room = Room(categories=100)
    reports = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        reports.append(sketched(ids(rng, 20_000, 12_000), ids(rng, 20_000, 12_000), asked, room).columns[0])
    assert {report.reason for report in reports} == {Reason.MANY_VALUES}
    tests = [report.tests[0] for report in reports]
    assert sum(test.p_adjusted < 0.5 for test in tests) >= 5
    assert not any(test.alarm for test in tests)


def test_a_change_in_many_texts_is_still_seen_in_their_groups() -> None:
    rng = np.random.default_rng(3)
    before, now = ids(rng, 20_000, 12_000), ids(rng, 20_000, 12_000).column("id").to_pylist()
    now[:3_000] = ["id7"] * 3_000
    report = sketched(before, pa.table({"id": now}), Asked(joint=NO_JOINT), Room(categories=100))
    assert report.columns[0].reason is Reason.VALUES_CHANGED
    assert report.columns[0].tests[0].effect == pytest.approx(0.25, abs=0.03)
