"""The two-sample Kolmogorov-Smirnov test on sorted samples, ties included."""

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

#: Up to this product of the sample sizes the exact distribution is used: it costs about a millisecond there.
EXACT_UP_TO: Final = 2_500_000


@dataclass(frozen=True)
class Distance:
    """How far apart two empirical distribution functions F and G are, each in 0..1.

    ``above`` is the largest F - G, ``below`` the largest G - F.
    """

    above: float
    below: float

    @property
    def ks(self) -> float:
        """The Kolmogorov-Smirnov distance: the largest difference in the share of values up to a bound."""
        return max(self.above, self.below)

    @property
    def interval(self) -> float:
        """The largest difference in the share of values between two bounds (Kuiper's statistic); at least ``ks``.

        A shift moves both alike. A spread that grows moves values out of the middle to both sides: half of it
        is seen at any one bound, all of it between two.
        """
        return min(self.above + self.below, 1.0)


def distance(first: Floats, second: Floats) -> Distance:
    """Distances between the distribution functions of two samples that are sorted, finite and not empty.

    Exact also with ties: F - G is largest at a value of the first sample, G - F just before one, and there the
    order among equal values does not matter.
    """
    if len(first) > len(second):
        turned = distance(second, first)
        return Distance(turned.below, turned.above)
    n, m = len(first), len(second)
    at = np.searchsorted(second, first, side="right")
    # Where the samples share no value, the values before one are those up to it; looking is cheaper than searching.
    shared = bool(np.any(second[np.maximum(at - 1, 0)] == first))
    before = np.searchsorted(second, first, side="left") if shared else at
    steps = np.arange(n + 1, dtype=np.float64) / n
    above = float(np.max(steps[1:] - at / m))
    below = float(np.max(before / m - steps[:-1]))
    return Distance(max(above, 0.0), max(below, 0.0))


def p_value(ks: float, first: Floats, second: Floats) -> float:
    """Probability of such a distance or a larger one when both samples have one distribution.

    Exact for small samples (lattice paths, as scipy counts them). Above, Kolmogorov's limit at the effective
    sample size nm/(n+m): it is on the safe side there (by 1 % at 1000 and 1000, by 7 % at 5000 and 200),
    while the usual refinement by the one-sample distribution is not. Ties make both conservative.
    """
    n, m = len(first), len(second)
    if n * m <= EXACT_UP_TO:
        # Late: it costs a second that large samples need not pay.
        from scipy import stats

        with warnings.catch_warnings():
            # The exact count can overflow; scipy then warns and answers by approximation.
            warnings.simplefilter("ignore", RuntimeWarning)
            return float(min(max(stats.ks_2samp(first, second, method="exact").pvalue, 0.0), 1.0))
    return limit_p_value(ks, n, m)


def limit_p_value(ks: float, n: int, m: int) -> float:
    """Kolmogorov's limit of that probability for samples of n and m values."""
    return float(special.kolmogorov(ks * np.sqrt(n * m / (n + m))))
