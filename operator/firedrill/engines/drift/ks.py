"""The two-sample Kolmogorov-Smirnov test on sorted samples, ties included."""

import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Floats = NDArray[np.float64]

#: Up to this product of the sample sizes the exact distribution is used: it costs about a millisecond there.
EXACT_UP_TO: Final = 2_500_000


def ks_distance(first: Floats, second: Floats) -> float:
    """Largest distance between the two empirical distribution functions, in 0..1.

    Both samples must be sorted, finite and not empty. Exact also with ties: F - G is largest at a value of
    the first sample, G - F just before one, and there the order among equal values does not matter.
    """
    if len(first) > len(second):
        first, second = second, first
    n, m = len(first), len(second)
    at = np.searchsorted(second, first, side="right")
    # Where the samples share no value, the values before one are those up to it; looking is cheaper than searching.
    shared = bool(np.any(second[np.maximum(at - 1, 0)] == first))
    before = np.searchsorted(second, first, side="left") if shared else at
    steps = np.arange(n + 1, dtype=np.float64) / n
    above = float(np.max(steps[1:] - at / m))
    below = float(np.max(before / m - steps[:-1]))
    return max(above, below, 0.0)


def ks_p_value(distance: float, first: Floats, second: Floats) -> float:
    """Probability of such a distance or a larger one when both samples have one distribution.

    Exact for small samples (lattice paths, as scipy counts them). Above, Kolmogorov's limit at the effective
    sample size nm/(n+m): it is on the safe side there (by 1 % at 1000 and 1000, by 7 % at 5000 and 200),
    while the usual refinement by the one-sample distribution is not. Ties make both conservative.
    """
    n, m = len(first), len(second)
    if n * m <= EXACT_UP_TO:
        with warnings.catch_warnings():
            # The exact count can overflow; scipy then warns and answers by approximation.
            warnings.simplefilter("ignore", RuntimeWarning)
            return float(min(max(stats.ks_2samp(first, second, method="exact").pvalue, 0.0), 1.0))
    return float(special.kolmogorov(distance * np.sqrt(n * m / (n + m))))


def pooled_median(first: Floats, second: Floats) -> float:
    """A median of both samples together, each given sorted. The same whichever sample comes first."""
    if len(first) > len(second):
        first, second = second, first
    below = (len(first) + len(second) - 1) // 2
    # Bisect how many of the values below the median come from the first sample; the others come from the second.
    low, high = max(0, below - len(second)), min(len(first), below)
    while low < high:
        taken = (low + high) // 2
        if first[taken] < second[below - taken - 1]:
            low = taken + 1
        else:
            high = taken
    left = first[low] if low < len(first) else np.inf
    right = second[below - low] if below - low < len(second) else np.inf
    return float(min(left, right))


def folded(sample: Floats, center: float) -> Floats:
    """Sorted distances of a sorted sample from a center."""
    split = int(np.searchsorted(sample, center))
    # Two ascending runs, which a merging sort joins in one pass.
    distances = np.concatenate([center - sample[:split][::-1], sample[split:] - center])
    distances.sort(kind="stable")
    return distances
