"""Measured quantities held against their limits: passed, failed, or undecided."""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from firedrill.api.modelvalidation import ModelTask, ValidationThresholds
from firedrill.api.verdict import Measurement
from firedrill.engines.common.intervals import Quantile, least_requests, requests_to_certify
from firedrill.engines.common.shares import Interval
from firedrill.engines.model.measure import LEVELS, Measured, certified


@dataclass(frozen=True)
class Check:
    """One quantity against its limit. ``passed`` is None when undecided, or when there is no limit."""

    name: str
    limited: bool
    passed: bool | None
    phrase: str
    measurement: Measurement
    too_few: bool = False


#: A client may be late by this much, or by a tenth of the strictest limit on latency if that is more.
LAG_ALLOWED: Final = 0.020
#: Requests that are slow together are looked for among those slower than this part of the limit: what comes and goes
#: far below is no news for it, and at the limit itself there are too few to see.
_NEAR: Final = 0.25
#: Where no latency is limited, only a client that does not come close to its rate matters.
LAG_ALLOWED_UNLIMITED: Final = 1.0


def lag_allowed(thresholds: ValidationThresholds, slowdown: timedelta | None = None) -> float:
    """Seconds that the client may be late by its own fault before its latencies say too little of the server.

    ``slowdown`` is the limit of what the model may be slower than its baseline.
    """
    wanted = (thresholds.max_p50, thresholds.max_p95, thresholds.max_p99, slowdown)
    limits = [limit for limit in wanted if limit is not None]
    if not limits:
        return LAG_ALLOWED_UNLIMITED
    return max(LAG_ALLOWED, min(limit.total_seconds() for limit in limits) / 10)


def check_all(
    measured: Measured, thresholds: ValidationThresholds, task: ModelTask, *, labelled: bool = True
) -> tuple[Check, ...]:
    """Every quantity, in the order that a person wants them; one without a limit does not count in the score."""
    share_of_right = labelled and task in (ModelTask.CLASSIFICATION, ModelTask.TEXT)
    limits = {"p50": thresholds.max_p50, "p95": thresholds.max_p95, "p99": thresholds.max_p99}
    return (
        *([_accuracy(measured, thresholds.min_accuracy)] if share_of_right else []),
        _error_rate(measured, thresholds.max_error_rate),
        *(_latency(name, measured, limit) for name, limit in limits.items()),
    )


def _accuracy(measured: Measured, limit: float | None) -> Check:
    interval = measured.accuracy
    if interval is None:
        phrase = "accuracy unknown (nothing was answered)"
        return make_check("accuracy", None, "ratio", f">= {limit:g}" if limit is not None else "", None, phrase)
    passed = None if limit is None else within_count(interval, limit, lower=False)
    phrase = f"accuracy {with_interval(interval)} of {interval.size} rows"
    return make_check("accuracy", interval.value, "ratio", "" if limit is None else f">= {limit:g}", passed, phrase)


def _error_rate(measured: Measured, limit: float | None) -> Check:
    interval = measured.errors
    passed = None if limit is None else within_count(interval, limit, lower=True)
    if passed is False and measured.client.saturated:
        # A busy client makes timeouts of its own; what the server said remains evidence.
        passed = False if within_count(measured.server_errors, limit or 0.0, lower=True) is False else None
    phrase = f"error rate {with_interval(interval)} of {interval.size} requests"
    return make_check("error_rate", interval.value, "ratio", "" if limit is None else f"<= {limit:g}", passed, phrase)


def _latency(name: str, measured: Measured, limit: timedelta | None) -> Check:
    seconds = None if limit is None else limit.total_seconds()
    value = measured.latency[name] if seconds is None else certified(measured.in_order, LEVELS[name], seconds * _NEAR)
    too_few = measured.requests < least_requests(LEVELS[name])
    passed = None if seconds is None or too_few else _quantile_at_most(value, seconds)
    phrase = f"{name} {_seconds(value.value)} ({_bounds(value)}) of {value.size} requests"
    if value.effective < value.size:
        phrase += f" that are slow together, and tell as much as {value.effective} would"
    elif seconds is not None and passed is None and not too_few:
        misses = sum(latency > seconds for latency in measured.in_order)
        phrase += (
            f", {misses} slower than the limit: would pass from {requests_to_certify(LEVELS[name], misses)} requests"
        )
    return make_check(
        f"latency_{name}",
        value.value if math.isfinite(value.value) else None,
        "s",
        "" if seconds is None else f"<= {seconds:g}",
        passed,
        phrase,
        too_few=seconds is not None and too_few,
    )


def make_check(
    name: str, value: float | None, unit: str, limit: str, passed: bool | None, phrase: str, too_few: bool = False
) -> Check:
    """A quantity as a check: ``limit`` is empty where there is none."""
    measurement = Measurement(
        name=name,
        value=value,
        unit=unit,
        limit=limit,
        passed=passed,
        detail=phrase[:512],
        weight=1.0 if limit else 0.0,
    )
    said = f"{phrase}, limit {limit}{' s' if unit == 's' else ''}" if limit else phrase
    return Check(name, bool(limit), passed, said, measurement, too_few)


def within_interval(found: Interval, limit: float, *, lower: bool) -> bool | None:
    """Whether the whole interval is on the good side of a limit, or on the bad one; ``lower`` is good, or higher."""
    if lower:
        return True if found.high <= limit else False if found.low > limit else None
    return True if found.low >= limit else False if found.high < limit else None


def within_count(share: Interval, limit: float, *, lower: bool) -> bool | None:
    """The same of a share of cases, of which a limit at its end asks that each is right: that is seen or not, and no
    interval lies wholly beyond it."""
    if lower and limit <= 0:
        return share.value <= 0
    if not lower and limit >= 1:
        return share.value >= 1
    return within_interval(share, limit, lower=lower)


def _quantile_at_most(value: Quantile, limit: float) -> bool | None:
    if value.high is not None and value.high <= limit:
        return True
    return False if value.low is not None and value.low > limit else None


def with_interval(interval: Interval) -> str:
    """A value with its interval, for people."""
    return f"{interval.value:.4g} (95% {interval.low:.4g} to {interval.high:.4g})"


def _bounds(value: Quantile) -> str:
    low = _seconds(value.low) if value.low is not None else "unknown"
    high = _seconds(value.high) if value.high is not None else "unknown"
    return f"99% bounds {low} and {high}"


def _seconds(value: float) -> str:
    return f"{value * 1000:.3g} ms" if value < 1 else (f"{value:.3g} s" if math.isfinite(value) else "no answer")
