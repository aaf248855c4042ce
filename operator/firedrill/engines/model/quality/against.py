"""The model beside its baseline: what both answer, how often they fail and how fast they are, against limits."""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from firedrill.api.baseline import Baseline, BaselineMode
from firedrill.api.modelvalidation import ModelTask
from firedrill.engines.common.shares import Interval, difference, wilson
from firedrill.engines.model.asked import Asked
from firedrill.engines.model.limits import Check, make_check, with_interval, within_count, within_interval
from firedrill.engines.model.quality.atonce import error_increase, slowdown
from firedrill.engines.model.quality.paired import compare, paired_text
from firedrill.engines.model.quality.samerows import agreement, score_difference
from firedrill.engines.model.quality.sides import Found, Side, silent, told
from firedrill.engines.model.quality.twosample import difference_of_means


def against(ours: Side, theirs: Side | None, asked: Asked, details: dict[str, Any]) -> list[Check]:
    """Every comparison with the baseline that its mode allows; ``theirs`` is None where it could not be asked.

    What can not be measured stays open, and so does all of it where the baseline answered nothing: a broken baseline
    acquits no model. Above 0 the model is better by ``gain_over_baseline``, and worse by the others.
    """
    wanted = asked.baseline
    assert wanted is not None
    beside = details["baseline"] = told(ours, theirs, wanted)
    shares = asked.task is not ModelTask.REGRESSION
    unit = "ratio" if shares else ""

    nothing = _nothing(theirs, asked)

    def found(name: str, compared: Callable[[Side], Found]) -> Found:
        return Found(None, f"{name} unknown: {nothing}") if theirs is None or nothing else compared(theirs)

    checks = []
    if asked.labelled:
        loss = wanted.loss_allowed
        gain = found("gain_over_baseline", lambda other: _gain(ours, other, wanted, beside, shares=shares))
        checks.append(_check("gain_over_baseline", gain, unit, None if loss is None else -loss, lower=False))
    if wanted.mode is not BaselineMode.SPLIT:
        if shares:
            alike = found("agreement", lambda other: agreement(ours, other, asked, beside))
            checks.append(_check("agreement", alike, "ratio", wanted.min_agreement, lower=False))
        apart = found("score_difference", lambda other: score_difference(ours, other, asked))
        checks.append(_check("score_difference", apart, "", wanted.max_score_difference, lower=True))
    if wanted.mode is not BaselineMode.AFTER:
        late = any(side is not None and side.late for side in (ours, theirs))
        errors = found("error_increase", lambda other: error_increase(ours, other, wanted, beside))
        checks.append(_check("error_increase", errors, "ratio", wanted.max_error_increase, lower=True, late=late))
        slower = found("slowdown", lambda other: slowdown(ours, other, wanted))
        limit = None if wanted.max_slowdown is None else wanted.max_slowdown.total_seconds()
        checks.append(_check("slowdown", slower, "s", limit, lower=True, late=late))
    return checks


def _nothing(theirs: Side | None, asked: Asked) -> str:
    """Why there is nothing to compare with; empty where there is."""
    if theirs is None:
        log = asked.baseline_log
        return f"the baseline could not be asked: {log.readiness_message if log else 'it was not asked'}"
    return silent(theirs)


def _check(name: str, found: Found, unit: str, limit: float | None, *, lower: bool, late: bool = False) -> Check:
    """``late`` says that the client may have made what was measured itself."""
    text = "" if limit is None else f"{'<=' if lower else '>='} {limit:g}"
    interval = found.interval
    if interval is None:
        return make_check(name, None, unit, text, None, found.said)
    passed = None if limit is None or late else _judged(name, found, interval, limit, lower=lower)
    behind = "; the client fell behind its schedule, so that this may be its own doing" if late and text else ""
    value = interval.value if math.isfinite(interval.value) else None
    return make_check(name, value, unit, text, passed, found.said + behind)


def _judged(name: str, found: Found, interval: Interval, limit: float, *, lower: bool) -> bool | None:
    """Shares and means have an end, at which all rows must be alike, and none missing; a difference has none."""
    if name in ("agreement", "score_difference"):
        passed = within_count(interval, limit, lower=lower)
        at_the_end = limit <= 0 if lower else limit >= 1
        return None if passed and at_the_end and found.missing else passed
    return within_interval(interval, limit, lower=lower)


def _gain(ours: Side, theirs: Side, wanted: Baseline, told: dict[str, Any], *, shares: bool) -> Found:
    if not ours.scores or not theirs.scores:
        return Found(None, "no rows were answered by both models")
    if wanted.mode is BaselineMode.SPLIT:
        first, second = (np.array(list(side.values()), float) for side in (ours.scores, theirs.scores))
        if shares:
            found = difference(*(wilson(float(side.sum()), len(side)) for side in (first, second)))
        else:
            found = difference_of_means(second, first)
        how = "Newcombe" if shares else "Welch"
        return Found(
            found, f"gain over the baseline {with_interval(found)} of {len(first)} and {len(second)} rows, {how}"
        )
    paired = compare(ours.scores, theirs.scores, shares=shares)
    if paired is None:
        return Found(None, "no rows were answered by both models")
    told["gain"] = asdict(paired)
    return Found(paired.interval, f"gain over the baseline {paired_text(paired)}")
