"""The model beside its baseline: what both answer, how often they fail and how fast they are, against limits."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from firedrill.api.baseline import Baseline, BaselineMode
from firedrill.api.modelvalidation import ModelTask
from firedrill.engines.common.intervals import exact
from firedrill.engines.common.shares import Interval, difference, wilson
from firedrill.engines.model.asked import Asked
from firedrill.engines.model.labels import Reading, as_number, is_right
from firedrill.engines.model.limits import Check, at_least, at_most, make_check, with_interval
from firedrill.engines.model.measure import Measured
from firedrill.engines.model.quality.metric import Answered, mean_interval
from firedrill.engines.model.quality.paired import Comparison, compare
from firedrill.engines.model.quality.twosample import (
    difference_of_means,
    difference_of_medians,
    median_of_differences,
)
from firedrill.engines.model.records import Outcome, Readiness, RequestRecord

#: Pairs of answers that the report lists; the most frequent come first.
_LISTED: Final = 10


@dataclass(frozen=True)
class Side:
    """One of two models: its requests, what they measured, its answers by row, and how right or wrong each is (None
    where that can not be told)."""

    records: Sequence[RequestRecord]
    measured: Measured | None
    rows: Sequence[Answered]
    scores: Mapping[int, float] | None


@dataclass(frozen=True)
class _Found:
    """A comparison: its interval, None with the reason where it can not be had, and what is said of it beside."""

    interval: Interval | None
    said: str


def against(ours: Side, theirs: Side | None, asked: Asked, details: dict[str, Any]) -> list[Check]:
    """Every comparison with the baseline that its mode allows; ``theirs`` is None where it could not be asked.

    What can not be measured stays open. Above 0 the model is better by ``gain_over_baseline``, and worse by the others.
    """
    wanted = asked.baseline
    assert wanted is not None
    told = details["baseline"] = _told(ours, theirs, wanted)
    shares = asked.task is not ModelTask.REGRESSION
    unit = "ratio" if shares else ""
    checks = []
    if asked.labelled:
        loss = wanted.loss_allowed
        found = _asked(asked) or _gain(ours, theirs, wanted, told, shares=shares)
        checks.append(_check("gain_over_baseline", found, unit, None if loss is None else -loss, lower=False))
    if wanted.mode is not BaselineMode.SPLIT:
        if shares:
            found = _asked(asked) or _agreement(ours, theirs, asked.reading, told)
            checks.append(_check("agreement", found, "ratio", wanted.min_agreement, lower=False))
        found = _asked(asked) or _score_difference(ours, theirs, asked)
        checks.append(_check("score_difference", found, "", wanted.max_score_difference, lower=True))
    if wanted.mode is not BaselineMode.AFTER:
        late = next((side for side in (ours, theirs) if side is not None and _late(side)), None) is not None
        found = _asked(asked) or _error_increase(ours, theirs, wanted, told)
        checks.append(_check("error_increase", found, "ratio", wanted.max_error_increase, lower=True, late=late))
        found = _asked(asked) or _slowdown(ours, theirs, wanted)
        limit = None if wanted.max_slowdown is None else wanted.max_slowdown.total_seconds()
        checks.append(_check("slowdown", found, "s", limit, lower=True, late=late))
    return checks


def _told(ours: Side, theirs: Side | None, wanted: Baseline) -> dict[str, Any]:
    """What the report tells of both models, whatever is limited."""
    sides = {"model": ours.measured, "baseline": theirs.measured if theirs is not None else None}
    return {
        "mode": wanted.mode.value,
        "loads": {
            name: {
                "requests": found.requests,
                "answered": found.answered,
                "errorRate": asdict(found.errors),
                "latency": {level: asdict(value) for level, value in found.latency.items()},
                "late": found.client.saturated,
            }
            for name, found in sides.items()
            if found is not None
        },
    }


def _asked(asked: Asked) -> _Found | None:
    """Why there is nothing to compare with; None where there is."""
    log = asked.baseline_log
    if log is not None and log.readiness is Readiness.READY:
        return None
    why = log.readiness_message if log is not None else "it was not asked"
    return _Found(None, f"the baseline could not be asked: {why}")


def _late(side: Side) -> bool:
    return side.measured is not None and side.measured.client.saturated


def _check(name: str, found: _Found, unit: str, limit: float | None, *, lower: bool, late: bool = False) -> Check:
    """``late`` says that the client may have made what was measured itself."""
    text = "" if limit is None else f"{'<=' if lower else '>='} {limit:g}"
    interval = found.interval
    if interval is None:
        return make_check(name, None, unit, text, None, found.said)
    passed = None if limit is None or late else _judged(name, interval, limit, lower=lower)
    behind = "; the client fell behind its schedule, so that this may be its own doing" if late and text else ""
    value = interval.value if math.isfinite(interval.value) else None
    return make_check(name, value, unit, text, passed, found.said + behind)


def _judged(name: str, found: Interval, limit: float, *, lower: bool) -> bool | None:
    """Shares and means have an end, at which all rows must be alike; a difference has none."""
    if name in ("agreement", "score_difference"):
        return at_most(found, limit) if lower else at_least(found, limit)
    if lower:
        return True if found.high <= limit else False if found.low > limit else None
    return True if found.low >= limit else False if found.high < limit else None


def _gain(ours: Side, theirs: Side | None, wanted: Baseline, told: dict[str, Any], *, shares: bool) -> _Found:
    if theirs is None or not ours.scores or not theirs.scores:
        return _Found(None, "no rows were answered by both models")
    if wanted.mode is BaselineMode.SPLIT:
        first, second = (np.array(list(side.values()), float) for side in (ours.scores, theirs.scores))
        if shares:
            found = difference(*(wilson(float(side.sum()), len(side)) for side in (first, second)))
        else:
            found = difference_of_means(second, first)
        how = "Newcombe" if shares else "Welch"
        return _Found(
            found, f"gain over the baseline {with_interval(found)} of {len(first)} and {len(second)} rows, {how}"
        )
    paired = compare(ours.scores, theirs.scores, shares=shares)
    if paired is None:
        return _Found(None, "no rows were answered by both models")
    told["gain"] = asdict(paired)
    return _Found(paired.interval, f"gain over the baseline {_paired(paired, 'rows')}")


def _paired(found: Comparison, of: str) -> str:
    return (
        f"{with_interval(found.interval)} of {found.interval.size} {of}, {found.only_model} better and "
        f"{found.only_baseline} worse, {found.test} p = {found.p_value:.3g}"
    )


def _both(ours: Side, theirs: Side | None) -> list[tuple[Answered, Answered]]:
    """What both answered to a row, of every row that both answered."""
    others = {row.row: row for row in theirs.rows} if theirs is not None else {}
    return [(row, others[row.row]) for row in ours.rows if row.row in others]


def _agreement(ours: Side, theirs: Side | None, reading: Reading, told: dict[str, Any]) -> _Found:
    pairs = _both(ours, theirs)
    if not pairs:
        return _Found(None, "agreement unknown: no rows were answered by both models")
    # An answer that holds the other is not the same answer.
    alike = replace(reading, contains=False)
    apart = [(one, other) for one, other in pairs if not is_right(one.label, other.label, alike)]
    counted = Counter((str(one.label)[:64], str(other.label)[:64]) for one, other in apart)
    told["disagreements"] = [
        {"model": one, "baseline": other, "rows": count} for (one, other), count in counted.most_common(_LISTED)
    ]
    found = exact(len(pairs) - len(apart), len(pairs), 0.95)
    often = f", most often {_shown(counted)}" if counted else ""
    return _Found(found, f"agreement {with_interval(found)} of {found.size} rows{often}")


def _shown(counted: Counter[tuple[str, str]]) -> str:
    (one, other), count = counted.most_common(1)[0]
    return f"{one!r} for the baseline's {other!r} in {count}"


def _score_difference(ours: Side, theirs: Side | None, asked: Asked) -> _Found:
    found = [_score_apart(one, other, asked) for one, other in _both(ours, theirs)]
    known = [value for value in found if value is not None]
    if not known or len(known) < len(found):
        why = "answers hold no scores of both" if found else "no rows were answered by both models"
        return _Found(None, f"score_difference unknown: {why}")
    mean = mean_interval(np.array(known))
    # Sizes of differences are not below zero.
    mean = replace(mean, low=max(mean.low, 0.0))
    return _Found(mean, f"score_difference {with_interval(mean)} of {mean.size} rows")


def _score_apart(one: Answered, other: Answered, asked: Asked) -> float | None:
    """How far apart two answers to a row are; None where one is a label alone."""
    sides = [[as_number(value) for value in item.values] for item in (one, other)]
    first, second = ([value for value in side if value is not None] for side in sides)
    if len(first) != len(one.values) or len(second) != len(other.values) or len(first) != len(second):
        return None
    if len(first) == 1:
        if asked.task is not ModelTask.REGRESSION and asked.reading.threshold is None:
            return None
        return abs(first[0] - second[0])
    return math.fsum(abs(a - b) for a, b in zip(first, second, strict=True)) / 2


def _measured_pairs(ours: Side, theirs: Side) -> list[tuple[RequestRecord, RequestRecord]]:
    """The same request to both: each load has the plan of the other and is cut off at its end at most."""
    pairs = zip(ours.records, theirs.records, strict=False)
    return [(one, other) for one, other in pairs if not one.warmup]


def _error_increase(ours: Side, theirs: Side | None, wanted: Baseline, told: dict[str, Any]) -> _Found:
    nothing = _Found(None, "error_increase unknown: one of both models was sent nothing that is measured")
    if theirs is None or ours.measured is None or theirs.measured is None:
        return nothing
    if wanted.mode is BaselineMode.SPLIT:
        found = difference(ours.measured.errors, theirs.measured.errors)
        of = f"of {ours.measured.requests} and {theirs.measured.requests} requests, Newcombe"
        return _Found(found, f"error rate above the baseline's by {with_interval(found)} {of}")
    pairs = dict(enumerate(_measured_pairs(ours, theirs)))
    answered = [{i: float(pair[side].outcome is Outcome.ANSWERED) for i, pair in pairs.items()} for side in (0, 1)]
    paired = compare(answered[0], answered[1], shares=True)
    if paired is None:
        return nothing
    told["errors"] = asdict(paired)
    gain = paired.interval
    turned = replace(paired, interval=Interval(-gain.value + 0.0, -gain.high + 0.0, -gain.low + 0.0, gain.size))
    return _Found(turned.interval, f"error rate above the baseline's by {_paired(turned, 'requests')}")


def _slowdown(ours: Side, theirs: Side | None, wanted: Baseline) -> _Found:
    found: Interval | None = None
    if theirs is not None and ours.measured is not None and theirs.measured is not None:
        if wanted.mode is BaselineMode.SPLIT:
            found = difference_of_medians(ours.measured.latencies, theirs.measured.latencies)
        else:
            pairs = _measured_pairs(ours, theirs)
            found = median_of_differences([(_latency(one), _latency(other)) for one, other in pairs])
    if found is None:
        return _Found(None, "slowdown unknown: nothing was answered by either model")
    of = "requests, medians" if wanted.mode is BaselineMode.SPLIT else "requests, median of the differences"
    return _Found(found, f"slower than the baseline by {with_interval(found)} s of {found.size} {of}")


def _latency(record: RequestRecord) -> float:
    return record.latency if record.outcome is Outcome.ANSWERED else math.inf
