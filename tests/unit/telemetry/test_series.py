"""Answers of Prometheus become tables."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from firedrill.engines.telemetry.series import edges, metrics, slices

START = datetime(2026, 1, 1, tzinfo=UTC)


def series(name: str, values: list[tuple[float, str]], **labels: str) -> dict[str, Any]:
    return {"metric": {"__name__": name, **labels}, "values": [list(each) for each in values]}


def test_each_sample_is_a_row_with_the_labels_that_are_no_column() -> None:
    at = START.timestamp()
    made = metrics(
        [
            series("up", [(at, "1"), (at + 15, "0")], service="ledger", pod="ledger-1"),
            series("latency_bucket", [(at + 0.5, "NaN")], service="gateway", pod="gateway-1", le="+Inf", route="/pay"),
        ]
    )
    rows = made.to_pylist()
    assert [(row["service"], row["pod"], row["metric"]) for row in rows] == [
        ("ledger", "ledger-1", "up"), ("ledger", "ledger-1", "up"), ("gateway", "gateway-1", "latency_bucket"),
    ]  # fmt: skip
    assert [row["time"] for row in rows] == [START + timedelta(seconds=each) for each in (0, 15, 0.5)]
    assert [row["value"] for row in rows[:2]] == [1.0, 0.0]
    assert math.isnan(rows[2]["value"])
    assert [dict(row["labels"]) for row in rows] == [{}, {}, {"le": "+Inf", "route": "/pay"}]


def test_series_without_service_are_rows_too_and_no_series_make_an_empty_table() -> None:
    assert metrics([series("slo:value", [(1.0, "0.9")], slo="a")]).to_pylist()[0]["service"] is None
    assert metrics([]).num_rows == 0


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("flag_value", "ledger"),
        ("flags_set", "flags"),
        ("up", "flags"),
        ("up", "recorder"),
        ("recorder_records_total", "x"),
    ],
)
def test_metrics_that_tell_of_faults_are_dropped(name: str, service: str) -> None:
    assert metrics([series(name, [(1.0, "1")], service=service)]).num_rows == 0


def test_edges_count_requests_and_those_that_failed() -> None:
    def instant(caller: str, callee: str, value: str) -> dict[str, Any]:
        return {"metric": {"service": caller, "peer": callee}, "value": [1.0, value]}

    made = edges(
        [
            instant("gateway", "ledger", "10"),
            instant("a", "b", "0"),
            instant("ledger", "flags", "3"),
            instant("a", "c", "2"),
        ],
        [instant("gateway", "ledger", "4")],
    )
    assert made.to_pylist() == [
        {"caller": "a", "callee": "c", "requests": 2.0, "failed": 0.0},
        {"caller": "gateway", "callee": "ledger", "requests": 10.0, "failed": 4.0},
    ]


@pytest.mark.parametrize("step", [1.0, 7.0, 15.0, 60.0])
@pytest.mark.parametrize("seconds", [1, 59, 600, 601])
def test_slices_hold_every_step_of_the_window_once(step: float, seconds: int) -> None:
    found = slices(START, START + timedelta(seconds=seconds), step, 10)
    steps = [first + at * step for first, last in found for at in range(round((last - first) / step) + 1)]
    assert steps == [START.timestamp() + at * step for at in range(int(seconds / step) + 1)]
    assert all((last - first) / step < 10 for first, last in found)
