"""Two models asked the same rows: what is said of one row by both is compared, which tells more than two accuracies."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from firedrill.engines.common.intervals import exact
from firedrill.engines.common.shares import Interval, difference
from firedrill.engines.model.limits import with_interval
from firedrill.engines.model.quality.metric import RESAMPLES, SEED, clipped, mean_interval


@dataclass(frozen=True)
class Comparison:
    """The model minus the baseline, so that above 0 it is better. ``p_value`` is of no difference at all."""

    interval: Interval
    p_value: float
    only_model: int
    only_baseline: int
    test: str


def compare(model: Mapping[int, float], baseline: Mapping[int, float], *, shares: bool) -> Comparison | None:
    """Compare scores of rows that both answered; None where there are none.

    Shares, 0 to 1: the exact test of signs (McNemar's, where each is 0 or 1), and a paired bootstrap of the difference,
    no narrower than what exact intervals of its two parts leave. Errors: a paired t-test.
    """
    rows = sorted(model.keys() & baseline.keys())
    if len(rows) < 2:
        return None
    ours, theirs = np.array([model[row] for row in rows]), np.array([baseline[row] for row in rows])
    if not shares:
        gain = theirs - ours
        p_value = float(stats.ttest_rel(theirs, ours).pvalue) if gain.std() > 0 else float(gain.mean() == 0)
        return Comparison(mean_interval(gain), p_value, int((gain > 0).sum()), int((gain < 0).sum()), "paired t")
    apart = ours - theirs
    ours_alone, theirs_alone = int((apart > 0).sum()), int((apart < 0).sum())
    p_value = float(stats.binomtest(ours_alone, ours_alone + theirs_alone).pvalue) if apart.any() else 1.0
    test = "McNemar exact" if set(apart.tolist()) <= {-1.0, 0.0, 1.0} else "test of signs"
    return Comparison(_difference(apart), p_value, ours_alone, theirs_alone, test)


def _difference(apart: NDArray[np.float64]) -> Interval:
    """Mean of differences of -1 to 1, with its 95 % interval.

    The bootstrap alone is too narrow where few rows differ and most to one side: it missed up to 7 of 100, nearly all
    above. So it holds the difference of exact intervals of what was won and what was lost, whose bounds are joined as
    those of independent shares are (MOVER, Zou and Donner 2008).
    """
    # Half a row more on each side: without it, models that never differed would be certain to be the same.
    values, counts = np.unique(np.concatenate([apart, [1.0, -1.0]]), return_counts=True)
    cells = counts - 0.5 * (np.abs(values) == 1)
    draws = np.random.default_rng(SEED).multinomial(len(apart), cells / cells.sum(), RESAMPLES)
    low, high = np.quantile(draws @ values / len(apart), (0.025, 0.975))
    won = exact(math.fsum(apart[apart > 0]), len(apart), 0.95)
    lost = exact(-math.fsum(apart[apart < 0]), len(apart), 0.95)
    both = difference(won, lost)
    return clipped(Interval(both.value, min(float(low), both.low), max(float(high), both.high), len(apart)), low=-1)


def paired_text(found: Comparison) -> str:
    """A comparison for people."""
    return (
        f"{with_interval(found.interval)} of {found.interval.size} rows, {found.only_model} better and "
        f"{found.only_baseline} worse, {found.test} p = {found.p_value:.3g}"
    )
