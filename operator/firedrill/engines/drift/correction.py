"""Correction of many tests, so that all of them together raise a false alarm at most at the given rate."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values by Holm's step-down method, in the order given.

    Rejecting every test whose adjusted p-value is below alpha keeps the chance of any false rejection at or
    below alpha, however the tests depend on each other (Holm 1979).
    """
    if not p_values:
        return []
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]
