"""Counts of load and the verdicts they get."""

from typing import Any

import numpy as np
import pytest

from firedrill.api.performancebenchmark import BenchmarkThresholds, PerformanceBenchmarkSpec, Ramp
from firedrill.api.verdict import Verdict
from firedrill.engines.benchmark import BenchmarkReport, Phase, PodUsage, Tally, evaluate, next_rate
from firedrill.engines.benchmark.limits import check_phase
from firedrill.engines.benchmark.ramp import Step, knee

OPEN = {"openLoop": {"rate": 100, "duration": "10s"}}


def spec(load: dict[str, Any] | None = None, pods: bool = False, **limits: Any) -> PerformanceBenchmarkSpec:
    body: dict[str, Any] = {
        "clusters": {"names": ["x"]},
        "target": {"http": {"url": "http://a/"}},
        "load": load or OPEN,
        "thresholds": limits,
    }
    if pods:
        body["pods"] = {"namespace": "n", "matchLabels": {"app": "m"}}
    return PerformanceBenchmarkSpec.model_validate(body)


def tally(latency: Any, seconds: float = 10.0, lag: float = 0.0, **more: Any) -> Tally:
    values = np.asarray(latency, float)
    made = Tally(seconds, 0.01, elapsed=seconds, **more)
    times = np.arange(len(values)) * seconds / max(len(values), 1)
    made.add(times, values, np.full(len(values), lag), values)
    for _ in range(int(np.isinf(values).sum())):
        made.failed("http-error", "status 500")
    return made


def judge(latency: Any, load: dict[str, Any] | None = None, more: dict[str, Any] | None = None, **limits: Any) -> Any:
    phases = [Phase(tally(latency, **(more or {})), rate=100.0)]
    return evaluate(spec(load, **limits), phases, None, None)


FAST = np.full(1000, 0.02)


@pytest.mark.parametrize(
    ("latency", "limits", "verdict", "reason"),
    [
        (FAST, {"maxP99": "50ms"}, Verdict.PASSED, "WithinLimits"),
        (FAST, {"maxP99": "10ms"}, Verdict.FAILED, "LatencyAboveLimit"),
        (FAST[:458], {"maxP99": "50ms"}, Verdict.INCONCLUSIVE, "TooFewRequests"),
        (FAST, {"maxP999": "50ms"}, Verdict.INCONCLUSIVE, "TooFewRequests"),
        (np.where(np.arange(1000) % 100 == 0, 1.0, 0.02), {"maxP99": "50ms"}, Verdict.INCONCLUSIVE, "Interval"),
        (np.where(np.arange(1000) % 10 == 0, np.inf, 0.02), {}, Verdict.FAILED, "ErrorRateAboveLimit"),
        (FAST, {"maxErrorRate": 0, "minThroughput": 90}, Verdict.PASSED, "WithinLimits"),
        (FAST, {"minThroughput": 200}, Verdict.FAILED, "ThroughputBelowLimit"),
        (FAST, {"maxErrorRate": None}, Verdict.INCONCLUSIVE, "NoLimits"),
        ([], {}, Verdict.INCONCLUSIVE, "TooFewRequests"),
    ],
)
def test_limits_are_judged_by_their_bounds(latency: Any, limits: Any, verdict: Verdict, reason: str) -> None:
    report = judge(latency, **limits)
    assert report.verdict is verdict, report.message
    assert report.reason.startswith(reason)
    if verdict in (Verdict.PASSED, Verdict.FAILED):
        assert "limit" in report.message
        assert "1000 requests" in report.message or "a second" in report.message


def test_a_limit_on_tokens_is_not_dropped_where_none_came() -> None:
    checks = check_phase(Phase(tally(FAST), rate=100.0), BenchmarkThresholds(max_between_tokens_p95="1s"))
    found = next(check for check in checks if check.measurement.name == "between_tokens_p95")
    assert (found.limited, found.passed) == (True, None)


def test_pods_that_nobody_looked_at_leave_their_limit_open() -> None:
    report = evaluate(spec(pods=True, maxMemoryMiB=200), [Phase(tally(FAST), rate=100.0)], None, None)
    assert report.verdict is Verdict.INCONCLUSIVE


def test_a_late_client_acquits_but_does_not_blame() -> None:
    assert judge(FAST, more={"lag": 0.5}, maxP99="10ms").reason == "ClientSaturated"
    assert judge(FAST, more={"lag": 0.5}, maxP99="50ms").verdict is Verdict.PASSED
    assert judge(FAST, more={"busy": 0.99}, maxP99="10ms").reason == "ClientSaturated"


def test_a_load_cut_off_by_the_deadline_does_not_pass() -> None:
    assert judge(FAST, more={"stopped": True}, maxP99="50ms").reason == "DeadlineReached"


def test_workers_together_know_what_none_knows_alone() -> None:
    parts = [tally(FAST[:250]) for _ in range(4)]
    for part in parts[1:]:
        parts[0].merge(Tally.from_wire(part.to_wire()))
    report = evaluate(spec(maxP99="50ms"), [Phase(parts[0], rate=100.0)], None, None)
    assert report.verdict is Verdict.PASSED
    assert "of 1000 requests" in report.message


def ramped(*steps: tuple[float, float], **limits: Any) -> BenchmarkReport:
    load = {"ramp": {"start": 100, "end": 800, "factor": 2, "step": "10s"}}
    phases = [Phase(tally(np.full(int(10 * rate), latency)), rate=rate) for rate, latency in steps]
    return evaluate(spec(load, maxP99="50ms", **limits), phases, None, None)


def test_the_knee_is_the_highest_rate_below_all_that_broke() -> None:
    report = ramped((100, 0.01), (200, 0.02), (400, 0.2), (300, 0.03), minKnee=250)
    assert report.verdict is Verdict.PASSED
    assert report.measurements[0].value == 300
    assert "up to 300" in report.message
    assert "not at 400" in report.message
    assert ramped((100, 0.01), (200, 0.2), minKnee=250).reason == "KneeBelowLimit"
    assert ramped((100, 0.2), minKnee=100).verdict is Verdict.FAILED


def test_a_rate_holds_where_good_answers_keep_up_with_it() -> None:
    load = {"ramp": {"start": 300, "end": 300, "step": "10s", "refinements": 0}}
    # A hundred a second are served, three hundred asked for: all are answered, most after the end.
    behind = np.arange(3000) / 100 - np.arange(3000) / 300 + 0.01
    report = evaluate(spec(load, minKnee=300), [Phase(tally(behind), rate=300.0)], None, None)
    assert report.reason == "KneeBelowLimit", report.message
    failing = np.full(3000, np.inf)
    report = evaluate(
        spec(load, minKnee=300, maxErrorRate=1, maxP50="9s"), [Phase(tally(failing), rate=300.0)], None, None
    )
    assert report.verdict is Verdict.FAILED, report.message
    report = evaluate(spec(load, minKnee=300), [Phase(tally(np.full(3000, 0.5)), rate=300.0)], None, None)
    assert report.verdict is Verdict.PASSED, report.message


def test_a_ramp_grows_then_halves_the_gap() -> None:
    ramp = Ramp(start=100, end=800, factor=2, refinements=2)
    steps: list[Step] = []
    tried = []
    while (rate := next_rate(ramp, steps)) is not None:
        tried.append(rate)
        steps.append(Step(rate, rate <= 320))
    assert tried == [100, 200, 400, 300, 350]
    assert knee(steps) == 300
    assert next_rate(ramp, [Step(100, None)]) is None


def test_a_soak_that_gets_slower_fails() -> None:
    load = {"soak": {"rate": 100, "duration": "10s"}}
    growing = 0.01 * (1 + np.linspace(0, 1, 3200))
    assert judge(growing, load, maxSoakGrowth=0.2).reason == "SlowerOverTime"
    assert judge(np.full(3200, 0.01), load, maxSoakGrowth=0.2).verdict is Verdict.PASSED


def test_a_soak_that_dies_grows_without_end() -> None:
    load = {"soak": {"rate": 100, "duration": "10s"}}
    dying = np.where(np.arange(3200) < 1300, 0.01, np.inf)
    report = judge(dying, load, maxSoakGrowth=100, maxErrorRate=1)
    assert report.reason == "SlowerOverTime", report.message
    assert "grew by no end" in report.message
    assert judge(np.full(3200, np.inf), load, maxSoakGrowth=1, maxErrorRate=1).verdict is Verdict.INCONCLUSIVE


def test_throughput_of_a_load_cut_short_is_of_the_time_that_it_had() -> None:
    made = Tally(60.0, 0.01, elapsed=30.0, stopped=True)
    latency = np.full(3000, 0.01)
    made.add(np.linspace(0, 29.9, 3000), latency, np.zeros(3000), latency)
    report = evaluate(spec(minThroughput=90), [Phase(made, rate=100.0)], None, None)
    assert report.reason == "DeadlineReached"
    assert "throughput 100 good answers" in report.message


@pytest.mark.parametrize(
    ("usage", "verdict"),
    [
        (PodUsage(2, 5, 100 * 2**20, 0.5), Verdict.PASSED),
        (PodUsage(2, 5, 300 * 2**20, 0.5), Verdict.FAILED),
        (PodUsage(0, 0, None, None, "no pod has these labels"), Verdict.INCONCLUSIVE),
    ],
)
def test_memory_of_serving_pods_counts(usage: PodUsage, verdict: Verdict) -> None:
    report = evaluate(spec(pods=True, maxMemoryMiB=200), [Phase(tally(FAST), rate=100.0)], None, usage)
    assert report.verdict is verdict, report.message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"timeout": "10s"}, "timeout must be at least"),
        ({"workers": 2, "load": {"ramp": {"start": 1, "end": 2}}}, "a ramp needs workers: 1"),
        ({"thresholds": {"minKnee": 5}}, "minKnee needs load.ramp"),
        (
            {"load": {"ramp": {"start": 1, "end": 2}}, "thresholds": {"minKnee": 2, "maxErrorRate": 1}},
            "minKnee needs a limit on latency, or a maxErrorRate below 1",
        ),
        ({"thresholds": {"maxSoakGrowth": 0.1}}, "maxSoakGrowth needs load.soak"),
        ({"thresholds": {"maxMemoryMiB": 5}}, "need pods"),
        ({"thresholds": {"minTokensPerSecond": 5}}, "need target.model.endpoint.chat"),
        ({"load": {}}, "set exactly one of openLoop"),
        ({"load": {"ramp": {"start": 5, "end": 2}}}, "end must not be below start"),
        ({"target": {}}, "set exactly one of http, model"),
        ({"target": {"http": {"url": "http://a/", "headers": {"X": "a\r\nHost: evil"}}}}, "headers"),
    ],
)
def test_what_does_not_agree_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as error:
        PerformanceBenchmarkSpec.model_validate(spec().to_wire() | change)
    assert said in str(error.value)
