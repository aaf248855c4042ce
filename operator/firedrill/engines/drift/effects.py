"""How far a distribution has moved, by measures that people know. They are told and decide nothing."""

from itertools import pairwise
from typing import Final

import numpy as np
from scipy import special

from firedrill.engines.drift.ordered import Counts, Floats, Ordered

#: Bins between quantiles of the reference.
QUANTILE_BINS: Final = 10
#: Quantiles at which two samples are compared for the Wasserstein distance.
GRID: Final = 1000


def psi(reference: Counts, current: Counts) -> float:
    """Population stability index: sum of (q-p) ln(q/p) over bins with shares p and q, less its mean without a change.

    Half a value is added to each bin of both sides, so that an empty bin gives a finite, large term. Without a
    change k bins of n and m values still have (k-1)(1/n+1/m) on average: that is taken off, not below 0.
    """
    n, m = float(reference.sum()), float(current.sum())
    p = (reference + 0.5) / (n + 0.5 * len(reference))
    q = (current + 0.5) / (m + 0.5 * len(current))
    index = float(np.sum((q - p) * np.log(q / p)))
    return max(index - (len(reference) - 1) * (1 / n + 1 / m), 0.0)


def jensen_shannon(reference: Counts, current: Counts) -> float:
    """Jensen-Shannon distance of the shares of bins: the root of the divergence in bits, 0..1."""
    p, q = reference / reference.sum(), current / current.sum()
    mean = (p + q) / 2
    bits = special.rel_entr(p, mean) + special.rel_entr(q, mean)
    return float(np.sqrt(max(float(bits.sum()) / 2 / np.log(2), 0.0)))


def wasserstein(reference: Ordered, current: Ordered) -> float | None:
    """How far values have moved on average, in standard deviations of the reference.

    The mean difference of the quantiles at a thousand levels. None where the reference does not vary, or where
    numbers are too large to be subtracted.
    """
    levels = (np.arange(GRID) + 0.5) / GRID
    first, second = (side.at((levels * side.size).astype(np.int64)) for side in (reference, current))
    with np.errstate(over="ignore", invalid="ignore"):
        spread = float(np.std(first))
        moved = float(np.mean(np.abs(first - second)))
    return moved / spread if spread > 0 and np.isfinite(spread) and np.isfinite(moved) else None


def quantile_edges(reference: Ordered) -> Floats:
    """Edges of bins that hold equal shares of the reference, repeated quantiles joined, and of two more bins that
    hold nothing of it: below its least and above its greatest value.

    A bin holds the values above its lower edge, up to and including its upper one.
    """
    ranks = np.ceil(np.arange(1, QUANTILE_BINS) / QUANTILE_BINS * reference.size).astype(np.int64) - 1
    below = np.nextafter(reference.least, -np.inf)
    inner = reference.at(np.clip(ranks, 0, reference.size - 1))
    return np.unique(np.concatenate([[below], inner, [reference.greatest]]))


def bin_counts(sample: Ordered, edges: Floats) -> Counts:
    """Counts of the values in the bins between the edges: len(edges) + 1 of them."""
    return np.diff(np.concatenate([[0], sample.up_to(edges), [sample.size]])).astype(np.int64)


def bin_labels(edges: Floats) -> list[str]:
    """What each bin holds, for people."""
    shown = [f"{edge:.4g}" for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(shown)]
    return [f"below {shown[0]}", *between, f"above {shown[-1]}"]
