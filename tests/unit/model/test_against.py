"""A model beside its baseline: shadowed and split loads, what is judged of them, and what is refused."""

import json
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
from firedrill.engines.model.quality.samerows import bounded_mean
from firedrill.engines.model.quality.twosample import difference_of_means, difference_of_medians, median_of_differences
from firedrill.engines.model.schedule import to_measure

ENDPOINT = {"openInference": {"url": "http://a", "model": "m"}}
RNG = np.random.default_rng(23)
SIZE = 1000


def log(said: Any, taken: Any = 0.01, truth: Any = 1, busy: float = 0.0, rows: int | None = None) -> RequestLog:
    """Requests a hundredth of a second apart, of as many rows; an answer of None is a request that failed."""
    times = np.broadcast_to(np.asarray(taken, float), (len(said),)).tolist()
    truths = np.broadcast_to(np.asarray(truth), (len(said),)).tolist()
    records = tuple(
        RequestRecord(
            row=i % (rows or len(said)),
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
    """A share of requests fail, here and there; those of a smaller share are among those of a larger."""
    return [None if place < share * size else 1 for place in np.random.default_rng(5).permutation(size)]


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


@pytest.mark.parametrize(("cut", "passed"), [(0, None), (1, None), (400, None), (900, True)])
@pytest.mark.parametrize("mode", ["Shadow", "Split"])
def test_a_baseline_that_was_cut_short_lets_nothing_pass(cut: int, passed: bool | None, mode: str) -> None:
    whole = log(labels(0.5))
    short = replace(whole, records=whole.records[:cut], stopped_early=True)
    limits = {"minAgreement": 0.5} if mode == "Shadow" else {}
    report = judge(whole, short, mode=mode, maxSlowdown="1s", maxErrorIncrease=0.5, **limits)
    assert (report.verdict, report.reason) == (Verdict.INCONCLUSIVE, "DeadlineReached"), report.message
    assert f"after {cut} measured requests to the baseline" in report.message
    # What both have answered is compared all the same; the rest may be alike or not.
    assert mode == "Split" or value(report, "agreement").passed is passed


BROKEN = [None] * SIZE
LIMITS = {"maxSlowdown": "10ms", "maxErrorIncrease": 0.005}


@pytest.mark.parametrize("mode", ["Shadow", "Split"])
def test_a_baseline_that_answers_nothing_acquits_no_model(mode: str) -> None:
    report = judge(log([1] * SIZE), log(BROKEN), mode=mode, **LIMITS)
    assert (report.verdict, report.reason) == (Verdict.INCONCLUSIVE, "IntervalStraddlesLimit"), report.message
    assert report.message.count(f"the baseline answered none of {SIZE} requests, most often status 500") == 2
    [group] = report.details["baseline"]["loads"]["baseline"]["errors"]
    assert (group["status"], group["count"], group["example"]) == (500, SIZE, "boom")


@pytest.mark.parametrize("mode", ["Shadow", "Split"])
@pytest.mark.parametrize(
    ("ours", "taken", "theirs", "verdict"),
    [
        ([1] * SIZE, 2.0, failing(0.6), Verdict.FAILED),
        ([1] * SIZE, 0.01, failing(0.6), Verdict.PASSED),
        (failing(0.7), 0.01, [1] * SIZE, Verdict.FAILED),
        (BROKEN, 0.01, failing(0.6), Verdict.FAILED),
        ([1] * SIZE, 2.0, failing(0.995), Verdict.INCONCLUSIVE),
        (BROKEN, 0.01, failing(0.995), Verdict.INCONCLUSIVE),
    ],
)
def test_what_the_baseline_failed_says_nothing_of_speed(
    mode: str, ours: list[int | None], taken: float, theirs: list[int | None], verdict: Verdict
) -> None:
    report = judge(log(ours, taken), log(theirs), mode=mode, maxSlowdown="10ms")
    if verdict is Verdict.INCONCLUSIVE:
        assert "are too few" in value(report, "slowdown").detail
    assert report.verdict is verdict, report.message
    assert "-inf" not in report.message


@pytest.mark.parametrize(
    ("task", "answers"), [(ModelTask.CLASSIFICATION, Answers(threshold=0.5)), (ModelTask.REGRESSION, Answers())]
)
@pytest.mark.parametrize(
    ("same", "apart", "limit", "verdict"),
    [
        (30, 0, 0.05, Verdict.INCONCLUSIVE),
        (300, 0, 0.05, Verdict.PASSED),
        (99, 1, 0.03, Verdict.INCONCLUSIVE),
        (30, 0, 0, Verdict.PASSED),
        (200, 100, 0.1, Verdict.FAILED),
    ],
)
def test_scores_that_are_mostly_equal_have_room_for_those_that_are_not(
    task: ModelTask, answers: Answers, same: int, apart: int, limit: float, verdict: Verdict
) -> None:
    scores = [0.05 if i % 2 else 0.95 for i in range(same + apart)]
    others = [score if i < same else 1 - score for i, score in enumerate(scores)]
    report = judge(log(scores), log(others), mode="Shadow", maxScoreDifference=limit, task=task, answers=answers)
    assert report.verdict is verdict, report.message


def test_numbers_that_never_vary_limit_nothing_that_was_not_seen() -> None:
    same = log([0.5] * SIZE)
    report = judge(same, same, mode="Shadow", maxScoreDifference=1.0, task=ModelTask.REGRESSION)
    assert report.verdict is Verdict.INCONCLUSIVE, report.message


@pytest.mark.parametrize("size", [30, 100])
@pytest.mark.parametrize("rate", [0.01, 0.03, 0.1])
def test_a_mean_of_rare_differences_is_seldom_missed(size: int, rate: float) -> None:
    draws = np.where(np.random.default_rng(4).random((200, size)) < rate, 0.9, 0.0)
    held = [_covered(bounded_mean(draw.tolist(), 1.0), 0.9 * rate) for draw in draws]
    # 0.95 less four standard errors; Student's interval held in 0.27 to 0.96.
    assert np.mean(held) > 0.89


@given(st.lists(st.floats(0, 3), min_size=1, max_size=40), st.floats(0, 10))
def test_a_bounded_mean_is_within_its_interval(values: list[float], reach: float) -> None:
    found = bounded_mean(values, max(reach, *values, 0.0))
    assert found.low <= found.value * (1 + 1e-9) + 1e-9
    assert found.value <= found.high * (1 + 1e-9) + 1e-9


def repeated(rows: int, fails: int, times: int) -> RequestLog:
    return log([None if i % rows < fails else 1 for i in range(rows * times)], rows=rows)


@pytest.mark.parametrize("mode", ["Shadow", "Split"])
@pytest.mark.parametrize(
    ("rows", "times", "verdict"),
    [(20, 50, Verdict.INCONCLUSIVE), (1000, 1, Verdict.PASSED), (500, 2, Verdict.PASSED)],
)
def test_a_row_that_is_sent_again_is_no_more_evidence_of_errors(
    mode: str, rows: int, times: int, verdict: Verdict
) -> None:
    model, other = repeated(rows, 0, times), repeated(rows, 0, times)
    report = judge(model, other, mode=mode, maxErrorIncrease=0.02)
    assert report.verdict is verdict, report.message
    assert f" {rows} rows" in value(report, "error_increase").detail


@pytest.mark.parametrize("mode", ["Shadow", "Split"])
def test_a_row_that_is_sent_again_is_no_more_evidence_of_speed(mode: str) -> None:
    taken = np.tile([0.02] * 11 + [0.005] * 9, 50)
    model, other = log([1] * SIZE, taken, rows=20), log([1] * SIZE, 0.01, rows=20)
    report = judge(model, other, mode=mode, maxSlowdown="5ms")
    assert report.verdict is Verdict.INCONCLUSIVE, report.message
    assert "20 rows" in value(report, "slowdown").detail


def test_errors_of_rows_that_are_sent_again_count_in_parts() -> None:
    said = [None if i % 7 == 0 else 1 for i in range(SIZE)]
    report = judge(log(said, rows=500), log([1] * SIZE, rows=500), mode="Shadow", maxErrorIncrease=0.2)
    assert report.verdict is Verdict.PASSED, report.message
    assert value(report, "error_increase").value == pytest.approx(0.143, abs=0.001)
    assert "test of signs" in value(report, "error_increase").detail


@pytest.mark.parametrize("mode", ["Shadow", "After"])
@pytest.mark.parametrize(
    ("ours", "theirs", "limit", "passed"),
    [
        ([1] * SIZE, [1] + [None] * (SIZE - 1), 1, None),
        ([1] + [None] * (SIZE - 1), [1] * SIZE, 1, None),
        ([1] * SIZE, [1] * SIZE, 1, True),
        ([1] * SIZE, [1] * (SIZE - 1) + [None], 1, None),
        ([1] * SIZE, [1] * (SIZE - 1) + [None], 0.99, True),
        ([1] * SIZE, [1] * 60 + [None] * (SIZE - 60), 0.9, None),
        ([0] * SIZE, [1] * 60 + [None] * (SIZE - 60), 0.95, False),
        ([0] * SIZE, [1] * 60 + [None] * (SIZE - 60), 0.9, None),
    ],
)
def test_rows_that_one_model_alone_has_answered_may_be_alike_or_not(
    mode: str, ours: list[int | None], theirs: list[int | None], limit: float, passed: bool | None
) -> None:
    report = judge(log(ours), log(theirs), mode=mode, minAgreement=limit)
    found = value(report, "agreement")
    assert found.passed is passed, found.detail
    one_alone = sum((one is None) != (other is None) for one, other in zip(ours, theirs, strict=True))
    assert one_alone == 0 or f"({one_alone} more were answered by one model alone)" in found.detail


def test_scores_of_rows_that_one_model_alone_has_answered_may_be_far_apart() -> None:
    half: list[Any] = [(0.5, 0.5)] * 500 + [None] * 500
    for limit, passed in ((0, None), (0.1, None), (0.6, True)):
        report = judge(log([(0.5, 0.5)] * SIZE), log(half), mode="Shadow", maxScoreDifference=limit)
        assert value(report, "score_difference").passed is passed


def test_a_text_is_nowhere_in_what_is_told() -> None:
    secret = "Jane Doe, DE89 3704 0044"
    report = judge(log([secret] * SIZE), log(["no"] * SIZE), mode="Shadow", minAgreement=0.9, task=ModelTask.TEXT)
    assert (report.verdict, report.reason) == (Verdict.FAILED, "ModelsDisagree")
    assert "Jane" not in json.dumps(report.to_json()) + str(report.measurements)
    assert report.details["baseline"]["disagreements"] == [{"rows": SIZE}]


@pytest.mark.parametrize("mode", ["Shadow", "Split"])
def test_speed_that_changes_slowly_is_worth_fewer_requests(mode: str) -> None:
    wave = np.repeat(np.random.default_rng(2).permutation([0.0] * 11 + [0.04] * 9), SIZE // 20)
    noise = np.random.default_rng(3).uniform(0.02, 0.021, (2, SIZE))
    for taken, verdict in ((wave, Verdict.INCONCLUSIVE), (RNG.permutation(wave), Verdict.PASSED)):
        report = judge(log([1] * SIZE, noise[0] + taken), log([1] * SIZE, noise[1]), mode=mode, maxSlowdown="10ms")
        assert report.verdict is verdict, report.message


def _covered(interval: Any, truth: float) -> bool:
    return interval is not None and interval.low <= truth <= interval.high


def test_intervals_hold_in_95_of_100() -> None:
    runs, n = 400, 60
    held = np.zeros(3)
    for _ in range(runs):
        first, second = RNG.lognormal(0, 1, n), RNG.lognormal(0.3, 1, n)
        held[0] += _covered(median_of_differences((np.log(first) - np.log(second)).tolist()), -0.3)
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


@pytest.mark.parametrize(
    ("mode", "needed"),
    [
        ({"mode": "Shadow", "minAgreement": 0.9}, 70),
        ({"mode": "Split", "maxSlowdown": "1s"}, 70),
        ({"maxLoss": 0.1}, 85),
    ],
)
def test_the_timeout_has_room_for_the_last_request_to_the_baseline(mode: dict[str, Any], needed: int) -> None:
    load = {"requests": 100, "warmup": 0, "rate": 10}
    baseline = mode | {"endpoint": ENDPOINT | {"timeout": "60s"}}
    assert spec(load=load, timeout=f"{needed}s", baseline=baseline)
    with pytest.raises(ValueError, match=rf"timeout must be .*baseline\.endpoint\.timeout.*\({needed} s\)"):
        spec(load=load, timeout=f"{needed - 1}s", baseline=baseline)
