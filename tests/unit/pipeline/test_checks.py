"""Each check: what passes, what fails with which rows, and what can not be said."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pipeline_builders import NOW, findings, only, report, subject

from firedrill.api.errors import InvalidInput
from firedrill.api.verdict import Verdict
from firedrill.engines.pipeline import Latencies, PipelineRun
from firedrill.engines.pipeline.distribution import deviation

Object = dict[str, Any]
NAN = float("nan")

#: The data, the check, its outcome, and how many rows of how many.
ROWS: list[tuple[Object, Object, bool | None, str]] = [
    ({"a": [1, None, 3]}, {"nulls": {"columns": ["a"]}}, False, "1 of 3 rows"),
    ({"a": [1.0, NAN, 3]}, {"nulls": {"columns": ["a"], "maxShare": 0.4}}, True, "1 of 3 rows"),
    ({"a": ["x", "", " \t"]}, {"nulls": {"columns": ["a"]}}, False, "2 of 3 rows"),
    ({"a": pa.nulls(2)}, {"nulls": {"columns": ["a"]}}, False, "2 of 2 rows"),
    ({"a": [0, 5, 10, None]}, {"range": {"columns": ["a"], "min": 0, "max": 10}}, True, "0 of 3 rows"),
    ({"a": [-1, 5, 11]}, {"range": {"columns": ["a"], "min": 0, "max": 10}}, False, "2 of 3 rows"),
    ({"a": [1.5, NAN, float("inf")]}, {"range": {"columns": ["a"], "max": 2}}, False, "1 of 2 rows"),
    ({"a": [Decimal("1.10"), Decimal("2")]}, {"range": {"columns": ["a"], "max": 1.5}}, False, "1 of 2 rows"),
    ({"a": ["1", "2e3", "x", " "]}, {"range": {"columns": ["a"], "max": 10}}, False, "2 of 3 rows"),
    ({"a": ["1", "2"]}, {"range": {"columns": ["a"], "max": 10}}, True, "0 of 2 rows"),
    ({"a": [date(2025, 1, 1)]}, {"range": {"columns": ["a"], "max": 10}}, False, "1 of 1 rows"),
    ({"a": pa.nulls(3)}, {"range": {"columns": ["a"], "max": 10}}, None, "no row of 3"),
    ({"a": [1, 2, 2, 2]}, {"unique": {"columns": ["a"]}}, False, "2 of 4 rows"),
    ({"a": [0.0, -0.0]}, {"unique": {"columns": ["a"]}}, False, "1 of 2 rows"),
    ({"a": [1, 2, None, None]}, {"unique": {"columns": ["a"]}}, True, "0 of 2 rows"),
    ({"a": ["x", "x", ""], "b": [1, 2, 1]}, {"unique": {"columns": ["a", "b"]}}, True, "0 of 2 rows"),
    ({"a": ["x", "x", "y"], "b": [1, 1, 1]}, {"unique": {"columns": ["a", "b"]}}, False, "1 of 3 rows"),
    ({"a": ["CH", "DE", "XX"]}, {"allowed": {"column": "a", "values": ["CH", "DE"]}}, False, "1 of 3 rows"),
    ({"a": [1, 2.0, None]}, {"allowed": {"column": "a", "values": ["1", "2"]}}, True, "0 of 2 rows"),
    ({"a": [True, False]}, {"allowed": {"column": "a", "values": ["true"]}}, False, "1 of 2 rows"),
    ({"a": ["AB1", "xAB1"]}, {"pattern": {"column": "a", "regex": "[A-Z]+\\d"}}, False, "1 of 2 rows"),
    ({"a": ["a|b", "c"]}, {"pattern": {"column": "a", "regex": "a|c"}}, False, "1 of 2 rows"),
    ({"a": ["é", "abc", None]}, {"pattern": {"column": "a", "maxLength": 2}}, False, "1 of 2 rows"),
    ({"a": [2**60, -5]}, {"range": {"columns": ["a"], "min": 0.5}}, False, "1 of 2 rows"),
    ({"a": [2**53 + 1]}, {"range": {"columns": ["a"], "max": 2.0**53}}, False, "1 of 1 rows"),
    ({"a": pa.array([2**64 - 1], pa.uint64())}, {"range": {"columns": ["a"], "max": 1e30}}, True, "0 of 1 rows"),
    ({"a": pa.array([7], pa.uint8())}, {"range": {"columns": ["a"], "min": 1e30}}, False, "1 of 1 rows"),
    ({"a": [2**60, 2**60 + 1]}, {"allowed": {"column": "a", "values": [str(2**60), "x"]}}, False, "1 of 2 rows"),
    ({"a": [Decimal(10**20 + 1)]}, {"range": {"columns": ["a"], "max": 1}}, False, "1 of 1 rows"),
    ({"a": [12, 345]}, {"pattern": {"column": "a", "regex": "\\d\\d"}}, False, "1 of 2 rows"),
]


@pytest.mark.parametrize(("columns", "check", "passed", "detail"), ROWS)
def test_rows_that_fail_are_counted(columns: Object, check: Object, passed: bool | None, detail: str) -> None:
    found = only(subject(columns), check)
    assert (found.passed, found.detail.startswith(detail)) == (passed, True), found


@pytest.mark.parametrize(
    ("columns", "check", "passed", "said"),
    [
        ({"a": [1]}, {"columns": [{"name": "a", "type": "integer"}]}, True, "all as expected"),
        ({"a": [1.5]}, {"columns": [{"name": "a", "type": "integer"}]}, False, "a is double, not integer"),
        ({"a": [1]}, {"columns": [{"name": "a", "type": "number"}]}, True, "all as expected"),
        ({"a": [1]}, {"columns": [{"name": "b"}]}, False, "b is missing"),
        ({"a": [1]}, {"columns": [{"name": "b", "required": False}]}, True, "all as expected"),
        ({"a": [1]}, {"columns": [{"name": "a"}], "extraAllowed": False}, True, "all as expected"),
        ({"a": [1], "z": [1]}, {"columns": [{"name": "a"}], "extraAllowed": False}, False, "z was not expected"),
        ({"a": pa.nulls(1)}, {"columns": [{"name": "a", "type": "time"}]}, True, "all as expected"),
        ({"a": [date(2025, 1, 1)]}, {"columns": [{"name": "a", "type": "time"}]}, True, "all as expected"),
        ({"a": pa.array([], pa.int8())}, {"columns": [{"name": "a", "type": "text"}]}, False, "a is int8, not text"),
    ],
)
def test_the_schema_is_decided_without_rows(columns: Object, check: Object, passed: bool, said: str) -> None:
    found = only(subject(columns), {"schema": check})
    assert (found.passed, said in found.detail) == (passed, True), found


def test_a_column_that_is_there_twice_is_told() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    found = only(subject(table), {"schema": {"columns": [{"name": "a"}]}})
    assert (found.passed, "a is there 2 times" in found.detail) == (False, True)


@pytest.mark.parametrize(
    ("columns", "other", "check", "passed", "detail"),
    [
        ({"c": [1, 2, None]}, {"id": [2, 1]}, {"columns": ["c"], "table": "other", "to": ["id"]}, True, "0 of 2"),
        ({"c": [1, 9]}, {"c": [1]}, {"columns": ["c"], "table": "other"}, False, "1 of 2"),
        ({"c": ["1", "9"]}, {"c": [1.0, NAN]}, {"columns": ["c"], "table": "other"}, False, "1 of 2"),
        (
            {"c": [1, 1], "d": ["x", "y"]},
            {"c": [1], "d": ["x"]},
            {"columns": ["c", "d"], "table": "other"},
            False,
            "1 of",
        ),
        ({"c": [2.0**53]}, {"c": [2**53 + 1]}, {"columns": ["c"], "table": "other"}, False, "1 of 1"),
        ({"c": ["7.00", "07", "x"]}, {"c": [7]}, {"columns": ["c"], "table": "other"}, False, "2 of 3"),
        ({"c": [1]}, {"c": pa.array([], pa.int64())}, {"columns": ["c"], "table": "other"}, False, "1 of 1"),
    ],
)
def test_references(columns: Object, other: Object, check: Object, passed: bool, detail: str) -> None:
    found = only(subject(columns, other=other), {"references": check})
    assert (found.passed, found.detail.startswith(detail)) == (passed, True), found


def reconciled(rows: Object, source: Object, **check: Any) -> dict[str, tuple[bool | None, str]]:
    made = {"reconcile": {"table": "source", "keys": ["k"], **check}}
    found = findings(subject(rows, source=source), made)
    return {each.name.removeprefix("reconcile: "): (each.passed, each.detail.split(";")[0]) for each in found}


def test_reconciliation_tells_missing_extra_and_differing_rows_apart() -> None:
    found = reconciled({"k": [3, 1, 9], "v": ["c", "a", "z"]}, {"k": [1, 2, 3], "v": ["a", "b", "x"]})
    assert found == {
        "missing": (False, "1 of 3 rows"),
        "extra": (False, "1 of 3 rows"),
        "differing": (False, "1 of 2 rows"),
    }


@pytest.mark.parametrize(
    ("columns", "source", "check", "passed"),
    [
        ({"k": [1], "v": [1.0004]}, {"k": [1], "v": [1.0]}, {"tolerance": 0.001}, True),
        ({"k": [1], "v": [1.0004]}, {"k": [1], "v": [1.0]}, {}, False),
        ({"k": [1], "v": [NAN]}, {"k": [1], "v": [None]}, {}, True),
        ({"k": [1], "v": [None]}, {"k": [1], "v": [0]}, {}, False),
        ({"k": ["1"], "v": ["5"]}, {"k": [1], "v": [5.0]}, {}, True),
        ({"k": [1], "v": [Decimal("0.10")]}, {"k": [1], "v": [Decimal("0.1")]}, {}, True),
        ({"k": [1], "v": [datetime(2025, 1, 1)]}, {"k": [1], "v": [date(2025, 1, 1)]}, {}, True),
        ({"k": [1], "v": [[1, 2]]}, {"k": [1], "v": [[2, 1]]}, {}, False),
        ({"k": [1], "v": [1], "w": [5]}, {"k": [1], "v": [1], "w": [6]}, {"columns": ["v"]}, True),
        ({"k": [1, 1], "v": [1, 2]}, {"k": [1, 1], "v": [1, 2]}, {}, True),
        ({"k": [1, 1], "v": [2, 1]}, {"k": [1, 1], "v": [1, 2]}, {}, False),
        ({"k": [None], "v": [1]}, {"k": [None], "v": [1]}, {}, True),
        ({"k": [1], "v": [2.0**53]}, {"k": [1], "v": [2**53 + 1]}, {}, False),
        ({"k": [1], "v": [2.0**53]}, {"k": [1], "v": [2**53 + 1]}, {"tolerance": 2}, True),
        ({"k": [1], "v": [2**60 + 3]}, {"k": [1], "v": [2**60]}, {"tolerance": 2}, False),
        ({"k": [1], "v": pa.array([2**64 - 1], pa.uint64())}, {"k": [1], "v": [5]}, {}, False),
        ({"k": [1], "v": [Decimal("1." + 24 * "0" + "1")]}, {"k": [1], "v": [1]}, {}, False),
        ({"k": [1], "v": [""]}, {"k": [1], "v": pa.nulls(1, pa.string())}, {}, True),
        ({"k": [1], "v": [" \t"]}, {"k": [1], "v": [""]}, {}, True),
        ({"k": [1], "v": [""]}, {"k": [1], "v": pa.nulls(1)}, {}, True),
        ({"k": [1], "v": [""]}, {"k": [1], "v": [NAN]}, {}, True),
        ({"k": [1], "v": [" "]}, {"k": [1], "v": [0]}, {}, False),
        ({"k": [1], "v": [" "]}, {"k": [1], "v": [0]}, {"tolerance": 1}, False),
        ({"k": [1], "v": [""]}, {"k": [1], "v": ["x"]}, {}, False),
        ({"k": ["", "a"], "v": [1, 2]}, {"k": [None, "a"], "v": [1, 2]}, {}, True),
        ({"k": ["1.0", "x"], "v": [1, 2]}, {"k": [1, 2], "v": [1, 2]}, {"maxMissing": 0.5, "maxExtra": 0.5}, True),
        ({"k": [1], "v": [1.5]}, {"k": [1], "v": ["1.50"]}, {}, True),
        ({"k": [1], "v": ["15e-1 "]}, {"k": [1], "v": [Decimal("1.50")]}, {}, True),
        ({"k": [1], "v": [1500]}, {"k": [1], "v": ["+1.5E3"]}, {}, True),
        ({"k": [1], "v": [0.1]}, {"k": [1], "v": ["0.1000"]}, {}, True),
        ({"k": [1], "v": [1e23]}, {"k": [1], "v": ["1e23"]}, {}, True),
        ({"k": [1], "v": [-0.0]}, {"k": [1], "v": ["0.00"]}, {}, True),
        ({"k": [1], "v": [2**60]}, {"k": [1], "v": [str(2**60) + ".0"]}, {}, True),
        ({"k": [1], "v": [2**60]}, {"k": [1], "v": [str(2**60 + 1)]}, {}, False),
        ({"k": [1], "v": [1.5]}, {"k": [1], "v": ["1.500000000000000000001"]}, {}, False),
        ({"k": [1], "v": [1.5]}, {"k": [1], "v": ["1.500000000000000000001"]}, {"tolerance": 1e-20}, True),
        ({"k": [1], "v": [2**60]}, {"k": [1], "v": [str(2**60 + 3)]}, {"tolerance": 2}, False),
        ({"k": [1], "v": [1.5]}, {"k": [1], "v": ["n/a"]}, {"tolerance": 2}, False),
        ({"k": [1], "v": [float("inf")]}, {"k": [1], "v": ["1e999"]}, {"tolerance": 2}, False),
        # What has zeros before it is a code, and two texts are texts.
        ({"k": [1], "v": ["01234"]}, {"k": [1], "v": [1234]}, {}, False),
        ({"k": [1], "v": ["01234"]}, {"k": [1], "v": [1234]}, {"tolerance": 1}, False),
        ({"k": [1], "v": ["1.5"]}, {"k": [1], "v": ["1.50"]}, {}, False),
        ({"k": [1], "v": ["1.5"]}, {"k": [1], "v": ["1.50"]}, {"tolerance": 1}, False),
    ],
)
def test_values_that_agree(columns: Object, source: Object, check: Object, passed: bool) -> None:
    found = reconciled(columns, source, **check)
    assert (found["missing"][0], found["extra"][0], found["differing"][0]) == (True, True, passed)


@pytest.mark.parametrize(
    ("columns", "source", "check", "alone", "differing"),
    [
        ({"k": [1], "v": [1]}, {"k": [1], "v": [1], "w": [5]}, {}, False, True),
        ({"k": [1], "v": [1], "w": [5]}, {"k": [1], "v": [1]}, {}, None, True),
        ({"k": [1], "V": [1]}, {"k": [1], "v": [2]}, {}, False, None),
        ({"k": [1], "v": [1]}, {"k": [1], "v": [1], "w": [5]}, {"columns": ["v"]}, "not asked", True),
        ({"k": [1]}, {"k": [1]}, {}, "not asked", "not asked"),
    ],
)
def test_columns_of_one_side_are_told_unless_those_that_count_are_named(
    columns: Object, source: Object, check: Object, alone: Any, differing: Any
) -> None:
    found = reconciled(columns, source, **check)
    passed = [found.get(name, ("not asked", ""))[0] for name in ("columns of one side", "differing")]
    assert passed == [alone, differing]


@pytest.mark.parametrize("values", [["x", *["10", "11"] * 50], [float("inf"), *[10.0, 11.0] * 50]])
def test_statistics_of_values_that_are_no_numbers_are_undecided(values: list[Any]) -> None:
    bounds = {"mean": {"max": 13}, "standardDeviation": {"max": 9}, "quantiles": [{"q": 0.5, "max": 13}]}
    found = findings(subject({"a": values}), {"distribution": {"column": "a", **bounds}})
    assert [each.passed for each in found] == [None] * 3
    assert "1 of 101 values are no finite numbers" in found[0].detail


@pytest.mark.parametrize(("rows", "passed"), [(2, None), (10, None), (298, None), (299, True)])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_few_equal_values_are_no_evidence_of_a_mean_or_a_spread(value: float, rows: int, passed: bool | None) -> None:
    bounds = {"mean": {"max": 0.11}, "standardDeviation": {"max": 0.01}}
    found = findings(subject({"a": [value] * rows}), {"distribution": {"column": "a", **bounds}})
    assert [each.passed for each in found] == [passed, passed]


def test_more_equal_values_are_needed_for_a_higher_confidence() -> None:
    check = {"distribution": {"column": "a", "mean": {"max": 1}, "confidence": 0.99}}
    assert [only(subject({"a": [0] * rows}), check).passed for rows in (458, 459)] == [None, True]


@pytest.mark.parametrize(("rows", "least"), [(10, 0.94), (30, 0.93), (200, 0.93)])
def test_the_interval_of_a_standard_deviation_holds_as_often_as_it_promises(rows: int, least: float) -> None:
    samples = np.random.default_rng(3).normal(5.0, 2.0, (2000, rows))
    made = [deviation(sample, 0.95) for sample in samples]
    held = sum(each is not None and each.low <= 2.0 <= each.high for each in made) / len(made)
    assert least <= held <= 0.98


def test_the_interval_of_a_standard_deviation_is_that_of_bonett() -> None:
    # Worked by hand from the formula: z = 1.959964, n = 12, trimmed by 2 at each end, kurtosis 1.78322.
    found = deviation(np.arange(1.0, 13.0), 0.95)
    assert found is not None
    assert [round(each, 4) for each in (found.value, found.low, found.high)] == [3.6056, 2.7529, 5.6441]


@pytest.mark.parametrize(
    "columns",
    [
        {"t": ["a", "a"], "m": ["-92233720368547758.08"] * 2},
        {"t": ["a", "a"], "d": ["92233720368547758.07", None], "c": ["-92233720368547758.07", "-0.02"]},
    ],
)
def test_a_ledger_of_amounts_beyond_64_bits_does_not_wrap_round_to_zero(columns: Object) -> None:
    sides = {"amount": "m"} if "m" in columns else {"debit": "d", "credit": "c"}
    found = findings(subject(columns), {"ledgerBalances": {"transaction": "t", "scale": 2, **sides}})
    assert found[-1].passed is False


@pytest.mark.parametrize("kind", ["allowed", "pattern"])
def test_a_check_that_can_not_be_computed_leaves_the_others_decided(kind: str) -> None:
    asked = {"allowed": {"values": ["1"]}, "pattern": {"regex": ".*"}}[kind]
    made = report(subject({"a": [b"\xff\xfe"]}), {"volume": {"min": 1}}, {kind: {"column": "a", **asked}})
    assert {each.kind: each.worst.passed for each in made.checks} == {"volume": True, kind: None}
    assert made.verdict is Verdict.INCONCLUSIVE
    assert "checks[1]" in made.message


@pytest.mark.parametrize("regex", ["a)|(?:b", "a)|(b", "("])
def test_an_expression_must_stand_by_itself(regex: str) -> None:
    with pytest.raises(InvalidInput, match=r"checks\[0\]\.pattern\.regex"):
        report(subject({"a": ["aXXX"]}), {"pattern": {"column": "a", "regex": regex}})


def test_a_key_that_repeats_once_more_is_an_extra_row() -> None:
    found = reconciled({"k": [1, 1]}, {"k": [1]})
    assert (found["missing"][0], found["extra"]) == (True, (False, "1 of 2 rows"))


def test_no_rows_on_either_side_decide_nothing() -> None:
    empty = {"k": pa.array([], pa.int64()), "v": pa.array([], pa.int64())}
    assert {each[0] for each in reconciled(empty, empty).values()} == {None}


def test_two_runs_leave_the_same_rows_in_any_order_or_not() -> None:
    first = {"k": [1, 2, 2], "at": [5, 5, 5]}
    check = {"idempotence": {"ignoreColumns": ["at"]}}
    assert only(subject({"at": [6, 6, 6], "k": [2, 1, 2]}, before=first), check).passed is True
    doubled = only(subject({"k": [1, 2, 2] * 2, "at": [6] * 6}, before=first), check)
    assert (doubled.passed, "3 only after the second" in doubled.detail) == (False, True)
    assert only(subject({"k": [1, 2, 2], "new": [1] * 3}, before=first), check).passed is False


@pytest.mark.parametrize(
    ("values", "check", "passed"),
    [
        (list(range(1000)), {"mean": {"min": 450, "max": 550}}, True),
        (list(range(1000)), {"mean": {"min": 600}}, False),
        (list(range(1000)), {"mean": {"min": 500}}, None),
        ([5], {"mean": {"min": 0}}, None),
        ([5] * 50, {"standardDeviation": {"max": 0.1}}, None),
        ([5, 6] * 50, {"standardDeviation": {"max": 0.6}}, True),
        (list(range(1000)), {"standardDeviation": {"max": 100}}, False),
        (list(range(1000)), {"quantiles": [{"q": 0.5, "max": 600}]}, True),
        (list(range(1000)), {"quantiles": [{"q": 0.5, "max": 400}]}, False),
        (list(range(10)), {"quantiles": [{"q": 0.99, "max": 100}]}, None),
        (["x"] * 300 + ["y"] * 700, {"shares": [{"value": "x", "min": 0.2, "max": 0.4}]}, True),
        (["x"] * 300 + ["y"] * 700, {"shares": [{"value": "x", "max": 0.2}]}, False),
        (["x"] * 3 + ["y"] * 7, {"shares": [{"value": "x", "max": 0.35}]}, None),
        ([1.0, NAN, None], {"mean": {"min": 0}}, None),
    ],
)
def test_statistics_are_judged_by_their_intervals(values: list[Any], check: Object, passed: bool | None) -> None:
    found = only(subject({"a": values}), {"distribution": {"column": "a", **check}})
    assert found.passed is passed, found


@pytest.mark.parametrize(
    ("ages", "fresh", "future"),
    [
        ([timedelta(minutes=5), timedelta(days=9)], True, True),
        ([timedelta(hours=2)], False, True),
        ([timedelta(hours=2), timedelta(days=-1)], False, False),
        ([timedelta(days=-1)], None, False),
    ],
)
def test_a_row_of_tomorrow_does_not_make_old_data_fresh(
    ages: list[timedelta], fresh: bool | None, future: bool
) -> None:
    times = [NOW - age for age in ages]
    found = findings(subject({"at": times}), {"freshness": {"column": "at", "maxAge": "1h"}})
    assert [each.passed for each in found] == [fresh, future]


@pytest.mark.parametrize(
    ("rows", "check", "passed"),
    [
        (10, {"min": 10}, True),
        (9, {"min": 10}, False),
        (11, {"max": 10}, False),
        (60, {"history": ["w1", "w2"]}, True),
        (49, {"history": ["w1", "w2"]}, False),
        (49, {"history": ["none"]}, None),
    ],
)
def test_volume_absolute_and_against_what_is_usual(rows: int, check: Object, passed: bool | None) -> None:
    history = {"w1": {"a": range(80)}, "w2": {"a": range(120)}, "none": {"a": pa.array([], pa.int64())}}
    assert only(subject({"a": range(rows)}, **history), {"volume": check}).passed is passed


@pytest.mark.parametrize(
    ("run", "check", "passed"),
    [
        (PipelineRun(9.0, 90), {"maxDuration": "10s"}, [True]),
        (PipelineRun(11.0, 90), {"maxDuration": "10s"}, [False]),
        (PipelineRun(9.0, 90), {"minRowsPerSecond": 10}, [True]),
        (PipelineRun(9.0, 0), {"minRowsPerSecond": 10}, [None]),
        (PipelineRun(9.0, 90, Latencies([0.1] * 90, 0)), {"maxP95": "200ms"}, [True, True]),
        (PipelineRun(9.0, 90, Latencies([0.1] * 89, 0)), {"maxP95": "200ms"}, [None, True]),
        (PipelineRun(9.0, 90, Latencies([0.1] * 458, 0)), {"maxP99": "200ms"}, [None, True]),
        (PipelineRun(9.0, 90, Latencies([0.1] * 459, 0)), {"maxP99": "200ms"}, [True, True]),
        (PipelineRun(9.0, 90, Latencies([0.3] * 90, 0)), {"maxP50": "200ms"}, [False, True]),
        (PipelineRun(9.0, 90, Latencies([0.1] * 80, 20)), {"maxP95": "200ms"}, [False, False]),
        (PipelineRun(9.0, 0, Latencies([], 0)), {"maxP50": "1s"}, [None, None]),
    ],
)
def test_speed(run: PipelineRun, check: Object, passed: list[bool | None]) -> None:
    assert [each.passed for each in findings(subject({"a": [1]}, runs=[run]), {"speed": check})] == passed


LEDGER = {"t": ["a", "a", "b", "b", "c"], "c": ["CHF"] * 5}


@pytest.mark.parametrize(
    ("amounts", "passed"),
    [
        ([10.10, -10.10, 0.3, -0.3, 0], True),
        ([0.1, -0.1, 0.1 + 0.2, -0.3, 0], "no amount of 4 decimal places"),
        ([10, -10, 3, -4, 0], False),
        (["10.10", "-10.10", "0.30", "-0.3", "0"], True),
        ([Decimal("10.10"), Decimal("-10.1"), Decimal("1"), Decimal("-1"), Decimal("0")], True),
        ([Decimal("90071992547409930.01"), Decimal("-90071992547409930.02"), *[Decimal(0)] * 3], False),
        ([2**61, -(2**61), 2**61, -(2**61), 0], True),
        ([10, -10, 3, None, 0], False),
        (["x", "1", "1", "1", "1"], "row 1: not an amount"),
        (["0.12345", "1", "1", "1", "1"], "row 1: more than 4 decimal places"),
        ([NAN, 1, 1, 1, 1], False),
        ([float("inf"), 1, 1, 1, 1], "row 1: a floating point number"),
        ([True, True, True, True, True], "holds no amounts but bool"),
    ],
)
def test_a_ledger_balances_to_the_last_place_or_not(amounts: list[Any], passed: bool | str) -> None:
    check = {"ledgerBalances": {"transaction": "t", "currency": "c", "amount": "v"}}
    found = findings(subject({**LEDGER, "v": amounts}), check)
    if isinstance(passed, str):
        assert (found[0].passed, passed in found[0].detail) == (False, True), found
    else:
        assert all(each.passed for each in found) is passed, found


def test_debits_and_credits_by_currency() -> None:
    columns = {"t": ["a"] * 4, "c": ["CHF", "CHF", "EUR", "EUR"], "d": [5, None, 7, None], "k": [None, 5, None, 6]}
    check = {"ledgerBalances": {"transaction": "t", "currency": "c", "debit": "d", "credit": "k"}}
    incomplete, balanced = findings(subject(columns), check)
    assert (incomplete.passed, balanced.passed, balanced.value) == (True, False, 0.5)
    assert "1 of 2 transactions by currency do not balance, the largest by 1.0000" in balanced.detail


def readings(*rows: tuple[str, int]) -> Object:
    return {"d": [device for device, _ in rows], "at": [1_736_900_000 + at for _, at in rows]}


@pytest.mark.parametrize(
    ("rows", "fails"),
    [
        ([("a", 0), ("b", 5), ("a", 60), ("b", 65)], set()),
        ([("a", 0), ("a", 61)], {"gaps"}),
        ([("a", 0), ("b", 60)], set()),
        ([("a", 0), ("b", 600)], {"silence"}),
        ([("a", 0), ("b", 0), ("a", 60), ("a", 120)], {"silence"}),
        ([("a", 0), ("a", 60), ("a", 120), ("b", 120)], {"silence"}),
        ([("a", 0), ("a", 60), ("a", 120), ("b", 60)], set()),
        ([("a", 5)], set()),
        ([("a", 0), ("a", 0), ("b", 0)], {"duplicates"}),
        ([("a", 60), ("b", 0), ("a", 0)], {"out of order"}),
        ([("a", 60), ("b", 0), ("b", 50), ("a", 70)], set()),
    ],
)
def test_readings_of_devices(rows: list[tuple[str, int]], fails: set[str]) -> None:
    check = {"deviceSeries": {"device": "d", "time": "at", "maxGap": "60s", "maxOutOfOrder": 0}}
    found = findings(subject(readings(*rows)), check)
    assert {each.name.split("(")[0] for each in found if each.passed is False} == fails


@pytest.mark.parametrize("odd", [-1_736_900_000, 10**9], ids=["1970", "in thirty years"])
def test_one_clock_that_is_wrong_silences_no_other_device(odd: int) -> None:
    steps = [(name, at) for name in "abcdefghij" for at in range(0, 600, 60)] + [("a", odd)]
    check = {"deviceSeries": {"device": "d", "time": "at", "maxGap": "60s", "maxGaps": 0.05}}
    silence = findings(subject(readings(*steps)), check)[-1]
    assert (silence.name, silence.passed, silence.value) == ("silence(d, at)", True, 0)


def test_a_device_that_falls_silent_before_the_end_is_told() -> None:
    steps = [("a", at) for at in range(0, 3600, 60)] + [("b", at) for at in (0, 60)]
    check = {"deviceSeries": {"device": "d", "time": "at", "maxGap": "60s"}}
    silence = findings(subject(readings(*steps)), check)[-1]
    said = "1 of 2 devices are silent for more than 60 s at an end of the data: 0 at its start, 1 at its end"
    assert (silence.passed, silence.value, silence.detail) == (False, 0.5, f"{said} (longest 3480 s)")
    assert silence.shown is not None
    assert silence.shown.rows.tolist() == [61]
    assert findings(subject(readings(*steps)), {"deviceSeries": {**check["deviceSeries"], "maxGaps": 0.5}})[-1].passed


def test_a_clock_that_is_known_to_be_ahead_makes_no_other_device_silent() -> None:
    columns = {**readings(("a", 0), ("b", 0), ("b", 9000)), "got": [1_736_900_001, 1_736_900_001, 1_736_900_030]}
    check = {"device": "d", "time": "at", "maxGap": "60s", "received": "got", "maxClockSkew": "30s"}
    found = findings(subject(columns), {"deviceSeries": check})
    assert {each.name.split("(")[0] for each in found if each.passed is False} == {"gaps", "clock skew"}


def test_a_clock_that_is_ahead_of_the_arrival() -> None:
    columns = {**readings(("a", 0), ("b", 100)), "got": [1_736_900_001, 1_736_900_040]}
    check = {"deviceSeries": {"device": "d", "time": "at", "received": "got", "maxClockSkew": "30s"}}
    skew = findings(subject(columns), check)[-1]
    assert (skew.passed, skew.value) == (False, 60.0)


PATIENT = '{"resourceType": "Patient", "gender": "female", "birthDate": "1970-01-01"}'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (PATIENT, ""),
        ("{", "not JSON"),
        ("[]", "not a JSON object but list"),
        ("{}", "resourceType is missing"),
        ('{"resourceType": "Nope"}', "resourceType is no type of R4B"),
        ('{"resourceType": "Patient", "birthDate": "Smith"}', "Patient.birthDate: is not valid"),
        ('{"resourceType": "Patient", "surname": "Smith"}', "Patient has an unknown field"),
        ('{"resourceType": "Patient", "name": [{"Smith": 1}]}', "Patient.name[] has an unknown field"),
        ('{"resourceType": "Observation", "status": "final"}', "Observation.code: is missing"),
        ('{"resourceType": "Device"}', "resourceType Device is not one of those allowed"),
    ],
)
def test_resources_of_fhir(text: str, why: str) -> None:
    check = {"fhir": {"column": "line", "resourceTypes": ["Patient", "Observation"]}}
    found = only(subject({"line": [PATIENT, text]}), check)
    assert (found.passed, why in found.detail) == (not why, True), found
    assert "Smith" not in found.detail


#: What the data is not; each fails or leaves undecided with this message.
WRONG: list[tuple[Object, Object, bool | None, str]] = [
    ({"b": [1]}, {"nulls": {"columns": ["a"]}}, False, "the data has no column 'a'; 1 rows"),
    ({"a": [1]}, {"references": {"columns": ["a"], "table": "other"}}, None, "table 'other' has no column 'a'"),
    ({"a": ["x"]}, {"freshness": {"column": "a", "maxAge": "1h"}}, False, "column 'a', row 1: not a time"),
    ({"a": [True]}, {"freshness": {"column": "a", "maxAge": "1h"}}, False, "column 'a' holds no times but bool"),
    ({"a": [None]}, {"freshness": {"column": "a", "maxAge": "1h"}}, None, "no time in 1 rows"),
    ({"line": [1]}, {"fhir": {}}, False, "column 'line' holds int64, not text; read the data with format lines"),
    ({"message": [{"a": 1}]}, {"hl7": {}}, False, "not text; read the data with format hl7"),
    ({"line": [None, ""]}, {"fhir": {}}, None, "no row of 2 has a value to look at"),
    ({"a": [[1]]}, {"range": {"columns": ["a"], "max": 1}}, False, "1 of 1 rows"),
    (
        {"d": ["a"], "at": ["x"]},
        {"deviceSeries": {"device": "d", "time": "at"}},
        False,
        "column 'at', row 1: not a time",
    ),
    ({"d": [None], "at": [1]}, {"deviceSeries": {"device": "d", "time": "at"}}, False, "1 of 1 rows lack either"),
]


@pytest.mark.parametrize(("columns", "check", "passed", "said"), WRONG)
def test_data_that_can_not_be_meant(columns: Object, check: Object, passed: bool | None, said: str) -> None:
    made = report(subject(columns, other={"z": [1]}), check)
    worst = made.checks[0].worst
    assert (worst.passed, said in worst.detail) == (passed, True), worst
    assert made.verdict is (Verdict.FAILED if passed is False else Verdict.INCONCLUSIVE)
