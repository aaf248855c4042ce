"""Logs of load runs and the verdicts they get."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firedrill.api.modelvalidation import ValidationLoad, ValidationThresholds
from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.model import ModelReport, Outcome, Readiness, RequestLog, RequestRecord, evaluate
from firedrill.engines.model.labels import Reading, predicted_label, same_label
from firedrill.engines.model.measure import measure


def record(i: int, *, latency: float = 0.01, right: bool = True, warmup: bool = False, **more: Any) -> RequestRecord:
    sent = RequestRecord(
        row=i,
        warmup=warmup,
        intended=i * 0.02,
        due=i * 0.02,
        sent=i * 0.02,
        done=i * 0.02 + latency,
        outcome=Outcome.ANSWERED,
        truth=1,
        predicted=(1 if right else 0,),
        status=200,
    )
    return replace(sent, **more)


def failed(i: int, outcome: Outcome = Outcome.HTTP_ERROR, status: int | None = 500) -> RequestRecord:
    return record(i, outcome=outcome, status=status, predicted=(), error="boom")


def judge(records: list[RequestRecord], log: dict[str, Any] | None = None, **limits: Any) -> ModelReport:
    given = {"readiness": Readiness.READY, "records": tuple(records), "rows": len(records)} | (log or {})
    return evaluate(RequestLog(**given), ValidationThresholds(**limits), ValidationLoad(requests=len(records) or 1))


def measured(report: ModelReport, name: str) -> Measurement:
    return next(item for item in report.measurements if item.name == name)


GOOD = [record(i) for i in range(600)]


def test_all_within_limits_passes_with_every_number() -> None:
    report = judge(GOOD, min_accuracy=0.9, max_p99="50ms")
    assert (report.verdict, report.reason) == (Verdict.PASSED, "WithinLimits")
    for part in ("Accuracy 1", "of 600 rows", "limit >= 0.9", "error rate 0", "p99 10 ms", "limit <= 0.05 s"):
        assert part in report.message
    outcomes = {item.name: (item.passed, item.weight) for item in report.measurements}
    assert outcomes["accuracy"] == outcomes["error_rate"] == outcomes["latency_p99"] == (True, 1)
    assert all(weight == 0 for name, (_, weight) in outcomes.items() if name in ("latency_p50", "macro_f1"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (False, {"truth": "Ann Smith 12", "said": "no"}),
        (True, {"truth": "Aaa Aaaaa 99", "said": "aa"}),
    ],
)
def test_of_wrong_answers_that_are_text_the_form_alone_is_told(text: bool, told: dict[str, str]) -> None:
    wrong = [record(i, truth="Ann Smith 12", predicted=("no",)) for i in range(3)]
    measurement = measure(RequestLog(Readiness.READY, records=tuple(wrong)), 0.01, Reading(text=text))
    assert measurement is not None
    [found] = measurement.confusions
    assert {"truth": found.truth, "said": found.predicted, "count": found.count} == {**told, "count": 3}


@pytest.mark.parametrize(
    ("wrong", "verdict", "reason"),
    [
        (30, Verdict.PASSED, "WithinLimits"),
        (60, Verdict.INCONCLUSIVE, "IntervalStraddlesLimit"),
        (120, Verdict.FAILED, "AccuracyBelowLimit"),
    ],
)
def test_accuracy_is_judged_by_its_whole_interval(wrong: int, verdict: Verdict, reason: str) -> None:
    report = judge([record(i, right=i >= wrong) for i in range(600)], min_accuracy=0.9)
    assert (report.verdict, report.reason) == (verdict, reason)


def test_rows_sent_again_do_not_narrow_the_interval() -> None:
    report = judge([record(i, row=i % 20) for i in range(600)], min_accuracy=0.9)
    assert report.reason == "IntervalStraddlesLimit"
    assert "of 20 rows" in report.message


def test_limits_at_the_ends_can_be_met() -> None:
    assert judge(GOOD, min_accuracy=1, max_error_rate=0).verdict is Verdict.PASSED
    assert judge([*GOOD, record(700, right=False)], min_accuracy=1).reason == "AccuracyBelowLimit"
    assert judge([*GOOD, failed(700)], max_error_rate=0).reason == "ErrorRateAboveLimit"


def test_errors_come_before_accuracy_and_name_the_commonest() -> None:
    report = judge([failed(i) if i % 2 else record(i, right=False) for i in range(600)], min_accuracy=0.9)
    assert report.reason == "ErrorRateAboveLimit"
    assert "status 500: boom" in report.message


def test_one_error_in_600_leaves_a_limit_of_one_percent_open() -> None:
    assert judge([*GOOD[:-1], failed(599)]).verdict is Verdict.PASSED
    assert judge([*GOOD[:300], failed(300)]).reason == "IntervalStraddlesLimit"


def test_latency_counts_from_the_intended_time() -> None:
    late = [record(i, due=i * 0.02 + 1, sent=i * 0.02 + 1, latency=1.01) for i in range(600)]
    report = judge(late, max_p50="100ms")
    assert report.reason == "LatencyAboveLimit"
    assert "600 requests had to wait for load.maxInFlight" in report.message


@pytest.mark.parametrize(("slow", "verdict"), [(0, Verdict.PASSED), (3, Verdict.INCONCLUSIVE), (30, Verdict.FAILED)])
def test_p99_is_judged_by_its_bounds(slow: int, verdict: Verdict) -> None:
    at = set(range(1, 600, 600 // slow)) if slow else set()
    report = judge([record(i, latency=0.5 if i in at else 0.01) for i in range(600)], max_p99="100ms")
    assert report.verdict is verdict
    if slow == 3:
        assert "3 slower than the limit: would pass from 1001 requests" in report.message


@pytest.mark.parametrize("limits", [{"max_p99": "100ms"}, {"max_p50": "1s", "max_error_rate": 0.05}])
def test_what_comes_in_one_burst_is_the_evidence_of_few_requests(limits: dict[str, Any]) -> None:
    """Neighbours in a queue are slow together: 8 of 500 in a row say less than 8 here and there."""
    spread = judge([failed(i) if i % 62 == 1 else record(i) for i in range(500)], **limits)
    burst = judge([failed(i) if i // 8 == 20 else record(i) for i in range(500)], **limits)
    assert burst.verdict is Verdict.INCONCLUSIVE, burst.message
    wide, narrow = (measured(each, "error_rate").detail for each in (burst, spread))
    assert wide != narrow
    if "max_p99" in limits:
        assert "that are slow together, and tell as much as" in burst.message


def test_a_failed_request_is_slower_than_any_limit() -> None:
    report = judge([failed(i) if i % 20 == 1 else record(i) for i in range(600)], max_error_rate=0.5, max_p99="1h")
    assert report.reason == "LatencyAboveLimit"
    assert measured(report, "latency_p99").value is None
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("limits", "needed"), [({"max_p99": "1s"}, 459), ({"max_p95": "1s"}, 90), ({"max_p50": "1s"}, 7)]
)
def test_each_quantile_needs_its_number_of_requests(limits: dict[str, str], needed: int) -> None:
    report = judge(GOOD[: needed - 1], **limits, max_error_rate=None)
    assert (report.verdict, report.reason) == (Verdict.INCONCLUSIVE, "TooFewRequests")
    assert f"{needed - 1} requests are too few" in report.message
    assert judge(GOOD[:needed], **limits, max_error_rate=None).verdict is Verdict.PASSED


def test_a_certain_failure_comes_before_too_few_requests() -> None:
    report = judge([record(i, right=False) for i in range(100)], min_accuracy=0.9, max_p99="1s")
    assert report.reason == "AccuracyBelowLimit"


def test_warmup_is_told_and_not_measured() -> None:
    cold = [record(i, latency=9, right=False, warmup=True) for i in range(50)]
    report = judge([*cold, *GOOD], min_accuracy=0.9, max_p99="50ms")
    assert report.verdict is Verdict.PASSED
    assert report.to_json()["warmup"] == {"requests": 50, "errors": 0, "p50": 9.0, "p99": 9.0}


def test_a_client_that_is_late_can_not_blame_the_server() -> None:
    late = [record(i, sent=i * 0.02 + 0.5, latency=0.9) for i in range(600)]
    report = judge(late, max_p99="100ms")
    assert (report.verdict, report.reason) == (Verdict.INCONCLUSIVE, "ClientSaturated")
    assert measured(report, "latency_p99").passed is None
    slow = [record(i, latency=0.9) for i in range(600)]
    assert judge(slow, {"client_busy": 0.99}, max_p99="100ms").reason == "ClientSaturated"
    assert judge(slow, max_p99="100ms").reason == "LatencyAboveLimit"


def test_a_client_that_is_late_can_acquit_the_server() -> None:
    """Latency counts from the intended time: the client's own lag is in it."""
    late = [record(i, sent=i * 0.02 + 0.5, latency=0.51) for i in range(600)]
    report = judge(late, max_p99="1s")
    assert (report.verdict, report.reason) == (Verdict.PASSED, "WithinLimits")
    assert measured(report, "latency_p99").value == pytest.approx(0.51)


def test_a_load_that_was_not_there_answers_nothing() -> None:
    stretched = [record(i, sent=i * 0.04, latency=0.01) for i in range(600)]
    assert judge(stretched, max_p99="60s").reason == "ClientSaturated"


def test_a_late_client_still_sees_wrong_answers_and_errors_that_the_server_sent() -> None:
    late = [record(i, sent=i * 0.02 + 0.5, latency=0.9, right=False) for i in range(600)]
    assert judge(late, min_accuracy=0.9, max_p99="100ms").reason == "AccuracyBelowLimit"
    errors = [replace(failed(i), sent=i * 0.02 + 0.5) for i in range(600)]
    assert judge(errors, max_p99="100ms").reason == "ErrorRateAboveLimit"
    timeouts = [replace(failed(i, Outcome.TIMEOUT, None), sent=i * 0.02 + 0.5) for i in range(600)]
    assert judge(timeouts, max_p99="100ms").reason == "ClientSaturated"


def test_a_small_lag_does_not_matter_where_latency_is_not_limited() -> None:
    late = [record(i, sent=i * 0.02 + 0.5, latency=0.9) for i in range(600)]
    assert judge(late, min_accuracy=0.9).verdict is Verdict.PASSED


def test_refusing_everything_is_an_error_of_the_run() -> None:
    report = judge([failed(i, status=422) for i in range(600)])
    assert (report.verdict, report.reason) == (Verdict.ERROR, "RequestsRejected")
    throttled = judge([failed(i, status=429) for i in range(600)])
    assert throttled.reason == "ErrorRateAboveLimit"


@pytest.mark.parametrize(
    ("readiness", "verdict"),
    [
        (Readiness.NOT_READY, Verdict.INCONCLUSIVE),
        (Readiness.UNREACHABLE, Verdict.INCONCLUSIVE),
        (Readiness.NOT_FOUND, Verdict.ERROR),
    ],
)
def test_health_comes_first(readiness: Readiness, verdict: Verdict) -> None:
    report = judge([], {"readiness": readiness, "readiness_message": "why"})
    assert (report.verdict, report.reason, report.message) == (verdict, readiness.value, "why")


def test_a_run_that_was_cut_off_does_not_pass() -> None:
    report = evaluate(
        RequestLog(Readiness.READY, records=tuple(GOOD[:500]), rows=600, stopped_early=True),
        ValidationThresholds(),
        ValidationLoad(requests=600),
    )
    assert report.reason == "DeadlineReached"
    assert "500 of 600" in report.message
    nothing = judge([], {"stopped_early": True})
    assert nothing.reason == "TooFewRequests"


def test_without_limits_nothing_passes() -> None:
    assert judge(GOOD, max_error_rate=None).reason == "NoLimits"


def test_rows_with_blanks_are_told() -> None:
    assert "7 rows with blanks were not sent" in judge(GOOD, {"rows_skipped": 7}).message


def test_the_wrong_label_column_gets_a_hint() -> None:
    report = judge([record(i, truth="setosa") for i in range(600)], min_accuracy=0.9)
    assert "is labelColumn right?" in report.message


@pytest.mark.parametrize(
    ("predicted", "truth", "same"),
    [
        (1, 1.0, True),
        (1, "1", True),
        (1.0, "1.0", True),
        (True, 1, True),
        ("true", True, True),
        ("setosa", " setosa ", True),
        (0.10000000149011612, 0.1, True),
        (0, 1, False),
        ("1_0", 10, False),
        ("nan", float("nan"), True),
        (10**400, "x", False),
        (1_000_000, 1_000_001, False),
        ("90210001", "90210002", False),
        ("123456789012", 123456789012.0, True),
        ("123456789012", "123456789999", False),
        (2**53 + 1, str(2**53 + 1), True),
        (2**53 + 1, 2**53, False),
        (1.5, 1.5000002, False),
        (0.99999999, 1, True),
    ],
)
def test_labels_are_the_same_however_they_are_written(predicted: Any, truth: Any, same: bool) -> None:
    assert same_label(predicted, truth) is same


def test_scores_of_classes_mean_the_largest() -> None:
    assert predicted_label((0.1, 0.7, 0.2), Reading()) == 1
    assert predicted_label(("a",), Reading()) == "a"


values = st.one_of(st.integers(-5, 5), st.floats(), st.booleans(), st.text(max_size=5))
records = st.builds(
    RequestRecord,
    row=st.integers(0, 9),
    warmup=st.booleans(),
    intended=st.floats(0, 10),
    due=st.floats(0, 20),
    sent=st.floats(0, 20),
    done=st.floats(0, 30),
    outcome=st.sampled_from(list(Outcome)),
    truth=values,
    predicted=st.lists(values, min_size=1, max_size=3).map(tuple),
    status=st.none() | st.sampled_from([200, 404, 429, 500]),
    error=st.text(max_size=10),
)
limits = st.builds(
    ValidationThresholds,
    min_accuracy=st.none() | st.floats(0, 1),
    max_error_rate=st.none() | st.floats(0, 1),
    max_p50=st.none() | st.sampled_from(["1ms", "1s"]),
    max_p99=st.none() | st.sampled_from(["1ms", "1h"]),
)


@settings(max_examples=200)
@given(st.lists(records, max_size=30), limits, st.booleans())
def test_no_log_is_an_error(sent: list[RequestRecord], thresholds: ValidationThresholds, stopped: bool) -> None:
    log = RequestLog(Readiness.READY, records=tuple(sent), rows=10, stopped_early=stopped)
    report = evaluate(log, thresholds, ValidationLoad())
    json.dumps(report.to_json(), allow_nan=False)
    assert report.message
    if report.verdict is Verdict.PASSED:
        assert all(item.passed for item in report.measurements if item.weight)
