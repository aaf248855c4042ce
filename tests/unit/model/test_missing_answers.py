"""What was not sent or not answered, and limits at an end: neither may make a model look better than it was seen."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.modelvalidation import (
    Answers,
    Disparity,
    DisparityMeasure,
    ModelTask,
    Slices,
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
    row_order,
)

LATE = 10.0


def log(truths: Sequence[Any], answers: Sequence[Any], *, lag: float = 0.0) -> RequestLog:
    """One request a row; None is an answer that did not come, by an error of the server."""
    records = tuple(
        RequestRecord(
            row=i,
            warmup=False,
            intended=i * 0.01,
            due=i * 0.01,
            sent=i * 0.01 + lag,
            done=i * 0.01 + lag + 0.005,
            outcome=Outcome.HTTP_ERROR if answer is None else Outcome.ANSWERED,
            truth=truth,
            predicted=() if answer is None else (answer,),
            status=500 if answer is None else 200,
        )
        for i, (truth, answer) in enumerate(zip(truths, answers, strict=True))
    )
    return RequestLog(Readiness.READY, records=records, rows=len(records))


def judge(found: RequestLog, asked: Asked, **limits: Any) -> ModelReport:
    given = ValidationThresholds(**{"max_error_rate": None, **limits})
    return evaluate(found, given, ValidationLoad(requests=len(found.records)), asked)


def measured(report: ModelReport, name: str) -> Measurement:
    return next(item for item in report.measurements if item.name == name)


# -- rankings are of whole queries -------------------------------------------------------------------------------------


@given(
    queries=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=30),
    requests=st.integers(1, 90),
    seed=st.integers(0, 5),
)
def test_the_rows_of_a_query_are_sent_together(queries: list[str], requests: int, seed: int) -> None:
    order = row_order(len(queries), requests, seed, queries)
    assert len(order) == requests
    for start in range(0, requests, len(queries)):
        one = order[start : start + len(queries)]
        assert len(set(one)) == len(one)
        changes = sum(queries[a] != queries[b] for a, b in pairwise(one))
        assert changes == len({queries[row] for row in one}) - 1


def ranked(sent: int, answers: Any, queries: int = 60, of: int = 10) -> ModelReport:
    """A load that sends the first ``sent`` rows of queries with one relevant row each."""
    relevance = [int(i % of == 3) for i in range(queries * of)]
    names = [str(i // of) for i in range(queries * of)]
    asked = Asked(task=ModelTask.RANKING, query_column="q", groups={"q": names})
    return judge(log(relevance[:sent], answers(relevance)[:sent]), asked, min_mrr=0.5)


def test_a_query_that_was_sent_in_part_is_left_out() -> None:
    report = ranked(597, lambda relevance: [float(item) for item in relevance])
    assert "of 59 queries" in measured(report, "mrr").detail


def test_where_no_query_was_sent_whole_nothing_is_said() -> None:
    queries = [str(i % 100) for i in range(1000)]
    asked = Asked(task=ModelTask.RANKING, query_column="q", groups={"q": queries})
    report = judge(log([int(i < 100) for i in range(120)], [float(-i) for i in range(120)]), asked, min_mrr=0.5)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "0 queries with something relevant were sent whole, of 100; 5 are needed: raise load.requests" in (
        report.message
    )


@pytest.mark.parametrize("gone", ["relevant", "other"])
def test_a_row_of_a_query_that_is_not_answered_counts_against_the_model(gone: str) -> None:
    def answers(relevance: list[int]) -> list[float | None]:
        return [None if bool(item) is (gone == "relevant") else float(item) for item in relevance]

    report = ranked(600, answers)
    assert measured(report, "mrr").value == pytest.approx(0.1)
    assert report.verdict is Verdict.FAILED


# -- groups that the model always fails on -----------------------------------------------------------------------------

GROUPS = ["9" if i % 25 == 0 else "1" for i in range(1000)]
TRUTHS = [i % 2 for i in range(1000)]
SILENT = [None if group == "9" else truth for group, truth in zip(GROUPS, TRUTHS, strict=True)]


def test_a_slice_without_answers_is_the_worst_one() -> None:
    asked = Asked(groups={"g": GROUPS}, slices=Slices(columns=["g"], min_accuracy=0.9))
    report = judge(log(TRUTHS, SILENT), asked)
    assert (report.verdict, report.reason) == (Verdict.FAILED, "SliceBelowLimit")
    assert "slice g=9 0 " in report.message


def test_groups_are_apart_where_one_has_no_answers() -> None:
    asked = Asked(groups={"g": GROUPS}, disparity=Disparity(column="g", max_difference=0.1))
    assert judge(log(TRUTHS, SILENT), asked).reason == "GroupsApart"


@pytest.mark.parametrize(
    "asked",
    [
        Asked(
            groups={"g": GROUPS},
            disparity=Disparity(column="g", max_difference=0.3, measure=DisparityMeasure.POSITIVE_RATE),
        ),
        Asked(task=ModelTask.REGRESSION, groups={"g": GROUPS}, slices=Slices(columns=["g"], max_mean_error=0.5)),
    ],
    ids=["positive rate", "mean error"],
)
def test_what_has_no_value_without_an_answer_is_open(asked: Asked) -> None:
    report = judge(log(TRUTHS, SILENT), asked)
    assert report.verdict is Verdict.INCONCLUSIVE
    answered = judge(log(TRUTHS, TRUTHS), asked)
    assert answered.verdict is Verdict.PASSED, answered.message


def test_timeouts_of_a_client_that_is_late_are_not_held_against_a_slice() -> None:
    found = log(TRUTHS, SILENT, lag=LATE)
    records = tuple(
        replace(item, outcome=Outcome.TIMEOUT, status=None) if item.outcome is Outcome.HTTP_ERROR else item
        for item in found.records
    )
    asked = Asked(groups={"g": GROUPS}, slices=Slices(columns=["g"], min_accuracy=0.9))
    report = judge(replace(found, records=records), asked)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert measured(report, "slice_accuracy").passed is None
    assert "too few answers in g=9" in measured(report, "slice_accuracy").detail


# -- limits at an end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "limits", "rows", "verdict"),
    [
        (ModelTask.CLASSIFICATION, {"min_accuracy": 1}, 20, Verdict.PASSED),
        (ModelTask.CLASSIFICATION, {"min_macro_f1": 1}, 20, Verdict.INCONCLUSIVE),
        (ModelTask.CLASSIFICATION, {"min_recall": 1}, 20, Verdict.PASSED),
        (ModelTask.REGRESSION, {"max_mean_error": 0}, 1, Verdict.INCONCLUSIVE),
        (ModelTask.REGRESSION, {"max_mean_error": 0}, 40, Verdict.PASSED),
        (ModelTask.REGRESSION, {"min_r2": 1}, 5, Verdict.INCONCLUSIVE),
    ],
)
def test_only_what_is_counted_can_be_shown_to_be_all_right(
    task: ModelTask, limits: dict[str, float], rows: int, verdict: Verdict
) -> None:
    truths = [i % 2 for i in range(rows)]
    report = judge(log(truths, truths), Asked(task=task), **limits)
    assert report.verdict is verdict, report.message


def test_a_difference_of_nothing_is_no_difference_of_groups() -> None:
    answers = list(TRUTHS)
    answers[1] = 1 - answers[1]
    asked = Asked(groups={"g": GROUPS}, disparity=Disparity(column="g", max_difference=0))
    assert judge(log(TRUTHS, answers), asked).verdict is Verdict.INCONCLUSIVE


# -- scores ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_a_calibrated_score_is_calibrated_at_every_threshold(threshold: float) -> None:
    rng = np.random.default_rng(5)
    scores = rng.random(4000)
    truths = (rng.random(4000) < scores).astype(int)
    asked = Asked(answers=Answers(threshold=threshold))
    report = judge(log(truths.tolist(), scores.tolist()), asked, max_calibration_error=0.05)
    assert report.verdict is Verdict.PASSED, report.message


@pytest.mark.parametrize(
    ("positive", "rows", "verdict", "said"),
    [
        (2, 100, Verdict.INCONCLUSIVE, "2 positive and 98 negative rows; 10 of each are needed"),
        # DeLong's variance is small where few are above nearly all: by it alone, the area is 0.983 at least.
        (10, 100, Verdict.INCONCLUSIVE, "uc 0.995"),
        (200, 2000, Verdict.PASSED, "uc 0.995"),
    ],
)
def test_few_positives_that_are_ranked_well_do_not_pass(positive: int, rows: int, verdict: Verdict, said: str) -> None:
    truths = [int(i < positive) for i in range(rows)]
    # A tenth of the positives are below a twentieth of the others, the rest above all.
    below = 0.95 - 1e-9
    scores = [
        (below if i % 10 == 0 else 2.0) if truth else (i - positive) / (rows - positive)
        for i, truth in enumerate(truths)
    ]
    report = judge(log(truths, scores), Asked(answers=Answers(threshold=0.5)), min_auc=0.93)
    assert report.verdict is verdict, report.message
    assert said in report.message
