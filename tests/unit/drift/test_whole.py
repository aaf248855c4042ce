"""Joint and concept drift: what they see where no column does, and what they must not mistake for it."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from firedrill.api.driftcheck import DriftThresholds, Joint
from firedrill.api.verdict import Verdict
from firedrill.engines.drift import Asked, check, joint
from firedrill.engines.drift.report import DriftReport
from firedrill.engines.drift.whole import Part, WholeTest

LABELLED = Asked(target="y", joint=Joint(enabled=False))


def pair(rng: np.random.Generator, rows: int, correlation: float) -> pa.Table:
    x = rng.normal(size=rows)
    y = correlation * x + np.sqrt(1 - correlation**2) * rng.normal(size=rows)
    return pa.table({"x": x, "y": y, "noise": rng.normal(size=rows)})


def labelled(rng: np.random.Generator, rows: int, bound: float = 8.0) -> pa.Table:
    """SEA: the label is whether two of three features stay below a bound together; a tenth is flipped."""
    a, b, c = 10 * rng.random(rows), 10 * rng.random(rows), 10 * rng.random(rows)
    label = (a + b <= bound) ^ (rng.random(rows) < 0.1)
    return pa.table({"a": a, "b": b, "c": c, "y": label.astype(int)})


def part(report: DriftReport, which: Part) -> WholeTest:
    return next(whole for whole in report.wholes if whole.part is which)


def test_a_correlation_that_turns_is_joint_drift_and_no_column_drifts() -> None:
    rng = np.random.default_rng(1)
    report = check(pair(rng, 600, 0.8), pair(rng, 600, -0.8))
    assert (report.verdict, report.reason) == (Verdict.FAILED, "JointDrift")
    assert not any(column.drift for column in report.columns)
    body = report.to_json()
    assert body["drift"] is True
    assert body["joint"]["drift"] is True
    assert body["joint"]["auc"] > 0.7
    assert {item["name"] for item in body["joint"]["columns"][:2]} == {"x", "y"}
    assert "joint drift: AUC" in report.message


def test_the_same_correlation_is_none() -> None:
    rng = np.random.default_rng(2)
    report = check(pair(rng, 1000, 0.8), pair(rng, 1000, 0.8))
    assert report.verdict is Verdict.PASSED
    assert report.to_json()["joint"]["drift"] is False


def test_area_and_p_value_are_those_of_mann_and_whitney() -> None:
    from scipy import stats

    rng = np.random.default_rng(3)
    side = np.repeat([0, 1], [80, 60])
    scores = np.round(rng.normal(size=140) + 0.3 * side, 1)
    expected = stats.mannwhitneyu(scores[side == 1], scores[side == 0], alternative="greater", method="asymptotic")
    assert joint.area(scores, side) == pytest.approx(expected.statistic / (80 * 60))
    assert joint.p_value(scores, side) == pytest.approx(expected.pvalue)
    assert joint.p_value(np.zeros(140), side) == 1.0


def test_a_changed_concept_is_drift_while_columns_are_silent() -> None:
    rng = np.random.default_rng(4)
    report = check(labelled(rng, 900, 9.5), labelled(rng, 900, 7), LABELLED)
    assert (report.verdict, report.reason) == (Verdict.FAILED, "ConceptDrift")
    assert not any(column.drift for column in report.columns)
    assert [column.name for column in report.columns if column.name == "y"] == []
    concept = report.to_json()["concept"]
    assert concept["drift"] is True
    assert concept["loss_change"] > 0.03
    assert concept["label_shift"]["total_variation"] > 0.05


def test_a_change_of_the_concept_far_below_what_would_count_is_not_significant() -> None:
    rng = np.random.default_rng(4)
    tables = labelled(rng, 900, 9.5), labelled(rng, 900, 7)
    for limit, significant in ((0.02, True), (0.5, False)):
        asked = replace(LABELLED, thresholds=DriftThresholds(min_loss_change=limit))
        concept = part(check(*tables, asked), Part.CONCEPT)
        assert concept.p_value is not None
        assert (concept.p_value < 0.05) is significant


def test_the_concept_of_numbers_is_compared_too() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(2, 300))
    noise = rng.normal(0, 0.1, size=(2, 300))
    same = pa.table({"x": x[0], "y": np.sin(x[0]) + noise[0]}), pa.table({"x": x[1], "y": np.sin(x[1]) + noise[1]})
    turned = pa.table({"x": x[1], "y": np.cos(x[1]) + noise[1]})
    assert not part(check(*same, LABELLED), Part.CONCEPT).drift
    assert part(check(same[0], turned, LABELLED), Part.CONCEPT).drift


@pytest.mark.parametrize(
    ("labels", "reason"),
    [(pa.nulls(300), "TooFewLabels"), (pa.array([1] * 300), "OneLabel"), (pa.array([[1]] * 300), "TooFewLabels")],
)
def test_labels_that_say_nothing_leave_the_concept_undecided(labels: pa.Array, reason: str) -> None:
    x = np.random.default_rng(7).normal(size=300)
    table = pa.table({"x": x, "y": labels})
    report = check(table, table, LABELLED)
    assert (report.verdict, report.reason) == (Verdict.INCONCLUSIVE, "ConceptUndecided")
    concept = report.to_json()["concept"]
    assert (concept["drift"], concept["reason"]) == (False, reason)


@pytest.mark.parametrize("renamed", [1.0, 0.7])
def test_a_label_that_is_renamed_is_a_change_of_concept(renamed: float) -> None:
    rng = np.random.default_rng(10)
    x = rng.normal(size=(2, 400))
    before = np.where(x[0] > 0, "p", "q")
    after = np.where(x[1] > 0, np.where(rng.random(400) < renamed, "z", "p"), "q")
    report = check(pa.table({"x": x[0], "y": before}), pa.table({"x": x[1], "y": after}), LABELLED)
    assert (report.verdict, report.reason) == (Verdict.FAILED, "ConceptDrift")


def test_one_new_label_is_no_change_of_concept() -> None:
    x = np.random.default_rng(11).normal(size=(2, 300))
    labels = [["p" if value > 0 else "q" for value in side] for side in x]
    odd = ["z", *labels[1][1:]]
    report = check(pa.table({"x": x[0], "y": labels[0]}), pa.table({"x": x[1], "y": odd}), LABELLED)
    assert report.verdict is Verdict.PASSED


def test_labels_that_are_all_different_are_no_classes() -> None:
    x = np.random.default_rng(12).normal(size=300)
    table = pa.table({"x": x, "y": [f"name-{i}" for i in range(300)]})
    assert part(check(table, table, LABELLED), Part.CONCEPT).reason == "TooManyLabels"


@pytest.mark.parametrize(("turned", "reason"), [(False, "NoDrift"), (True, "ConceptDrift")])
def test_a_hundred_rows_with_a_label_missing_a_side_are_decided(turned: bool, reason: str) -> None:
    x = np.random.default_rng(13).normal(size=(2, 100))
    labels = [(side > 0).astype(float) for side in x]
    labels[1] = 1 - labels[1] if turned else labels[1]
    for side in labels:
        side[0] = np.nan
    report = check(pa.table({"x": x[0], "y": labels[0]}), pa.table({"x": x[1], "y": labels[1]}), LABELLED)
    assert part(report, Part.CONCEPT).reason == reason
    assert report.reason == reason


def test_labels_that_have_not_arrived_leave_the_concept_undecided() -> None:
    x = np.random.default_rng(8).normal(size=300)
    report = check(pa.table({"x": x, "y": (x > 0).astype(int)}), pa.table({"x": x}), LABELLED)
    assert part(report, Part.CONCEPT).reason == "TooFewLabels"


def test_performance_is_estimated_from_scores_without_current_labels() -> None:
    rng = np.random.default_rng(9)

    def scored(rows: int, spread: float, with_labels: bool) -> pa.Table:
        x = rng.normal(0, spread, rows)
        chance = 1 / (1 + np.exp(-2 * x))
        label = rng.random(rows) < chance
        columns = {"x": x, "score": chance, "said": chance > 0.5, "y": label}
        return pa.table({name: column for name, column in columns.items() if with_labels or name != "y"}), label

    reference, _ = scored(4000, 1.0, True)
    current, truth = scored(4000, 0.4, False)
    asked = Asked(target="y", prediction="said", score="score", joint=Joint(enabled=False))
    found = {item.metric: item for item in check(reference, current, asked).performance}
    really = float(np.mean(np.asarray(current["said"]) == truth))
    assert found["accuracy"].current == pytest.approx(really, abs=0.025)
    assert found["accuracy"].reference > found["accuracy"].current + 0.05
    assert found["auc"].reference > found["auc"].current


def test_the_row_from_which_predictions_err_more_is_told() -> None:
    rng = np.random.default_rng(10)
    truth = rng.integers(0, 2, 3000)
    wrong = rng.random(3000) < np.where(np.arange(3000) < 2000, 0.05, 0.5)
    table = pa.table({"x": rng.normal(size=3000), "y": truth, "said": truth ^ wrong})
    asked = Asked(target="y", prediction="said", joint=Joint(enabled=False))
    rows = check(table.slice(0, 1000), table.slice(1000), asked).to_json()["error_rises_at"]
    assert len(rows) == 1
    assert 1000 <= rows[0] < 1060
    assert check(table.slice(0, 1000), table.slice(1000, 900), asked).error_rises == ()
    unlabelled = table.slice(1000, 900).drop_columns(["y"])
    assert check(table.slice(0, 1000), unlabelled, asked).error_rises is None
