"""A run against the last ones: is what it measured worse than they let one expect?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from firedrill.api.run import REGRESSION_PREFIX, Figure, Regression
from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.common.shares import wilson

#: One-sided, over all figures of a run together.
LEVEL: Final = 0.99
#: A share must be worse by at least this much: after runs without an error the first one is no news.
LEAST_SHARE: Final = 0.005


@dataclass(frozen=True)
class Regressed:
    """A verdict after comparison, with what was compared. ``past`` holds values by figure, oldest first, ours last."""

    verdict: Verdict
    reason: str
    message: str
    measurements: tuple[Measurement, ...]
    past: dict[str, list[float]]


def compared(
    verdict: Verdict,
    reason: str,
    message: str,
    measurements: Sequence[Measurement],
    past: Sequence[Sequence[Figure]],
    wanted: Regression | None,
    sizes: Mapping[str, int] | None = None,
) -> Regressed:
    """Hold figures against those of the last runs (newest first). Only a run that would pass can fail by it.

    ``sizes`` says of how many each figure is that counts a share.
    """
    if wanted is None:
        return Regressed(verdict, reason, message, tuple(measurements), {})
    limited = [item for item in measurements if item.value is not None and item.limit[:1] in ("<", ">")]
    found, series = [], {}
    for item in limited:
        before = [figure.value for run in reversed(past[: wanted.runs]) for figure in run if figure.name == item.name]
        series[item.name] = [*before, item.value or 0.0]
        found.append(_compare(item, before, wanted, len(limited), (sizes or {}).get(item.name)))
    worse = [item for item in found if item.passed is False]
    if worse and verdict is Verdict.PASSED:
        verdict, reason = Verdict.FAILED, "Regressed"
        message = f"Worse than the last runs: {'; '.join(item.detail for item in worse)}. {message}"
    return Regressed(verdict, reason, message, (*measurements, *found), series)


def _compare(
    item: Measurement, before: Sequence[float], wanted: Regression, figures: int, counted: int | None
) -> Measurement:
    """Student's prediction interval for one more run, at a level corrected for the number of figures.

    Of a share the whole interval of the count must be beyond it, too: like runs without an error have no spread.
    """
    value, name = item.value or 0.0, f"{REGRESSION_PREFIX}{item.name}"
    if len(before) < wanted.min_runs:
        detail = f"{item.name}: {len(before)} runs before, {wanted.min_runs} are needed"
        return Measurement(name=name, unit=item.unit, detail=detail, weight=0.0)
    values = np.array(before)
    mean, size = float(values.mean()), len(before)
    quantile = float(stats.t.ppf(1 - (1 - LEVEL) / figures, size - 1))
    spread = quantile * float(values.std(ddof=1)) * math.sqrt(1 + 1 / size)
    room = max(spread, wanted.min_change * abs(mean), LEAST_SHARE if item.unit == "ratio" else 0.0)
    higher = item.limit.startswith(">")
    bound = mean - room if higher else mean + room
    least, most = value, value
    if counted:
        share = wilson(value * counted, counted)
        least, most = share.low, share.high
    passed = most >= bound if higher else least <= bound
    detail = f"{item.name} {value:.4g}, mean of the {size} runs before {mean:.4g}, expected {'>=' if higher else '<='} "
    limit = f"{'>=' if higher else '<='} {bound:.4g}"
    return Measurement(
        name=name, value=value, unit=item.unit, limit=limit, passed=passed, detail=f"{detail}{bound:.4g}"
    )
