"""When requests are sent, and with which rows: functions of the seed alone."""

import numpy as np
from numpy.typing import NDArray


def arrivals(count: int, rate: float, seed: int) -> NDArray[np.float64]:
    """Times in seconds of ``count`` Poisson arrivals at ``rate`` a second, ascending."""
    gaps = np.random.default_rng(seed).exponential(1.0 / rate, count)
    return np.cumsum(gaps)


def row_order(rows: int, requests: int, seed: int) -> list[int]:
    """Rows for ``requests`` requests: each row once in random order, then again, until there are enough.

    So no row is sent twice before each was sent once. ``rows`` must be at least 1.
    """
    generator = np.random.default_rng([seed, 1])
    order: list[int] = []
    while len(order) < requests:
        order.extend(generator.permutation(rows).tolist())
    return order[:requests]
