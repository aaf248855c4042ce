"""Correction of many tests, so that together they raise a false alarm at most at the given rate."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from firedrill.api.driftcheck import Correction


def correct(p_values: Sequence[float], weights: Sequence[float], how: Correction) -> list[float]:
    """Adjusted p-values in the order given; a test with twice the weight is allowed twice the error of another.

    ``weights`` are positive, one a test. Rejecting what is below alpha keeps the chance of any false rejection
    (Holm), or the expected share of false ones among all rejections (BenjaminiHochberg), at or below alpha.
    """
    if not p_values:
        return []
    p, w = np.asarray(p_values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    scaled = p / w
    order = np.argsort(scaled, kind="stable")
    steps = _holm(scaled[order], w[order]) if how is Correction.HOLM else _benjamini_hochberg(scaled[order], w)
    adjusted = np.empty_like(p)
    # A weight above the average must not make a p-value smaller than it is.
    adjusted[order] = np.minimum(np.maximum(steps, p[order]), 1.0)
    return [float(value) for value in adjusted]


def _holm(scaled: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's step-down method with weights (Holm 1979), however the tests depend on each other."""
    left = np.cumsum(weights[::-1])[::-1]
    stepped: NDArray[np.float64] = np.maximum.accumulate(scaled * left)
    return stepped


def _benjamini_hochberg(scaled: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The step-up method with weights (Genovese, Roeder and Wasserman 2006), for tests that depend positively."""
    steps = scaled * weights.sum() / np.arange(1, len(scaled) + 1)
    stepped: NDArray[np.float64] = np.minimum.accumulate(steps[::-1])[::-1]
    return stepped
