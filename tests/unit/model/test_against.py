"""A model beside its baseline: shadowed and split loads, what is judged of them, and what is refused."""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.baseline import Baseline
from firedrill.api.modelvalidation import (
    Answers,
    ModelTask,
    ModelValidationSpec,
    ValidationLoad,
    ValidationThresholds,
)
from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.model import (
    Asked,
    ModelReport,
    Outcome,
    Readiness,
    RequestLog,
    RequestRecord,
    evaluate,
    plan,
    plans,
)
from firedrill.engines.model.quality.twosample import difference_of_means, difference_of_medians, median_of_differences
from firedrill.engines.model.schedule import to_measure

ENDPOINT = {"openInference": {"url": "http://a", "model": "m"}}
RNG = np.random.default_rng(23)
SIZE = 1000


def log(said: Any, taken: Any = 0.01, truth: Any = 1, busy: float = 0.0) -> RequestLog:
    """Requests a hundredth of a second apart; an answer of None is a request that failed."""
    times = np.broadcast_to(np.asarray(taken, float), (len(said),)).tolist()
    truths = np.broadcast_to(np.asarray(truth), (len(said),)).tolist()
    records = tuple(
        RequestRecord(
            row=i,
            warmup=False,
            intended=i * 0.01,
            due=i * 0.01,
            sent=i * 0.01,
            done=i * 0.01 + took,
            outcome=Outcome.HTTP_ERROR if answer is None else Outcome.ANSWERED,
            truth=right,
            predicted=() if answer is None else tuple(answer) if isinstance(answer, tuple) else (answer,),
            status=500 if answer is None else 200,
            error="boom" if answer is None else "",
        )
        for i, (answer, took, right) in enumerate(zip(said, times, truths, strict=True))
    )
    return RequestLog(Readiness.READY, records=records, rows=len(records), client_busy=busy)


def judge(model: RequestLog, other: RequestLog, labelled: bool = False, **baseline: Any) -> ModelReport:
    task = baseline.pop("task", ModelTask.CLASSIFICATION)
    answers = baseline.pop("answers", Answers())
    wanted = Baseline.model_validate({"endpoint": ENDPOINT} | baseline)
    asked = Asked(task=task, answers=answers, baseline=wanted, baseline_log=other, labelled=labelled)
    limits = ValidationThresholds(max_error_rate=None)
    return evaluate(model, limits, ValidationLoad(requests=len(model.records)), asked)


def value(report: ModelReport, name: str) -> Measurement:
    return next(item for item in report.measurements if item.name == name)


def labels(share: float, size: int = SIZE) -> list[int]:
    """1 for the first rows, up to a share of them, and 0 for the rest."""
    return [int(i < share * size) for i in range(size)]


def failing(share: float, size: int = SIZE) -> list[int | None]:
    return [None if i < share * size else 1 for i in range(size)]


@pytest.mark.parametrize(
    ("ours", "limit", "verdict", "reason"),
    [
        (0.5, 0.9, Verdict.PASSED, "WithinLimits"),
        (0.53, 0.9, Verdict.PASSED, "WithinLimits"),
        (0.7, 0.9, Verdict.FAILED, "ModelsDisagree"),
        (0.6, 0.9, Verdict.INCONCLUSIVE, "IntervalStraddlesLimit"),
        (0.5, 1, Verdict.PASSED, "WithinLimits"),
        (0.501, 1, Verdict.FAILED, "ModelsDisagree"),
    ],
)
def test_a_shadow_has_to_agree_without_any_label(ours: float, limit: float, verdict: Verdict, reason: str) -> None:
    report = judge(log(labels(ours)), log(labels(0.5)), mode="Shadow", minAgreement=limit)
    assert (report.verdict, report.reason) == (verdict, reason), report.message
    names = {item.name for item in report.measurements}
    assert {"agreement", "error_increase", "slowdown"} <= names
    assert not {"accuracy", "macro_f1", "gain_over_baseline"} & names
    if ours > 0.51:
        [first] = report.details["baseline"]["disagreements"]
        assert first == {"model": "1", "baseline": "0", "rows": round((ours - 0.5) * SIZE)}


def test_answers_are_alike_by_what_they_mean_and_texts_but_for_space_and_case() -> None:
    report = judge(log([1, "1", True, 1.0] * 100), log(["1", 1.0, 1, "true"] * 100), mode="Shadow", minAgreement=1)
    assert report.verdict is Verdict.PASSED, report.message
    texts = log(["The  answer", "no"] * 200), log(["the answer", "no, never"] * 200)
    contains = Answers.model_validate({"match": "Contains"})
    report = judge(*texts, mode="Shadow", minAgreement=0.9, task=ModelTask.TEXT, answers=contains)
    assert value(report, "agreement").value == 0.5


@pytest.mark.parametrize(("apart", "verdict"), [(0.0, Verdict.PASSED), (0.05, Verdict.PASSED), (0.2, Verdict.FAILED)])
def test_scores_are_compared_row_by_row(apart: float, verdict: Verdict) -> None:
    sure = RNG.uniform(0.3, 0.6, SIZE)
    sides = [log([(1 - p, p) for p in scores.tolist()]) for scores in (sure, sure + apart)]
    report = judge(*sides, mode="Shadow", maxScoreDifference=0.1)
    assert report.verdict is verdict, report.message
    assert value(report, "score_difference").value == pytest.approx(apart, abs=1e-9)
    assert verdict is Verdict.PASSED or report.reason == "ScoresApart"


def test_labels_alone_are_no_scores() -> None:
    report = judge(log(labels(0.5)), log(labels(0.5)), mode="Shadow", maxScoreDifference=0.1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "answers hold no scores of both" in report.message


@pytest.mark.parametrize("mode", ["Shadow", "Split"])
@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        (0.0, 0.0, Verdict.PASSED),
        (0.1, 0.1, Verdict.PASSED),
        (0.0, 0.3, Verdict.PASSED),
        (0.2, 0.05, Verdict.FAILED),
        (0.1, 0.05, Verdict.INCONCLUSIVE),
    ],
)
def test_more_errors_than_the_baseline_are_seen(mode: str, ours: float, theirs: float, verdict: Verdict) -> None:
    report = judge(log(failing(ours)), log(failing(theirs)), mode=mode, maxErrorIncrease=0.05)
    assert report.verdict is verdict, report.message
    assert value(report, "error_increase").value == pytest.approx(ours - theirs, abs=1e-9)
    assert verdict is not Verdict.FAILED or report.reason == "MoreErrorsThanBaseline"


@pytest.mark.parametrize("mode", ["Shadow", "Split"])
@pytest.mark.parametrize(
    ("slower", "verdict"),
    [(0.0, Verdict.PASSED), (-0.05, Verdict.PASSED), (0.05, Verdict.FAILED), (0.0101, Verdict.INCONCLUSIVE)],
)
def test_slower_than_the_baseline_is_seen(mode: str, slower: float, verdict: Verdict) -> None:
    noise = RNG.exponential(0.02, (3, SIZE)) + 0.06
    model, other = log([1] * SIZE, noise[0] + slower), log([1] * SIZE, noise[1])
    report = judge(model, other, mode=mode, maxSlowdown="10ms")
    assert report.verdict is verdict, report.message
    assert value(report, "slowdown").value == pytest.approx(slower, abs=0.003)
    assert verdict is not Verdict.FAILED or report.reason == "SlowerThanBaseline"
    loads = report.details["baseline"]["loads"]
    assert set(loads) == {"model", "baseline"}
    assert set(loads["model"]["latency"]) == {"p50", "p95", "p99"}


def test_one_load_tells_small_differences_that_two_samples_do_not() -> None:
    common = RNG.exponential(0.05, SIZE)
    sides = log([1] * SIZE, common + 0.03), log([1] * SIZE, common + 0.02)
    assert judge(*sides, mode="Shadow", maxSlowdown="9ms").verdict is Verdict.FAILED
    assert judge(*sides, mode="Split", maxSlowdown="9ms").verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("mode", ["Shadow", "Split"])
def test_a_late_client_decides_nothing_of_speed_and_errors(mode: str) -> None:
    slow, quick = log([1] * SIZE, 0.5, busy=0.99), log([1] * SIZE, 0.01)
    report = judge(slow, quick, mode=mode, maxSlowdown="10ms", maxErrorIncrease=0.05)
    assert (report.verdict, report.reason) == (Verdict.INCONCLUSIVE, "ClientSaturated")
    assert value(report, "slowdown").passed is None
    assert value(report, "error_increase").passed is None
    report = judge(quick, replace(slow, records=quick.records), mode=mode, maxSlowdown="10ms")
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "fell behind its schedule" in report.message


def test_a_shadow_that_is_not_there_leaves_all_of_it_open() -> None:
    gone = RequestLog(Readiness.UNREACHABLE, "refused")
    limits = {"minAgreement": 0.9, "maxErrorIncrease": 0.01, "maxSlowdown": "1s"}
    report = judge(log(labels(1)), gone, mode="Shadow", **limits)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.message.count("the baseline could not be asked: refused") == 3
    assert "model" in report.details["baseline"]["loads"]


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [(0.95, 0.95, Verdict.PASSED), (0.8, 0.95, Verdict.FAILED), (0.9, 0.95, Verdict.INCONCLUSIVE)],
)
def test_two_parts_of_a_load_are_held_against_each_other(ours: float, theirs: float, verdict: Verdict) -> None:
    model, other = log(labels(ours)), log(labels(theirs))
    report = judge(model, other, labelled=True, mode="Split", maxLoss=0.05)
    assert report.verdict is verdict, report.message
    assert "Newcombe" in value(report, "gain_over_baseline").detail
    assert verdict is not Verdict.FAILED or report.reason == "WorseThanBaseline"


@pytest.mark.parametrize(("worse", "verdict"), [(0.0, Verdict.PASSED), (0.6, Verdict.FAILED)])
def test_errors_of_two_parts_are_compared_by_their_means(worse: float, verdict: Verdict) -> None:
    noise = RNG.normal(size=(2, SIZE))
    model, other = (log(side.tolist(), truth=0.0) for side in (noise[0] * (1 + worse), noise[1]))
    report = judge(model, other, labelled=True, mode="Split", maxLoss=0.2, task=ModelTask.REGRESSION)
    assert report.verdict is verdict, report.message
    assert "Welch" in value(report, "gain_over_baseline").detail


@pytest.mark.parametrize("mode", ["Shadow", "Split"])
def test_a_few_requests_pass_nothing(mode: str) -> None:
    few = log([1] * 5)
    report = judge(few, few, mode=mode, maxSlowdown="1ms", maxErrorIncrease=0.1)
    assert report.verdict is Verdict.INCONCLUSIVE, report.message


@pytest.mark.parametrize("cut", [0, 1, 400])
def test_a_load_that_was_cut_short_is_paired_as_far_as_it_goes(cut: int) -> None:
    whole = log(labels(0.5))
    short = replace(whole, records=whole.records[:cut], stopped_early=True)
    report = judge(whole, short, mode="Shadow", minAgreement=0.5, maxSlowdown="1s")
    agreement = value(report, "agreement")
    assert agreement.passed is (True if cut == 400 else None)


def _covered(interval: Any, truth: float) -> bool:
    return interval is not None and interval.low <= truth <= interval.high


def test_intervals_hold_in_95_of_100() -> None:
    runs, n = 400, 60
    held = np.zeros(3)
    for _ in range(runs):
        first, second = RNG.lognormal(0, 1, n), RNG.lognormal(0.3, 1, n)
        held[0] += _covered(median_of_differences(list(zip(np.log(first), np.log(second), strict=True))), -0.3)
        apart = difference_of_medians(sorted(first.tolist()), sorted(second.tolist()))
        held[1] += _covered(apart, 1 - math.exp(0.3))
        held[2] += _covered(difference_of_means(np.log(first), np.log(second)), -0.3)
    # 0.95 less four standard errors.
    assert (held / runs > 0.906).all(), held / runs


latencies = st.lists(st.one_of(st.floats(0, 100), st.just(math.inf)), min_size=1, max_size=40)


@given(latencies, latencies)
def test_differences_of_medians_are_in_order_and_turn_with_the_sides(first: list[float], second: list[float]) -> None:
    one, other = (difference_of_medians(sorted(a), sorted(b)) for a, b in ((first, second), (second, first)))
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.low <= one.value <= one.high
        assert (one.low, one.value, one.high) == (-other.high, -other.value, -other.low)


@given(st.integers(1, 50), st.integers(1, 300), st.integers(0, 50), st.floats(0.01, 0.99), st.integers(0, 99))
def test_a_split_load_is_the_whole_load(rows: int, requests: int, warmup: int, share: float, seed: int) -> None:
    load = ValidationLoad(requests=requests, warmup=warmup, seed=seed)
    split = Baseline(endpoint=ENDPOINT, mode="Split", share=share, max_slowdown=timedelta(seconds=1))
    ours, theirs = plans(rows, load, split)
    assert tuple(sorted((*ours, *theirs), key=lambda item: item.at)) == plan(rows, load)
    assert plans(rows, load, split) == (ours, theirs)
    assert to_measure(load, split) == sum(not item.warmup for item in ours)
    shadow = Baseline(endpoint=ENDPOINT, mode="Shadow", min_agreement=0.9)
    assert plans(rows, load, shadow) == (plan(rows, load), plan(rows, load))


@pytest.mark.parametrize(("share", "expected"), [(None, 0.5), (0.1, 0.1), (0.9, 0.9)])
def test_a_split_load_has_the_share_that_was_asked_for(share: float | None, expected: float) -> None:
    wanted = Baseline(endpoint=ENDPOINT, mode="Split", share=share, max_slowdown=timedelta(seconds=1))
    ours, theirs = plans(100, ValidationLoad(requests=10_000), wanted)
    assert len(ours) / (len(ours) + len(theirs)) == pytest.approx(expected, abs=0.02)


def spec(labelled: bool = True, **change: Any) -> ModelValidationSpec:
    dataset = {"source": {"inline": {"csv": "a,y\n1,1\n"}}} | ({"labelColumn": "y"} if labelled else {})
    body = {"clusters": {"names": ["x"]}, "endpoint": ENDPOINT, "dataset": dataset}
    if "baseline" in change:
        change["baseline"] = {"endpoint": ENDPOINT} | change["baseline"]
    return ModelValidationSpec.model_validate(body | change)


SHADOW = {"mode": "Shadow", "minAgreement": 0.9}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"baseline": {"mode": "Split", "minAgreement": 0.9}}, "minAgreement needs mode: After or Shadow"),
        ({"baseline": {"mode": "Split", "maxScoreDifference": 0.1}}, "maxScoreDifference needs mode: After or Shadow"),
        ({"baseline": {"maxSlowdown": "5ms"}}, "maxSlowdown needs mode: Shadow or Split"),
        ({"baseline": {"maxErrorIncrease": 0.1}}, "maxErrorIncrease needs mode: Shadow or Split"),
        ({"baseline": SHADOW | {"share": 0.1}}, "share needs mode: Split"),
        ({"baseline": {"mode": "Shadow"}}, "mode: Shadow judges nothing by itself; set minAgreement"),
        ({"baseline": {"mode": "Split"}}, "mode: Split judges nothing by itself; set maxErrorIncrease"),
        ({"baseline": {"mode": "Canary"}}, "baseline.mode"),
        ({"baseline": {"mode": "Split", "maxLoss": 0.1, "share": 1}}, "baseline.share"),
        ({"task": "Regression", "baseline": SHADOW}, "baseline.minAgreement does not fit task: Regression"),
        (
            {"task": "Text", "baseline": {"maxScoreDifference": 0.1}},
            "baseline.maxScoreDifference does not fit task: Text",
        ),
        ({"labelled": False}, "dataset.labelColumn is missing"),
        ({"labelled": False, "baseline": {"minAgreement": 0.9}}, "dataset.labelColumn is missing"),
        (
            {"labelled": False, "baseline": SHADOW, "thresholds": {"minAccuracy": 0.9}},
            "thresholds.minAccuracy needs dataset.labelColumn",
        ),
        (
            {"labelled": False, "baseline": SHADOW, "thresholds": {"minAuc": 0.9}},
            "thresholds.minAuc needs dataset.labelColumn",
        ),
        ({"labelled": False, "baseline": SHADOW, "slices": {"columns": ["g"]}}, "slices needs dataset.labelColumn"),
        ({"labelled": False, "baseline": SHADOW | {"maxLoss": 0}}, "baseline.maxLoss needs dataset.labelColumn"),
    ],
)
def test_what_a_mode_can_not_measure_is_refused_by_the_name_of_its_field(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as error:
        spec(**change)
    assert said in str(error.value)


def test_both_at_once_take_the_time_of_one_load() -> None:
    load = {"requests": 500, "warmup": 0, "rate": 1}
    assert spec(load=load, timeout="12m", baseline=SHADOW).timeout == timedelta(minutes=12)
    with pytest.raises(ValueError, match="baseline of mode After the load twice"):
        spec(load=load, timeout="12m", baseline={"maxLoss": 0.1})
