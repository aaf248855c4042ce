"""Measured figures of one phase against their limits: passed, failed, or undecided."""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from firedrill.api.performancebenchmark import BenchmarkThresholds
from firedrill.api.verdict import Measurement
from firedrill.engines.benchmark.tally import Phase, PodUsage, Tally
from firedrill.engines.common.effective import CertifiedQuantile, certified, share_of
from firedrill.engines.common.histogram import Histogram
from firedrill.engines.common.shares import Interval

#: A share of requests that leaves late by the client's fault, above which latency says more of the client.
LATE_SHARE_ALLOWED: Final = 0.05
BUSY_ALLOWED: Final = 0.9
LAG_ALLOWED: Final = 0.010
LEVELS: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "p999": 0.999}
_DETAIL: Final = 512


@dataclass(frozen=True)
class Check:
    """One figure against its limit. ``passed`` is None where it is undecided, or has no limit."""

    measurement: Measurement
    phrase: str
    blames_latency: bool = False

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return bool(self.measurement.limit)

    @property
    def passed(self) -> bool | None:
        """Whether the limit holds."""
        return self.measurement.passed


def lag_allowed(limits: BenchmarkThresholds) -> float:
    """Seconds that the client may be late: 10 ms, or a tenth of the strictest limit on latency if that is more."""
    given = [limit for limit in (limits.max_p50, limits.max_p95, limits.max_p99, limits.max_p999) if limit is not None]
    return max([LAG_ALLOWED, min(limit.total_seconds() for limit in given) / 10] if given else [LAG_ALLOWED])


def saturated(tally: Tally) -> bool:
    """Whether what was measured says more of the client than of the server."""
    size = tally.latency.size
    return size > 0 and (tally.late > LATE_SHARE_ALLOWED * size or tally.busy > BUSY_ALLOWED)


def reaches(phase: Phase, limits: BenchmarkThresholds) -> bool:
    """Whether good answers came at the rate that was asked for, less the share that may fail.

    Counted in the second half of the time, as they came: a server that is behind hands in the rest after the end. By
    Student's 99 % interval over pieces of time.
    """
    tally = phase.tally
    allowed = limits.max_error_rate if limits.max_error_rate is not None and limits.max_error_rate < 1 else 0.0
    each = tally.done[len(tally.done) // 2 :] / (tally.seconds / len(tally.done))
    spread = float(stats.t.ppf(0.995, len(each) - 1) * each.std(ddof=1) / math.sqrt(len(each)))
    return float(each.mean()) + spread >= (phase.rate or 0.0) * (1 - allowed)


def check_phase(phase: Phase, limits: BenchmarkThresholds) -> tuple[Check, ...]:
    """Every figure of a phase that has answers or failures, in the order that a person wants them."""
    tally = phase.tally
    of_latency = {
        "p50": limits.max_p50,
        "p95": limits.max_p95,
        "p99": limits.max_p99,
        "p999": limits.max_p999,
    }
    checks = [_errors(tally, limits.max_error_rate)]
    checks += [_quantile(f"latency_{name}", tally.latency, LEVELS[name], limit) for name, limit in of_latency.items()]
    checks.append(_throughput(tally, limits.min_throughput))
    of_tokens = (limits.max_first_token_p95, limits.max_between_tokens_p95, limits.min_tokens_per_second)
    if tally.tokens or any(limit is not None for limit in of_tokens):
        checks.append(_quantile("first_token_p95", tally.first, 0.95, limits.max_first_token_p95))
        checks.append(_quantile("between_tokens_p95", tally.between, 0.95, limits.max_between_tokens_p95))
        checks.append(_tokens(tally, limits.min_tokens_per_second))
    found = tuple(checks)
    return tuple(_acquit(check) for check in found) if saturated(tally) else found


def check_pods(usage: PodUsage, limits: BenchmarkThresholds) -> tuple[Check, ...]:
    """Memory and processor of the largest serving pod."""
    memory = None if usage.memory_bytes is None else usage.memory_bytes / 2**20
    seen = f"most of {usage.pods} pods in {usage.samples} looks" if usage.samples else f"not seen: {usage.problem}"
    return (
        _at_most("memory", memory, "MiB", limits.max_memory_mi_b, seen),
        _at_most("cpu", usage.cpu_cores, "cores", limits.max_cpu_cores, seen),
    )


def check_growth(tally: Tally, limit: float | None) -> Check:
    """Soak: growth of the median from the first third of the time to the last, with a bootstrap over batches."""
    medians = np.array([_median(tally.latency, i) for i in range(len(tally.latency.failed))])
    # Where all failed the median is infinite, and so is the growth up to there.
    known = medians[~np.isnan(medians)]
    if len(known) < 9:
        return _made("soak_growth", None, "ratio", limit, "<=", None, "growth unknown: too few answers in parts of it")
    third = len(known) // 3
    draws = np.random.default_rng(1).integers(0, third, (2000, 2, third))
    first, last = known[:third], known[-third:]
    if not math.isfinite(float(np.median(first))):
        return _made("soak_growth", None, "ratio", limit, "<=", None, "growth unknown: most failed from the beginning")
    ratios = _growth(np.median(first[draws[:, 0]], axis=1), np.median(last[draws[:, 1]], axis=1))
    value = float(_growth(np.median(first), np.median(last)))
    low, high = (float(bound) for bound in np.quantile(ratios, (0.025, 0.975), method="inverted_cdf"))
    passed = None if limit is None else True if high <= limit else False if low > limit else None
    grown, least, most = (_percent(item) for item in (value, low, high))
    phrase = f"median latency grew by {grown} (95% {least} to {most}) from the first third to the last"
    return _made("soak_growth", value, "ratio", limit, "<=", passed, phrase)


def _growth(first: Any, last: Any) -> NDArray[np.float64]:
    """Growth by draws; without end where the last is an outage, whatever the first was."""
    finite = np.isfinite(last)
    return np.where(finite, np.where(finite, last, 0.0) / first - 1, np.inf)


def _percent(growth: float) -> str:
    return f"{growth:.1%}" if math.isfinite(growth) else "no end"


def _errors(tally: Tally, limit: float | None) -> Check:
    found = share_of(tally.latency.failed, tally.latency.sizes())
    passed = None if limit is None else _share_at_most(found, limit)
    phrase = f"error rate {found.value:.4g} (95% {found.low:.4g} to {found.high:.4g}) of {found.size} requests"
    return _made("error_rate", found.value, "ratio", limit, "<=", passed, phrase)


def _share_at_most(found: Interval, limit: float) -> bool | None:
    if limit <= 0:
        return found.value <= 0
    return True if found.high <= limit else False if found.low > limit else None


def _quantile(name: str, histogram: Histogram, level: float, limit: timedelta | None) -> Check:
    found = certified(histogram, level)
    seconds = None if limit is None else limit.total_seconds()
    if found is None:
        return _made(name, None, "s", seconds, "<=", None, f"{name} unknown: nothing was measured")
    passed = None
    if seconds is not None and found.high is not None:
        passed = True if found.high <= seconds else False if found.low is not None and found.low > seconds else None
    value = found.value if math.isfinite(found.value) else None
    return _made(name, value, "s", seconds, "<=", passed, _said(name, found), blames_latency=True)


def _said(name: str, found: CertifiedQuantile) -> str:
    bounds = f"99% bounds {_seconds(found.low)} and {_seconds(found.high)}"
    worth = "" if found.effective == found.size else f" worth {found.effective} independent ones"
    needed = math.ceil(math.log(0.01) / math.log(found.level))
    few = f", too few to certify it: {needed} are needed" if found.high is None else ""
    return f"{name} {_seconds(found.value)} ({bounds}) of {found.size} requests{worth}{few}"


def _throughput(tally: Tally, limit: float | None) -> Check:
    """Good answers a second, with Student's interval over the pieces of time that were driven.

    Of a load that was cut short nothing is decided: the rest was not put.
    """
    value = tally.latency.answered / _driven_seconds(tally)
    low, high, passed = _rate(tally, value, limit)
    phrase = f"throughput {value:.4g} good answers a second (95% {low:.4g} to {high:.4g})"
    return _made("throughput", value, "1/s", limit, ">=", passed, phrase, blames_latency=True)


def _rate(tally: Tally, value: float, limit: float | None) -> tuple[float, float, bool | None]:
    """Bounds of a rate that goes with the good answers, and whether it reaches a limit."""
    sizes = tally.latency.sizes()
    # The piece in which it was cut short is not whole.
    driven = int(np.flatnonzero(sizes)[-1]) if tally.stopped and sizes.any() else len(sizes)
    each = tally.latency.counts.sum(axis=1)[: max(driven, 2)] / max(tally.latency.counts.sum(), 1) * len(sizes) * value
    spread = float(stats.t.ppf(0.975, len(each) - 1) * each.std(ddof=1) / math.sqrt(len(each)))
    low, high = value - spread, value + spread
    passed = None if limit is None or tally.stopped else True if low >= limit else False if high < limit else None
    return max(low, 0.0), high, passed


def _driven_seconds(tally: Tally) -> float:
    return tally.elapsed if tally.stopped and tally.elapsed > 0 else max(tally.elapsed, tally.seconds)


def _tokens(tally: Tally, limit: float | None) -> Check:
    """Tokens a second; they vary over the pieces of time as the answers do that hold them."""
    value = tally.tokens / _driven_seconds(tally)
    low, high, passed = _rate(tally, value, limit)
    phrase = f"{value:.4g} tokens a second (95% {low:.4g} to {high:.4g}), {tally.tokens} in all"
    return _made("tokens_per_second", value, "1/s", limit, ">=", passed, phrase, blames_latency=True)


def _at_most(name: str, value: float | None, unit: str, limit: float | None, seen: str) -> Check:
    passed = None if limit is None or value is None else value <= limit
    phrase = f"{name} unknown ({seen})" if value is None else f"{name} {value:.4g} {unit} ({seen})"
    return _made(name, value, unit, limit, "<=", passed, phrase)


def _made(
    name: str,
    value: float | None,
    unit: str,
    limit: float | None,
    sign: str,
    passed: bool | None,
    phrase: str,
    *,
    blames_latency: bool = False,
) -> Check:
    text = "" if limit is None else f"{sign} {limit:g}"
    measurement = Measurement(
        name=name,
        value=value,
        unit=unit,
        limit=text,
        passed=passed,
        detail=phrase[:_DETAIL],
        weight=1.0 if text else 0.0,
    )
    return Check(measurement, f"{phrase}, limit {text} {unit}" if text else phrase, blames_latency)


def _acquit(check: Check) -> Check:
    """A late client can not blame the server for latency; it can acquit it, since its own delay is in the figure."""
    if not check.blames_latency or check.passed is not False:
        return check
    return Check(check.measurement.model_copy(update={"passed": None}), check.phrase, blames_latency=True)


def _median(histogram: Histogram, batch: int) -> float:
    one = Histogram(1)
    one.counts[0], one.failed[0] = histogram.counts[batch], histogram.failed[batch]
    found = certified(one, 0.5)
    return math.nan if found is None else found.value


def _seconds(value: float | None) -> str:
    if value is None:
        return "unknown"
    if not math.isfinite(value):
        return "no answer"
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
