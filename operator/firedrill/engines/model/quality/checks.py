"""Metrics, slices, groups, another model and disturbed rows, each held against its limit."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from firedrill.api.modelvalidation import DisparityMeasure, ModelTask, Slices, ValidationThresholds
from firedrill.engines.common.shares import wilson
from firedrill.engines.model.asked import Asked
from firedrill.engines.model.labels import canonical, is_right
from firedrill.engines.model.limits import Check, make_check, with_interval, within_count, within_interval
from firedrill.engines.model.measure import Measured
from firedrill.engines.model.quality.against import against
from firedrill.engines.model.quality.classification import NO_POSITIVE, classification, positive_class
from firedrill.engines.model.quality.groups import Sliced, largest_difference, sliced, unanswered
from firedrill.engines.model.quality.metric import Answered, Metric, answered_rows, unanswered_rows
from firedrill.engines.model.quality.numbers import absolute_errors, ranking, regression
from firedrill.engines.model.quality.sides import Side
from firedrill.engines.model.records import Label, Readiness, RequestRecord

#: Slices that the report lists; the worst come first.
_LISTED = 50
#: The limit of every metric.
_LIMITS = {
    "macro_f1": "min_macro_f1",
    "precision": "min_precision",
    "recall": "min_recall",
    "auc": "min_auc",
    "calibration_error": "max_calibration_error",
    "mean_error": "max_mean_error",
    "rmse": "max_rmse",
    "r2": "min_r2",
    "ndcg": "min_ndcg",
    "mrr": "min_mrr",
}


@dataclass(frozen=True)
class Quality:
    """Checks in the order that a person wants them, and what the report tells beside."""

    checks: tuple[Check, ...]
    details: Mapping[str, Any]


def quality(
    records: Sequence[RequestRecord],
    measured: Measured,
    thresholds: ValidationThresholds,
    asked: Asked,
    baseline: Measured | None,
) -> Quality:
    """All that is asked of the answers beside their accuracy; ``baseline`` is what was measured of the other model."""
    rows = answered_rows(records, asked.reading)
    scores = _scores(rows, asked)
    sent = {record.row: record.truth for record in records if not record.warmup}
    details: dict[str, Any] = {}
    found = {metric.name: metric for metric in (_metrics(rows, sent, asked) if rows and asked.labelled else ())}
    absent = f"task {asked.task} has none" if rows else "no row was answered"
    checks = [_metric(found.get(name, Metric(name, None, absent)), thresholds) for name in _LIMITS]
    # Of groups no limit on errors is asked for: an answer that did not come is no right answer.
    missed = dict.fromkeys(unanswered_rows(records, late=measured.client.saturated), 0.0)
    if asked.slices is not None:
        shares = asked.task is not ModelTask.REGRESSION
        checks += _slices({**missed, **scores} if scores is not None and shares else scores, sent, asked, details)
    if asked.disparity is not None:
        checks.append(_disparity(rows, missed, sent, asked, details))
    if asked.baseline is not None:
        checks += _baseline(Side(records, measured, rows, scores), asked, baseline, details)
    if asked.robustness is not None:
        checks += _robustness(asked, details)
    # What is neither known nor asked for is no news; what is asked for and not known is open.
    told = (check for check in checks if check.limited or check.measurement.value is not None)
    return Quality(tuple(told), details)


def _metrics(rows: Sequence[Answered], sent: Mapping[int, Label], asked: Asked) -> tuple[Metric, ...]:
    match asked.task:
        case ModelTask.CLASSIFICATION:
            return classification(rows, asked.reading)
        case ModelTask.REGRESSION:
            return regression(rows)
        case ModelTask.RANKING:
            assert asked.query_column is not None, "the model admits no ranking without a group column"
            return ranking(rows, sent, asked.groups[asked.query_column])
        case ModelTask.TEXT:
            return ()


def _scores(rows: Sequence[Answered], asked: Asked) -> dict[int, float] | None:
    """By row: 1 for right and 0 for wrong, or the absolute error. None where neither can be told."""
    if not asked.labelled:
        return None
    if asked.task in (ModelTask.CLASSIFICATION, ModelTask.TEXT):
        return {row.row: float(is_right(row.label, row.truth, asked.reading)) for row in rows}
    errors = absolute_errors(rows) if asked.task is ModelTask.REGRESSION else None
    return None if errors is None else {row.row: float(error) for row, error in zip(rows, errors, strict=True)}


def _metric(metric: Metric, thresholds: ValidationThresholds) -> Check:
    lower = _LIMITS[metric.name].startswith("max")
    limit: float | None = getattr(thresholds, _LIMITS[metric.name])
    text = "" if limit is None else f"{'<=' if lower else '>='} {limit:g}"
    found = metric.interval
    if found is None:
        return make_check(metric.name, None, metric.unit, text, None, f"{metric.name} unknown: {metric.problem}")
    within = within_count if metric.counted else within_interval
    passed = None if limit is None else within(found, limit, lower=lower)
    phrase = f"{metric.name} {with_interval(found)} of {found.size} {metric.of}"
    return make_check(metric.name, found.value, metric.unit, text, passed, phrase)


def _slices(
    scores: Mapping[int, float] | None, sent: Collection[int], asked: Asked, details: dict[str, Any]
) -> list[Check]:
    wanted = asked.slices
    assert wanted is not None
    shares = asked.task is not ModelTask.REGRESSION
    limits = {"slice_accuracy": wanted.min_accuracy, "slice_mean_error": wanted.max_mean_error}
    judged = "slice_accuracy" if shares else "slice_mean_error"
    open_names = [name for name in limits if name != judged or not scores]
    checks = [_unknown_slices(name, limits[name], asked.task, judged) for name in open_names]
    return [_worst_slice(scores, sent, asked, wanted, limits[judged], details), *checks] if scores else checks


def _unknown_slices(name: str, limit: float | None, task: ModelTask, judged: str) -> Check:
    shares = name == "slice_accuracy"
    text = "" if limit is None else f"{'>=' if shares else '<='} {limit:g}"
    why = f"task {task} has none" if name != judged else "no answer can be told right or wrong"
    return make_check(name, None, "ratio" if shares else "", text, None, f"{name} unknown: {why}")


def _worst_slice(
    scores: Mapping[int, float],
    sent: Collection[int],
    asked: Asked,
    wanted: Slices,
    limit: float | None,
    details: dict[str, Any],
) -> Check:
    shares = asked.task is not ModelTask.REGRESSION
    groups = {column: asked.groups[column] for column in wanted.columns}
    found = sliced(scores, groups, wanted.min_rows, shares=shares, sent=sent)
    details["slices"] = {
        "judged": [{"name": item.name, **asdict(item.interval)} for item in found.slices[:_LISTED]],
        "small": list(found.small[:_LISTED]),
        "unanswered": list(found.unanswered[:_LISTED]),
    }
    name, unit = ("slice_accuracy", "ratio") if shares else ("slice_mean_error", "")
    text = "" if limit is None else f"{'>=' if shares else '<='} {limit:g}"
    if not found.slices:
        return make_check(name, None, unit, text, None, f"no slice has {wanted.min_rows} rows{_silent(found)}")
    within = within_count if shares else within_interval
    outcomes = [None if limit is None else within(item.interval, limit, lower=not shares) for item in found.slices]
    outcomes += [None] * len(found.unanswered)
    passed = None if limit is None else False if False in outcomes else None if None in outcomes else True
    worst = found.slices[0]
    phrase = f"worst slice {worst.name} {with_interval(worst.interval)} of {worst.interval.size} rows, {_many(found)}"
    return make_check(name, worst.interval.value, unit, text, passed, phrase)


def _many(found: Sliced) -> str:
    small = f", {len(found.small)} too small" if found.small else ""
    return f"simultaneously over {len(found.slices)} slices{small}{_silent(found)}"


def _silent(found: Sliced) -> str:
    return f", too few answers in {', '.join(found.unanswered[:3])}" if found.unanswered else ""


def _disparity(
    rows: Sequence[Answered],
    missed: Mapping[int, float],
    sent: Collection[int],
    asked: Asked,
    details: dict[str, Any],
) -> Check:
    wanted = asked.disparity
    assert wanted is not None
    text = f"<= {wanted.max_difference:g}"
    if wanted.measure is DisparityMeasure.POSITIVE_RATE:
        positive = positive_class(rows, asked.reading)
        if positive is None:
            return make_check("disparity", None, "ratio", text, None, f"positive rate unknown: {NO_POSITIVE}")
        scores = {row.row: float(canonical(row.label) == positive) for row in rows}
    else:
        right = {row.row: float(is_right(row.label, row.truth, asked.reading)) for row in rows}
        scores = {**missed, **right}
    silent = unanswered(scores, asked.groups[wanted.column], wanted.min_rows, sent)
    found = largest_difference(scores, asked.groups[wanted.column], wanted.min_rows)
    if found is None:
        phrase = f"fewer than two groups of {wanted.column!r} have {wanted.min_rows} rows"
        return make_check("disparity", None, "ratio", text, None, phrase)
    details["disparity"] = asdict(found)
    what = "positive rate" if wanted.measure is DisparityMeasure.POSITIVE_RATE else "accuracy"
    phrase = f"{what} of {found.first!r} is above that of {found.second!r} by {with_interval(found.interval)}"
    passed = within_interval(found.interval, wanted.max_difference, lower=True)
    if silent:
        phrase += f", too few answers in {', '.join(map(repr, silent[:3]))}"
        passed = None if passed else passed
    return make_check("disparity", found.interval.value, "ratio", text, passed, phrase)


def _baseline(ours: Side, asked: Asked, theirs: Measured | None, details: dict[str, Any]) -> list[Check]:
    log = asked.baseline_log
    if log is None or log.readiness is not Readiness.READY:
        return against(ours, None, asked, details)
    rows = answered_rows(log.records, asked.reading)
    return against(ours, Side(log.records, theirs, rows, _scores(rows, asked)), asked, details)


def _robustness(asked: Asked, details: dict[str, Any]) -> list[Check]:
    wanted = asked.robustness
    assert wanted is not None
    details["robustness"] = [asdict(item) for item in asked.tried]
    by_kind = {item.kind: item for item in asked.tried}
    checks = []
    for kind, limit, lower in (
        ("changed_by_noise", wanted.max_changed, True),
        ("handled", wanted.min_handled, False),
        ("refused", wanted.min_refused, False),
    ):
        text = "" if limit is None else f"{'<=' if lower else '>='} {limit:g}"
        item = by_kind.get(kind)
        if item is None or not item.tried:
            why = item.example if item is not None and item.example else "nothing could be tried"
            checks.append(make_check(kind, None, "ratio", text, None, f"{kind} unknown: {why}"))
            continue
        share = wilson(item.tried - item.good if lower else item.good, item.tried)
        passed = None if limit is None else within_count(share, limit, lower=lower)
        example = f"; {item.example}" if item.example else ""
        phrase = f"{kind} {with_interval(share)} of {item.tried} requests{example}"
        checks.append(make_check(kind, share.value, "ratio", text, passed, phrase))
    return checks
