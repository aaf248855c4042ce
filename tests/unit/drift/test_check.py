"""The whole check: what is found, what is not, and that odd data is an outcome and never an error."""

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firedrill.api.driftcheck import ColumnSettings, ColumnType, DriftColumns, DriftThresholds, Segments
from firedrill.api.verdict import Verdict
from firedrill.engines.drift import Asked, DriftReport, UnknownColumn, check
from firedrill.engines.drift.report import ColumnReport

ROWS = 400
RNG = np.random.default_rng(11)
NORMAL = RNG.normal(size=ROWS)
CITIES = RNG.choice(["Bern", "Basel", "Chur"], ROWS)


CODES = DriftColumns(settings=[ColumnSettings(name="x", type=ColumnType.CATEGORICAL)])


def column(report: DriftReport, name: str) -> ColumnReport:
    return next(item for item in report.columns if item.name == name)


def one(reference: Any, current: Any, **settings: Any) -> ColumnReport:
    report = check(pa.table({"x": reference}), pa.table({"x": current}), Asked(**settings))
    json.dumps(report.to_json(), allow_nan=False)
    assert len(report.columns) == 1
    return report.columns[0]


def test_no_drift_passes_and_names_what_was_seen() -> None:
    table = pa.table({"x": NORMAL, "city": CITIES})
    report = check(table, table)
    assert report.verdict is Verdict.PASSED
    assert report.reason == "NoDrift"
    assert not report.drift
    assert "2 columns" in report.message
    assert "400 reference and 400 current rows" in report.message
    assert all(item.passed for item in report.measurements)


def test_a_shift_fails_and_names_column_statistic_limit_and_sizes() -> None:
    report = check(pa.table({"a": NORMAL, "x": NORMAL}), pa.table({"a": NORMAL, "x": NORMAL + 1}))
    assert report.verdict is Verdict.FAILED
    assert report.reason == "DriftDetected"
    for part in ("1 of 2 columns has drifted (x)", "KS distance 0.", "limit 0.1", "adjusted p", "400 current rows"):
        assert part in report.message
    assert report.columns[0].name == "x"
    assert report.measurements[0].passed is False


def test_a_hundred_rows_against_a_hundred_are_decided() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=100), rng.normal(size=100)
    assert check(pa.table({"x": a}), pa.table({"x": b})).verdict is Verdict.PASSED
    assert check(pa.table({"x": a}), pa.table({"x": b + 1})).verdict is Verdict.FAILED


@pytest.mark.parametrize("rows", [0, 1, 99])
def test_too_few_rows_are_inconclusive(rows: int) -> None:
    report = check(pa.table({"x": NORMAL}), pa.table({"x": NORMAL[:rows] + 9}))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.reason == "TooFewRows"
    assert not report.drift
    assert str(rows) in report.message


def test_a_change_of_spread_alone_is_found() -> None:
    rng = np.random.default_rng(4)
    result = one(rng.normal(size=1000), rng.normal(0, 1.5, 1000))
    assert result.drift
    assert result.reason == "ValuesChanged"


def test_a_significant_but_small_change_is_no_drift() -> None:
    rng = np.random.default_rng(5)
    result = one(rng.normal(size=100_000), rng.normal(0.05, 1, 100_000))
    assert not result.drift
    assert result.tests[0].p_adjusted < 1e-6
    assert "too small to matter" in result.message


def test_a_missing_column_is_drift_even_with_few_rows() -> None:
    report = check(pa.table({"x": NORMAL, "y": NORMAL}), pa.table({"x": NORMAL[:20]}))
    assert report.verdict is Verdict.FAILED
    assert column(report, "y").reason == "ColumnMissing"
    assert "y, in the reference, but not in the current data" in report.message


def test_an_added_column_is_told_and_is_no_drift() -> None:
    report = check(pa.table({"x": NORMAL}), pa.table({"x": NORMAL, "new": NORMAL}))
    assert report.verdict is Verdict.PASSED
    assert column(report, "new").reason == "ColumnAdded"
    assert [item.name for item in report.measurements] == ["x"]


def test_new_blanks_are_drift_in_numbers_and_in_texts() -> None:
    gaps = np.arange(ROWS) % 3 == 0
    numbers = one(NORMAL, pa.array(NORMAL, mask=gaps))
    texts = one(CITIES, pa.array([None if gap else city for gap, city in zip(gaps, CITIES, strict=True)]))
    blank = one(CITIES, pa.array(["  " if gap else city for gap, city in zip(gaps, CITIES, strict=True)]))
    nan = one(NORMAL, np.where(gaps, np.nan, NORMAL))
    for result in (numbers, texts, blank, nan):
        assert result.drift
        assert result.reason == "MissingShareChanged"
        assert result.current_missing == pytest.approx(1 / 3, abs=0.01)


def test_new_infinities_are_drift() -> None:
    result = one(NORMAL, np.where(np.arange(ROWS) % 8 == 0, np.inf, NORMAL))
    assert result.drift
    assert result.reason == "InfiniteShareChanged"


def test_an_unseen_category_is_drift() -> None:
    result = one(CITIES, np.where(np.arange(ROWS) % 8 == 0, "Genève", CITIES))
    assert result.drift
    assert any(item.label == "not in the reference" and item.current > 0.12 for item in result.bins)


def test_many_new_rare_categories_are_drift() -> None:
    odd = [f"new-{i}" if i % 4 == 0 else city for i, city in enumerate(CITIES)]
    assert one(CITIES, odd).drift


def test_constants_hold_or_have_changed() -> None:
    assert one([5.0] * ROWS, [5.0] * ROWS).reason == "Constant"
    assert one(["a"] * ROWS, ["a"] * ROWS).reason == "Constant"
    assert one([5.0] * ROWS, [6.0] * ROWS).drift
    assert one(["a"] * ROWS, ["b"] * ROWS).drift
    assert one([5.0] * ROWS, NORMAL).drift


def test_all_missing_is_undecided_and_newly_all_missing_is_drift() -> None:
    nothing = pa.nulls(ROWS, pa.float64())
    both = check(pa.table({"x": nothing}), pa.table({"x": nothing}))
    assert both.verdict is Verdict.INCONCLUSIVE
    assert both.reason == "NoColumns"
    assert both.columns[0].reason == "AllMissing"
    assert both.measurements[0].passed is None
    assert one(NORMAL, nothing).reason == "MissingShareChanged"
    assert one(NORMAL, pa.nulls(ROWS)).drift
    assert one(CITIES, pa.nulls(ROWS)).drift


def test_a_changed_type_is_drift() -> None:
    result = one(NORMAL, CITIES)
    assert result.drift
    assert result.reason == "TypeChanged"


DAYS = pa.array([date(2024, 1, 1 + i % 28) for i in range(ROWS)])
LISTS = pa.array([[1.0, 2.0]] * ROWS)


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        (DAYS, CITIES),
        (CITIES, DAYS),
        (DAYS, NORMAL),
        (NORMAL, LISTS),
        (NORMAL, pa.array([{"a": 1}] * ROWS)),
        (CITIES, pa.array([b"x"] * ROWS)),
        (LISTS, pa.array([{"a": 1}] * ROWS)),
    ],
)
def test_a_change_to_or_from_what_is_not_compared_is_drift(reference: Any, current: Any) -> None:
    assert one(reference, current).reason == "TypeChanged"
    assert one(reference, current, columns=CODES).reason == "TypeChanged"


@pytest.mark.parametrize("whole", [DAYS, LISTS, pa.array([b"x"] * ROWS)])
def test_what_is_not_compared_may_still_be_gone(whole: Any) -> None:
    gaps = pa.array([None if i % 3 else whole[i].as_py() for i in range(ROWS)], whole.type)
    for gone in (pa.nulls(ROWS), pa.nulls(ROWS, whole.type), gaps):
        assert one(whole, gone).reason == "MissingShareChanged"
    same = one(whole, whole)
    assert (same.drift, same.decided) == (False, False)
    assert check(pa.table({"x": whole}), pa.table({"x": whole})).reason == "NoColumns"


def test_numbers_with_blank_marks_among_them_stay_numbers() -> None:
    texts = [str(value) for value in NORMAL]
    marked = ["?" if i % 50 == 0 else text for i, text in enumerate(texts)]
    result = one(NORMAL, marked)
    assert result.type == "numeric"
    assert not result.drift
    many = ["?" if i % 11 == 0 else text for i, text in enumerate(texts)]
    strict = DriftColumns(settings=[ColumnSettings(name="x", limit=0.05)])
    assert one(NORMAL, many).reason == "NoDrift"
    assert one(NORMAL, many, columns=strict).reason == "InvalidShareChanged"
    assert one(marked, texts).type == "numeric"


def test_texts_that_are_all_numbers_are_codes() -> None:
    codes = [f"{i % 7:03d}" for i in range(ROWS)]
    assert one(codes, codes).type == "categorical"


def test_texts_that_are_numbers_and_all_different_are_quantities() -> None:
    texts, far = ([str(value) for value in side] for side in (NORMAL, NORMAL + 50))
    assert one(texts, far).reason == "ValuesChanged"
    assert one(texts, texts).reason == "NoDrift"
    padded = [f"{i:06d}" for i in range(ROWS)]
    assert one(padded, [f"{i + ROWS:06d}" for i in range(ROWS)]).reason == "AllValuesRare"


@pytest.mark.parametrize("marks", [True, False])
def test_texts_that_were_numbers_and_are_words_have_changed_their_type(marks: bool) -> None:
    texts = ["?" if marks and i % 20 == 0 else str(value) for i, value in enumerate(NORMAL)]
    words = [f"w{i:x}" for i in range(ROWS)]
    result = one(texts, words)
    assert result.reason == "TypeChanged"
    assert "0% are now" in result.message
    assert one(words, texts).reason == "TypeChanged"
    some = [word if i % 10 < 3 else text for i, (word, text) in enumerate(zip(words, texts, strict=True))]
    assert one(texts, some).drift


@pytest.mark.parametrize("make", [pa.array, lambda v: pa.array(v, pa.uint64()), lambda v: pa.array(map(Decimal, v))])
def test_whole_numbers_too_large_for_floats_are_told_apart(make: Any) -> None:
    first = [2**60 + i % 50 for i in range(ROWS)]
    later = [value + 60 for value in first]
    assert one(make(first), make(later)).reason == "ValuesChanged"
    assert one(make(first), make(first)).reason == "NoDrift"
    assert one(make(first), make(later), columns=CODES).drift
    assert one(make([2**60 + 1] * ROWS), make([2**60 + 1] * ROWS)).message.startswith(f"every value is {2**60 + 1}")


def test_integers_floats_booleans_and_their_texts_are_the_same_values() -> None:
    flags = [i % 2 == 0 for i in range(ROWS)]
    numbers = [int(flag) for flag in flags]
    assert not one(flags, numbers).drift
    assert not one(numbers, [float(n) for n in numbers]).drift
    declared = {"columns": CODES}
    assert not one(numbers, [float(n) for n in numbers], **declared).drift
    assert not one(numbers, [str(n) for n in numbers], **declared).drift


def test_declared_categories_are_compared_as_such() -> None:
    result = one([1, 2, 3, 4] * 100, [1, 4, 4, 1] * 100, columns=CODES)
    assert result.type == "categorical"
    assert result.headline is not None
    assert result.headline.test == "chi-square"


def test_identifiers_are_undecided_and_named() -> None:
    first = pa.table({"x": NORMAL, "id": [f"u{i}" for i in range(ROWS)]})
    second = pa.table({"x": NORMAL, "id": [f"v{i}" for i in range(ROWS)]})
    report = check(first, second)
    assert column(report, "id").reason == "AllValuesRare"
    assert not column(report, "id").bins
    assert report.verdict is Verdict.PASSED
    assert "id (AllValuesRare)" in report.message


def test_dates_are_compared_only_when_included() -> None:
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(ROWS)]
    later = [day + timedelta(days=1000) for day in days]
    assert one(days, later).reason == "Temporal"
    assert one(days, later, columns=DriftColumns(include=["x"])).drift


def test_nested_values_are_undecided() -> None:
    report = check(pa.table({"x": [[1]] * ROWS, "y": NORMAL}), pa.table({"x": [[2]] * ROWS, "y": NORMAL}))
    assert column(report, "x").reason == "UnsupportedType"
    assert report.verdict is Verdict.PASSED
    assert "x (UnsupportedType)" in report.message


def test_repeated_column_names_are_told_apart() -> None:
    names = ["a", "a", "a (2)"]
    first = pa.Table.from_arrays([pa.array(NORMAL)] * 3, names=names)
    second = pa.Table.from_arrays([pa.array(NORMAL), pa.array(NORMAL + 1), pa.array(NORMAL)], names=names)
    report = check(first, second)
    assert sorted(item.name for item in report.columns) == ["a", "a (2)", "a (3)"]
    assert column(report, "a (3)").drift


def test_unknown_columns_are_refused() -> None:
    table = pa.table({"x": NORMAL})
    named = (
        ("columns.include", Asked(DriftColumns(include=["nope"]))),
        ("columns.settings", Asked(DriftColumns(settings=[ColumnSettings(name="nope")]))),
        ("target", Asked(target="nope")),
        ("segments.column", Asked(segments=Segments(column="nope"))),
    )
    for field, asked in named:
        with pytest.raises(UnknownColumn, match=f"{field} names 'nope'"):
            check(table, table, asked)
    assert check(table, table, Asked(DriftColumns(exclude=["nope"]))).verdict is Verdict.PASSED


def test_excluding_everything_is_inconclusive() -> None:
    table = pa.table({"x": NORMAL})
    report = check(table, table, Asked(DriftColumns(exclude=["x"])))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.reason == "NoColumns"


def test_duplicated_rows_are_data() -> None:
    table = pa.table({"x": np.repeat(NORMAL[:20], 20)})
    assert check(table, table).verdict is Verdict.PASSED


def test_worst_columns_come_first() -> None:
    names = {f"c{i}": NORMAL + shift for i, shift in enumerate([0.0, 2.0, 0.5, 1.0])}
    report = check(pa.table(dict.fromkeys(names, NORMAL)), pa.table(names))
    assert [item.name for item in report.columns][:3] == ["c1", "c3", "c2"]


def test_json_has_the_shape_that_is_promised() -> None:
    body = check(pa.table({"x": NORMAL}), pa.table({"x": NORMAL})).to_json()
    assert {"drift", "verdict", "message", "columns"} <= body.keys()
    wanted = {"name", "type", "test", "statistic", "p_value", "p_adjusted", "effect", "psi", "drift", "reason"}
    assert wanted <= body["columns"][0].keys()
    assert body["drift"] is False


def test_a_thousand_columns_fit_into_one_record() -> None:
    table = pa.table({f"column-{i:04d}": NORMAL[:100] for i in range(1000)})
    report = check(table, table)
    assert sum(len(item.model_dump_json(by_alias=True, exclude_none=True)) for item in report.measurements) < 220_000


cells = st.none() | st.sampled_from([0.0, 1.0, -1.5, float("nan"), float("inf"), float("-inf"), 1e308, 5e-324, 2.0**60])
texts = st.none() | st.sampled_from(["", " ", "?", "nan", "1", "1.0", "-inf", "1_0", "é", "a" * 300, "true", "\x00"])
arrays = st.one_of(
    st.lists(cells, min_size=12, max_size=40).map(lambda v: pa.array(v, pa.float64())),
    st.lists(texts, min_size=12, max_size=40).map(lambda v: pa.array(v, pa.string())),
    st.lists(texts, min_size=12, max_size=40).map(lambda v: pa.array(v, pa.string()).dictionary_encode()),
    st.lists(st.none() | st.booleans(), min_size=12, max_size=40).map(lambda v: pa.array(v, pa.bool_())),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=12, max_size=40).map(
        lambda v: pa.array(v, pa.int64())
    ),
    st.lists(st.none() | st.dates(), min_size=12, max_size=40).map(lambda v: pa.array(v, pa.date32())),
    st.lists(st.none() | st.decimals(-9, 9, places=2), min_size=12, max_size=40).map(
        lambda v: pa.array(v, pa.decimal128(12, 2))
    ),
    st.lists(st.none() | st.binary(max_size=3), min_size=12, max_size=40).map(lambda v: pa.array(v, pa.binary())),
    st.lists(st.none() | st.timedeltas(timedelta(0), timedelta(9)), min_size=12, max_size=40).map(
        lambda v: pa.array(v, pa.duration("us"))
    ),
    st.integers(12, 40).map(pa.nulls),
)
FEW = Asked(thresholds=DriftThresholds(min_rows=10))


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(arrays, arrays, st.booleans(), st.booleans())
def test_no_pair_of_columns_is_an_error(a: pa.Array, b: pa.Array, categorical: bool, include: bool) -> None:
    columns = DriftColumns(settings=CODES.settings if categorical else [], include=["x"] if include else [])
    report = check(pa.table({"x": a}), pa.table({"x": b}), Asked(columns, FEW.thresholds))
    assert isinstance(report.drift, bool)
    assert report.message
    json.dumps(report.to_json(), allow_nan=False)
    assert report.columns[0].drift == report.drift


@settings(max_examples=100)
@given(arrays, st.randoms(use_true_random=False))
def test_a_table_has_not_drifted_from_itself_in_any_order(a: pa.Array, random: object) -> None:
    order = list(range(len(a)))
    random.shuffle(order)  # type: ignore[attr-defined]
    report = check(pa.table({"x": a}), pa.table({"x": a.take(pa.array(order))}), FEW)
    assert not report.drift


@settings(max_examples=50)
@given(arrays, arrays, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(a: pa.Array, b: pa.Array, random: object) -> None:
    order = list(range(len(b)))
    random.shuffle(order)  # type: ignore[attr-defined]
    plain = check(pa.table({"x": a}), pa.table({"x": b}), FEW)
    moved = check(pa.table({"x": a}), pa.table({"x": b.take(pa.array(order))}), FEW)
    assert plain.to_json() == moved.to_json()
