"""The bins that a report shows of a column, and the distances that are taken over them."""

from dataclasses import replace
from typing import Final

import numpy as np

from firedrill.engines.drift.effects import bin_counts, bin_labels, jensen_shannon, psi, quantile_edges, wasserstein
from firedrill.engines.drift.ordered import Counts
from firedrill.engines.drift.report import Bin, Effects
from firedrill.engines.drift.values import Categories, Numbers

#: Categories shown one by one; the others are shown as one bin.
CATEGORIES_SHOWN: Final = 12


def numeric_bins(a: Numbers, b: Numbers, offset: int) -> tuple[Effects, tuple[Bin, ...]]:
    """Bins between quantiles of the reference, of what is outside it, and of what is no finite number."""
    edges = quantile_edges(a.values)
    labels = [f"{label} + {offset}" if offset else label for label in bin_labels(edges)]
    extra = ("missing", "infinite", "not a number")
    counts = [
        np.concatenate(
            [
                bin_counts(side.values, edges),
                [side.missing, side.plus_infinite + side.minus_infinite, side.invalid],
            ]
        )
        for side in (a, b)
    ]
    effects, bins = _bins([*labels, *extra], counts[0], counts[1])
    return replace(effects, wasserstein=wasserstein(a.values, b.values)), bins


def category_bins(c: Categories) -> tuple[Effects, tuple[Bin, ...]]:
    """Bins of the commonest categories, of those that the reference lacks, of the rest, and of missing values."""
    if c.reference.sum() + c.reference_missing == 0 or c.current.sum() + c.current_missing == 0:
        return Effects(), ()
    total = c.reference + c.current
    known = np.flatnonzero(c.reference > 0)
    shown = known[np.lexsort((c.ranks[known], -total[known]))][:CATEGORIES_SHOWN]
    unseen = c.reference == 0
    rest = ~unseen
    rest[shown] = False
    labels = [c.names[i][:64] for i in shown.tolist()] + ["other values", "not in the reference", "missing"]
    counts = [
        np.concatenate([side[shown], [side[rest].sum(), side[unseen].sum(), missing]])
        for side, missing in ((c.reference, c.reference_missing), (c.current, c.current_missing))
    ]
    return _bins(labels, counts[0], counts[1])


def _bins(labels: list[str], first: Counts, second: Counts) -> tuple[Effects, tuple[Bin, ...]]:
    used = np.flatnonzero((first + second) > 0)
    a, b = first[used], second[used]
    shares = zip(used.tolist(), (a / a.sum()).tolist(), (b / b.sum()).tolist(), strict=True)
    effects = Effects(psi=psi(a, b), jensen_shannon=jensen_shannon(a, b))
    return effects, tuple(Bin(labels[i], p, q) for i, p, q in shares)
