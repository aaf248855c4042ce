"""What a sample is worth whose values depend on their neighbours: effective sizes by batch means."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from firedrill.engines.common.histogram import Histogram, lower_edge, upper_edge
from firedrill.engines.common.intervals import QUANTILE_CONFIDENCE
from firedrill.engines.common.shares import Interval, wilson

#: Batches that differ by more than chance does at this level are taken for dependent.
DISPERSION_LEVEL: Final = 0.99
#: Pieces of a load that are compared with each other, to see whether neighbours depend on each other.
PIECES: Final = 16


def effective_size(hits: NDArray[np.int64], sizes: NDArray[np.int64]) -> int:
    """Independent values that would tell as much as these.

    ``hits`` of ``sizes`` values in each batch have some property. The variance between batches, over that of a
    binomial, is the design effect (method of batch means). It is 1 unless the batches differ by more than chance: its
    own noise would take a tenth of every sample.
    """
    used = sizes > 0
    hits, sizes = hits[used], sizes[used]
    total = int(sizes.sum())
    share = hits.sum() / total if total else 0.0
    if len(sizes) < 2 or share <= 0 or share >= 1:
        return total
    dispersion = float(np.sum((hits - sizes * share) ** 2 / (sizes * share * (1 - share))))
    if dispersion <= stats.chi2.ppf(DISPERSION_LEVEL, len(sizes) - 1):
        return total
    return max(int(total * (len(sizes) - 1) / dispersion), 1)


def worth(values: Sequence[float] | NDArray[np.float64], edge: float) -> float:
    """Share of values, in the order of the schedule, that would tell as much were they independent (batch means).

    It is of how many are above ``edge``; with ties at it, those at it count with the ones above or not, whichever tells
    less.
    """
    ordered = np.array(values, float)
    return min(effective_size(*_pieces(side)) for side in (ordered > edge, ordered >= edge)) / max(len(values), 1)


def share_in_order(hits: Sequence[bool]) -> Interval:
    """A share, in the order of the schedule, with Wilson's 95 % interval over the effective size."""
    return share_of(*_pieces(np.array(hits, bool)))


def _pieces(hits: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hits and sizes of as many pieces as are compared with each other."""
    pieces = np.arange(len(hits)) * PIECES // max(len(hits), 1)
    counted = np.bincount(pieces, weights=hits, minlength=PIECES).astype(np.int64)
    return counted, np.bincount(pieces, minlength=PIECES)


@dataclass(frozen=True)
class CertifiedQuantile:
    """A quantile with one-sided 99 % bounds from order statistics, in seconds; infinite where it is a failure.

    A bound is None where the effective size is too small for it: for the upper one 90 for the 95th percentile, 459 for
    the 99th, 4,603 for the 99.9th.
    """

    level: float
    value: float
    low: float | None
    high: float | None
    size: int
    effective: int


def certified(histogram: Histogram, level: float) -> CertifiedQuantile | None:
    """Quantile of a histogram; None where it is empty. Edges of buckets are taken so that the bounds hold."""
    size = histogram.size
    if size == 0:
        return None
    rank = min(max(math.ceil(level * size - 1e-9), 1), size)
    bucket = histogram.at_rank(rank)
    effective = _worth(histogram, bucket)
    upper = (int(stats.binom.ppf(QUANTILE_CONFIDENCE, effective, level)) + 1) / effective
    lower = int(stats.binom.ppf(1 - QUANTILE_CONFIDENCE, effective, level)) / effective
    return CertifiedQuantile(
        level=level,
        value=math.inf if bucket is None else upper_edge(bucket),
        low=_edge(histogram, max(math.floor(lower * size + 1e-9), 1), low=True) if lower > 0 else None,
        high=_edge(histogram, min(math.ceil(upper * size - 1e-9), size), low=False) if upper <= 1 else None,
        size=size,
        effective=effective,
    )


def _worth(histogram: Histogram, bucket: int | None) -> int:
    """Effective size for a quantile in a bucket: by those above it, and by those in it or above; the less counts.

    With ties at the quantile nothing may be above it.
    """
    sizes = histogram.sizes()
    if bucket is None:
        return effective_size(histogram.failed, sizes)
    return min(effective_size(histogram.above(edge), sizes) for edge in (bucket - 1, bucket))


def share_of(hits: NDArray[np.int64], sizes: NDArray[np.int64]) -> Interval:
    """A share with Wilson's 95 % interval over the effective size. ``sizes`` must not all be zero."""
    total, effective = int(sizes.sum()), effective_size(hits, sizes)
    share = float(hits.sum()) / total
    found = wilson(share * effective, effective)
    return Interval(share, found.low, found.high, total)


def _edge(histogram: Histogram, rank: int, *, low: bool) -> float:
    bucket = histogram.at_rank(rank)
    if bucket is None:
        return math.inf
    return lower_edge(bucket) if low else upper_edge(bucket)
