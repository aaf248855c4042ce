"""Two models asked the same rows: what is said of one row by both is compared, which tells more than two accuracies."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from firedrill.engines.common.shares import Interval
from firedrill.engines.model.limits import with_interval
from firedrill.engines.model.quality.metric import RESAMPLES, SEED, UNSEEN, clipped, mean_interval


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
    with the room of the rule of three. Errors: a paired t-test.
    """
    rows = sorted(model.keys() & baseline.keys())
    if len(rows) < 2:
        return None
    ours, theirs = np.array([model[row] for row in rows]), np.array([baseline[row] for row in rows])
    if not shares:
        gain = theirs - ours
        p_value = float(stats.ttest_rel(theirs, ours).pvalue) if gain.std() > 0 else float(gain.mean() == 0)
        return Comparison(mean_interval(gain), p_value, int((gain > 0).sum()), int((gain < 0).sum()), "paired t")
    ours_alone, theirs_alone = int((ours > theirs).sum()), int((theirs > ours).sum())
    apart = ours_alone + theirs_alone
    p_value = float(stats.binomtest(ours_alone, apart).pvalue) if apart else 1.0
    # Half a row more on each side: without it, models that never differed would be certain to be the same.
    values, counts = np.unique(np.concatenate([ours - theirs, [1.0, -1.0]]), return_counts=True)
    cells = counts - 0.5 * (np.abs(values) == 1)
    draws = np.random.default_rng(SEED).multinomial(len(rows), cells / cells.sum(), RESAMPLES)
    low, high = np.quantile(draws @ values / len(rows), (0.025, 0.975))
    value, room = float((ours - theirs).mean()), UNSEEN / len(rows)
    interval = clipped(
        Interval(value, min(float(low), value - room), max(float(high), value + room), len(rows)), low=-1
    )
    test = "McNemar exact" if set(values.tolist()) <= {-1.0, 0.0, 1.0} else "test of signs"
    return Comparison(interval, p_value, ours_alone, theirs_alone, test)


def paired_text(found: Comparison) -> str:
    """A comparison for people."""
    return (
        f"{with_interval(found.interval)} of {found.interval.size} rows, {found.only_model} better and "
        f"{found.only_baseline} worse, {found.test} p = {found.p_value:.3g}"
    )
