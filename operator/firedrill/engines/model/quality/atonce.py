"""Two models under load at the same time: which of them fails more often, and which is slower."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from firedrill.api.baseline import Baseline, BaselineMode
from firedrill.engines.common.effective import worth
from firedrill.engines.common.shares import Interval, difference, wilson
from firedrill.engines.model.limits import with_interval
from firedrill.engines.model.quality.paired import compare, paired_text
from firedrill.engines.model.quality.sides import Found, Side, by_row, failed, latency, measured, measured_pairs
from firedrill.engines.model.quality.twosample import difference_of_medians, median_of_differences
from firedrill.engines.model.records import RequestRecord


def error_increase(ours: Side, theirs: Side, wanted: Baseline, told: dict[str, Any]) -> Found:
    """How far the error rate of the model is above that of the baseline; rows count once, however often sent."""
    if wanted.mode is BaselineMode.SPLIT:
        one, other = (_error_rate(measured(side)) for side in (ours, theirs))
        found = difference(one, other)
        of = f"of {one.size} and {other.size} rows, Newcombe"
        return Found(found, f"error rate above the baseline's by {with_interval(found)} {of}")
    pairs = measured_pairs(ours, theirs)
    sides = [[pair[side] for pair in pairs] for side in (0, 1)]
    answered = [by_row(side, [float(not failed(item)) for item in side], statistics.fmean) for side in sides]
    paired = compare(answered[0], answered[1], shares=True)
    if paired is None:
        return Found(None, "error_increase unknown: fewer than two rows were sent to both models")
    told["errors"] = asdict(paired)
    gain = paired.interval
    turned = replace(paired, interval=Interval(-gain.value + 0.0, -gain.high + 0.0, -gain.low + 0.0, gain.size))
    return Found(turned.interval, f"error rate above the baseline's by {paired_text(turned)}")


def _error_rate(records: Sequence[RequestRecord]) -> Interval:
    """Share of failures over rows, or over what they are worth where failures come in bursts."""
    failures = [float(failed(record)) for record in records]
    rows = by_row(records, failures, statistics.fmean)
    size = max(int(len(rows) * worth(failures, 0.5)), 1)
    return wilson(statistics.fmean(rows.values()) * size, size)


def slowdown(ours: Side, theirs: Side, wanted: Baseline) -> Found:
    """How much slower the model is, of what the baseline answered: a failure of the baseline says nothing of speed.

    A request that the model failed is slower than any other.
    """
    if wanted.mode is BaselineMode.SPLIT:
        sides = measured(ours), [record for record in measured(theirs) if not failed(record)]
        latencies = [[latency(item) for item in side] for side in sides]
        rows = [_medians(side, values) for side, values in zip(sides, latencies, strict=True)]
        worths = [_worth_of_median(values) for values in latencies]
        found = difference_of_medians(rows[0], rows[1], (worths[0], worths[1]))
        of = f"{len(rows[0])} and {len(rows[1])} rows, medians"
    else:
        pairs = [pair for pair in measured_pairs(ours, theirs) if not failed(pair[1])]
        apart = [latency(one) - latency(other) for one, other in pairs]
        rows = [_medians([one for one, _ in pairs], apart)]
        found = median_of_differences(rows[0], _worth_of_median(apart))
        of = f"{len(rows[0])} rows that the baseline answered, median of the differences"
    if found is None or found.low == -math.inf:
        return Found(None, f"slowdown unknown: {of}, are too few")
    if found.value == math.inf:
        return Found(found, f"slower than the baseline without end: most are not answered, of {of}")
    return Found(found, f"slower than the baseline by {with_interval(found)} s of {of}")


def _medians(records: Sequence[RequestRecord], values: Sequence[float]) -> list[float]:
    """One value a row."""
    return list(by_row(records, values, statistics.median).values())


def _worth_of_median(values: Sequence[float]) -> float:
    return worth(values, statistics.median(values)) if values else 1.0
