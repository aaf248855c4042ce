"""A run against the last ones: status keeps their figures, the task brings them, the engine compares."""

import numpy as np
import pytest

from firedrill.api.kinds import PERFORMANCE_BENCHMARK
from firedrill.api.run import ClusterResult, Figure, HistoryEntry, Regression, RunRef, RunStatus
from firedrill.api.verdict import Measurement, Verdict
from firedrill.clusters.jobs import past_figures
from firedrill.core.summary import finish
from firedrill.engines.common.regression import compared
from support.seen import T0, after, resource

BEFORE = [0.100, 0.104, 0.098, 0.101, 0.097, 0.103]


def figures(values: list[float], better: str = "Lower") -> list[list[Figure]]:
    return [[Figure(cluster="finance", name="latency_p99", value=value, better=better)] for value in values]


def now(value: float, limit: str = "<= 1") -> list[Measurement]:
    return [Measurement(name="latency_p99", value=value, unit="s", limit=limit, passed=True)]


@pytest.mark.parametrize(
    ("value", "limit", "verdict", "reason"),
    [
        (0.101, "<= 1", Verdict.PASSED, "WithinLimits"),
        (0.109, "<= 1", Verdict.PASSED, "WithinLimits"),
        (0.2, "<= 1", Verdict.FAILED, "Regressed"),
        (0.01, "<= 1", Verdict.PASSED, "WithinLimits"),
        (0.01, ">= 0", Verdict.FAILED, "Regressed"),
        (0.2, ">= 0", Verdict.PASSED, "WithinLimits"),
    ],
)
def test_only_what_is_worse_than_expected_fails(value: float, limit: str, verdict: Verdict, reason: str) -> None:
    told = compared(Verdict.PASSED, "WithinLimits", "m", now(value, limit), figures(BEFORE), Regression())
    assert (told.verdict, told.reason) == (verdict, reason), told.message
    assert told.measurements[-1].name == "regression_latency_p99"
    assert told.past["latency_p99"] == [*reversed(BEFORE), value]
    if verdict is Verdict.FAILED:
        assert "mean of the 6 runs before" in told.message


def test_few_runs_decide_nothing_and_a_failure_stays_what_it_is() -> None:
    few = compared(Verdict.PASSED, "WithinLimits", "m", now(9), figures(BEFORE[:3]), Regression())
    assert (few.verdict, few.measurements[-1].passed) == (Verdict.PASSED, None)
    failed = compared(Verdict.FAILED, "LatencyAboveLimit", "m", now(9), figures(BEFORE), Regression())
    assert failed.reason == "LatencyAboveLimit"
    assert compared(Verdict.PASSED, "W", "m", now(9), figures(BEFORE), None).measurements == tuple(now(9))


@pytest.mark.parametrize(("errors", "verdict"), [(1, Verdict.PASSED), (3, Verdict.PASSED), (20, Verdict.FAILED)])
def test_the_first_error_after_runs_without_one_is_no_regression(errors: int, verdict: Verdict) -> None:
    seen = Measurement(name="error_rate", value=errors / 500, unit="ratio", limit="<= 0.1", passed=True)
    past = [[Figure(cluster="finance", name="error_rate", value=0.0, better="Lower")] for _ in range(6)]
    told = compared(Verdict.PASSED, "WithinLimits", "m", [seen], past, Regression(), {"error_rate": 500})
    assert told.verdict is verdict, told.message


def test_alike_runs_rarely_alarm() -> None:
    generator = np.random.default_rng(2)
    alarms = 0
    for _ in range(300):
        values = generator.normal(1, 0.3, 11).tolist()
        told = compared(Verdict.PASSED, "W", "m", now(values[0]), figures(values[1:]), Regression(min_change=0))
        alarms += told.verdict is Verdict.FAILED
    # 1 % of 300; at most 9 with 99.9 %.
    assert alarms <= 9


def test_status_keeps_the_figures_and_the_next_task_brings_them() -> None:
    run = RunRef(id="run-1", trigger="Spec", started_at=T0)
    measured = [
        *now(0.2),
        Measurement(name="regression_latency_p99", value=0.2, limit="<= 1", passed=True),
        Measurement(name="latency_p50", value=0.1),
    ]
    cluster = ClusterResult(name="finance", verdict=Verdict.PASSED, measurements=measured)
    older = [HistoryEntry(id=f"o{i}", verdict=Verdict.PASSED, started_at=T0, finished_at=T0) for i in range(3)]
    made = resource(PERFORMANCE_BENCHMARK, RunStatus(history=older, last_run=run), regression={}, timeout="2m")
    status = finish(made, [cluster], run, "", after(30))
    assert [(item.name, item.value, item.better) for item in status.history[0].figures] == [
        ("latency_p99", 0.2, "Lower")
    ]
    again = resource(PERFORMANCE_BENCHMARK, status, regression={}, timeout="2m")
    assert past_figures(again, "finance") == [status.history[0].figures]
    assert past_figures(again, "iot") == []
    assert past_figures(resource(PERFORMANCE_BENCHMARK, status, timeout="2m"), "finance") == []
