"""How new, how much, how fast."""

import statistics
from datetime import timedelta

import numpy as np
import pyarrow.compute as pc

from firedrill.api.datachecks import FreshnessCheck, SpeedCheck, VolumeCheck
from firedrill.api.times import to_unix
from firedrill.engines.pipeline.distribution import limit_text
from firedrill.engines.pipeline.finding import Finding, Shown, as_mask
from firedrill.engines.pipeline.subject import Latencies, Subject

_CONFIDENCE = 0.99


def freshness(check: FreshnessCheck, subject: Subject) -> list[Finding]:
    """Age of the newest row in seconds, and how far any row is in the future. Raises NotTimes."""
    data, name = subject.data, check.column
    times, now = to_unix(data.column(name), name), subject.now.timestamp()
    limit, ahead = f"<= {check.max_age.total_seconds():g}", f"<= {check.max_ahead.total_seconds():g}"
    valid = len(times) - times.null_count
    if not valid:
        return [Finding(f"freshness({name})", None, "s", limit, None, f"no time in {data.num_rows} rows")]
    latest = float(pc.max(times).as_py())
    # A row of tomorrow must not make old data look new.
    bound = now + check.max_ahead.total_seconds()
    present = times.filter(pc.less_equal(times, bound)) if latest > bound else times
    newest = pc.max(present).as_py()
    age = None if newest is None else max(now - float(newest), 0.0)
    passed = age <= check.max_age.total_seconds() if age is not None else None
    found = [Finding(f"freshness({name})", age, "s", limit, passed, f"age of the newest of {valid} rows")]
    lead = max(latest - now, 0.0)
    shown = None
    if latest > bound:
        late = np.flatnonzero(as_mask(pc.greater(times, bound))).astype(np.int64)
        shown = Shown(data, late, (name,))
    detail = f"how far the newest of {valid} rows is in the future"
    found.append(Finding(f"future({name})", lead, "s", ahead, latest <= bound, detail, shown))
    return found


def volume(check: VolumeCheck, subject: Subject) -> list[Finding]:
    """Number of rows against bounds, and against the median of other tables."""
    rows, found = subject.data.num_rows, []
    if check.min is not None:
        found.append(Finding("volume", float(rows), "rows", f">= {check.min}", rows >= check.min, f"{rows} rows"))
    if check.max is not None:
        found.append(Finding("volume", float(rows), "rows", f"<= {check.max}", rows <= check.max, f"{rows} rows"))
    if check.history:
        counts = [subject.tables[name].num_rows for name in check.history]
        usual = statistics.median(counts)
        limit = limit_text(check.min_ratio, check.max_ratio)
        said = f"{rows} rows, usually {usual:g} (median of {len(counts)} tables)"
        if usual == 0:
            found.append(Finding("volume against history", None, "times", limit, None, said))
        else:
            ratio = rows / usual
            passed = check.min_ratio <= ratio <= check.max_ratio
            found.append(Finding("volume against history", ratio, "times", limit, passed, said))
    return found


def speed(check: SpeedCheck, subject: Subject) -> list[Finding]:
    """Duration of the slowest run, rows a second of the slowest, and quantiles of latency."""
    found = []
    runs = len(subject.runs)
    if check.max_duration is not None:
        slowest = max((run.seconds for run in subject.runs), default=None)
        bound = check.max_duration.total_seconds()
        passed = None if slowest is None else slowest <= bound
        found.append(Finding("duration", slowest, "s", f"<= {bound:g}", passed, f"slowest of {runs} runs"))
    if check.min_rows_per_second is not None:
        rates = [(run.rows / run.seconds, run.rows) for run in subject.runs if run.rows is not None and run.seconds > 0]
        rate, rows = min(rates, default=(None, 0))
        limit = check.min_rows_per_second
        passed = None if rate is None or rows == 0 else rate >= limit
        detail = f"{rows} rows, slowest of {runs} runs"
        found.append(Finding("throughput", rate, "rows/s", f">= {limit:g}", passed, detail))
    latencies = next((run.latencies for run in subject.runs if run.latencies is not None), None)
    if latencies is not None:
        bounds = ((0.5, check.max_p50), (0.95, check.max_p95), (0.99, check.max_p99))
        found += [_latency(latencies, q, bound) for q, bound in bounds if bound is not None]
        written = len(latencies.seconds) + latencies.missing
        share = latencies.missing / written if written else None
        detail = f"{latencies.missing} of {written} messages did not come out"
        found.append(Finding("lost messages", share, "ratio", "<= 0", None if share is None else share == 0, detail))
    return found


def _latency(latencies: Latencies, q: float, bound: timedelta) -> Finding:
    """A quantile with one-sided 99 % bounds by order statistics; what never came is later than all that did."""
    from scipy import stats

    seconds = bound.total_seconds()
    ordered = np.sort(np.asarray([*latencies.seconds, *[np.inf] * latencies.missing], dtype=np.float64))
    n, name, limit = len(ordered), f"p{100 * q:g}", f"<= {seconds:g}"
    high = int(stats.binom.ppf(_CONFIDENCE, n, q)) + 1 if n else 1
    low = int(stats.binom.ppf(1 - _CONFIDENCE, n, q)) if n else 0
    passed: bool | None = None
    if high <= n and ordered[high - 1] <= seconds:
        passed = True
    elif low >= 1 and ordered[low - 1] > seconds:
        passed = False
    value = float(ordered[max(int(np.ceil(q * n)) - 1, 0)]) if n else None
    few = "; too few to say" if high > n else ""
    return Finding(f"latency {name}", value, "s", limit, passed, f"{n} messages, one-sided 99 % bounds{few}")
