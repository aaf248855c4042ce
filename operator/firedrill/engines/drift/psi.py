"""The population stability index: how far the shares of bins have moved. An effect size, not a test."""

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Bins between quantiles of the reference.
QUANTILE_BINS: Final = 10


def psi(reference: Counts, current: Counts) -> float:
    """Sum of (q-p) ln(q/p) over bins with shares p and q; 0 means equal shares.

    Half a value is added to each bin of both sides, so that an empty bin gives a finite, large term.
    """
    p = (reference + 0.5) / (reference.sum() + 0.5 * len(reference))
    q = (current + 0.5) / (current.sum() + 0.5 * len(current))
    return float(np.sum((q - p) * np.log(q / p)))


def quantile_edges(reference: Floats) -> Floats:
    """Edges of bins that hold equal shares of the sorted reference, repeated quantiles joined, and of two more
    bins that hold nothing of it: below its least and above its greatest value.

    A bin holds the values above its lower edge, up to and including its upper one.
    """
    ranks = np.ceil(np.arange(1, QUANTILE_BINS + 1) / QUANTILE_BINS * len(reference)).astype(np.int64) - 1
    below = np.nextafter(reference[:1], -np.inf)
    return np.unique(np.concatenate([below, reference[np.clip(ranks, 0, len(reference) - 1)]]))


def bin_counts(sample: Floats, edges: Floats) -> Counts:
    """Counts of a sorted sample in the bins between the edges: len(edges) + 1 of them."""
    cuts = np.searchsorted(sample, edges, side="right")
    return np.diff(np.concatenate([[0], cuts, [len(sample)]])).astype(np.int64)


def bin_labels(edges: Floats) -> list[str]:
    """What each bin holds, for people."""
    shown = [f"{edge:.4g}" for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(shown)]
    return [f"below {shown[0]}", *between, f"above {shown[-1]}"]
