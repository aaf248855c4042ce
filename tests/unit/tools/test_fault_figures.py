"""What was measured of faults is kept, each figure in place of the one before, and becomes one table of all faults."""

import json
from pathlib import Path

import pytest
from fault_cases import API, MANY, REAL, UNTIMED
from fault_figures import KEPT, Conditions, Figure, keep, load, spread
from fault_table import render
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from firedrill.api.faults.union import FAULTS, Fault

ALL = {to_camel(name) for name in FAULTS}


def figure(
    fault: str = "podKill", pods: int = 1, *, times: tuple[float, ...] = (0.25, 0.5), problem: str = ""
) -> Figure:
    return Figure(
        fault=fault,
        pods=pods,
        real=fault in REAL,
        repetitions=1,
        changes=len(times),
        inject=spread(times),
        undo=spread(times),
        record_kib=1,
        problem=problem,
        conditions=Conditions(day="2026-07-01", processors=2, nice=19, load=3.0),
    )


@pytest.mark.parametrize("fault", sorted(ALL))
def test_every_fault_is_timed_one_way_or_it_is_said_why_not(fault: str) -> None:
    assert [fault in each for each in (API, REAL, UNTIMED)].count(True) == 1
    if fault not in UNTIMED:
        assert Fault.model_validate({fault: {**API, **REAL}[fault]}).name == fault


def test_no_case_is_of_a_fault_that_there_is_not() -> None:
    assert {*API, *REAL, *UNTIMED} == ALL
    assert set(MANY) < set(API)


def test_what_is_kept_takes_the_place_of_what_was_kept_of_the_same(tmp_path: Path) -> None:
    path = tmp_path / "figures" / "faults.json"
    assert load(path) == []
    keep([figure(pods=10), figure("scale")], path)
    keep([figure(pods=1), figure("scale", times=(9.0,))], path)
    assert [each.key for each in load(path)] == [("podKill", 1), ("podKill", 10), ("scale", 1)]
    (scale,) = (each for each in load(path) if each.fault == "scale")
    assert scale.inject == spread([9.0])


@pytest.mark.parametrize("text", ["", "[]", '{"figures": [{"fault": "scale"}]}', '{"figures": [], "more": 1}'])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="Figures"):
        load(path)


@pytest.mark.parametrize(
    ("times", "p50", "p99", "last"),
    [
        ([], None, None, None),
        ([2.0], 2.0, 2.0, 2.0),
        ([1.0, 3.0], 2.0, 2.98, 3.0),
        ([float(n) for n in range(101)], 50.0, 99.0, 100.0),
    ],
)
def test_median_and_99th_percentile(
    times: list[float], p50: float | None, p99: float | None, last: float | None
) -> None:
    found = spread(times)
    assert (found and (found.p50, found.p99, found.last, found.count)) == (p50 and (p50, p99, last, len(times)))


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=200))
def test_a_spread_is_in_order_and_within_its_times(times: list[float]) -> None:
    found = spread(times)
    assert found is not None
    low, high = round(min(times), 3), round(max(times), 3)
    assert low - 1e-3 <= found.p50 <= found.p99 + 1e-3 <= found.last + 2e-3
    assert found.last == high


def test_the_table_has_a_row_for_each_fault_and_a_column_for_each_number_of_pods() -> None:
    text = render([figure(), figure(pods=1000, problem="the record is Undoing")])
    rows = [line for line in text.splitlines() if line.startswith("| **")]
    assert [row.split("**")[1] for row in rows] == [to_camel(name) for name in FAULTS]
    assert "| 1 pod | 1,000 pods |" in text
    assert {row.count(" | ") for row in rows} == {5}
    kill = rows[0]
    assert "in 0.38 / 0.50<br>out 0.38 / 0.50<br>n 2 |" in kill
    assert "(see below)" in kill
    assert "- podKill on 1,000 pods: the record is Undoing" in text


def test_the_table_tells_how_each_is_undone_and_proven_in_the_words_of_the_reference() -> None:
    text = render([])
    for fault in FAULTS.values():
        assert fault.about.undone in text
        assert fault.about.proven in text
        assert fault.about.needs in text


def test_the_table_tells_under_which_conditions_and_what_is_left_out() -> None:
    text = render([figure(), figure("packetLoss", 10)])
    assert "- 1 pod, API alone: on 2026-07-01, 2 processors, a load of 3 to 3, a niceness of 19" in text
    assert "- 10 pods, in pods that run: on 2026-07-01" in text
    for name in UNTIMED:
        assert name in text


def test_what_is_in_the_repository_can_be_read_and_is_of_faults_that_there_are() -> None:
    assert KEPT.exists()
    for each in load():
        assert each.fault in (REAL if each.real else API)
        assert json.loads(each.model_dump_json())["conditions"]["processors"] > 0
