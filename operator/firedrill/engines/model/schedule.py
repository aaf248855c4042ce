"""When requests are sent, with which rows, and to which of two models: functions of the seed alone."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firedrill.api.baseline import Baseline, BaselineMode
from firedrill.api.modelvalidation import ValidationLoad

#: Share of the requests that the model under test gets of a load that is split, unless another is asked for.
HALF: Final = 0.5


@dataclass(frozen=True, slots=True)
class Planned:
    """One request: when it is to leave, in seconds since the start, with which row, and whether it is measured."""

    at: float
    row: int
    warmup: bool


def arrivals(count: int, rate: float, seed: int) -> NDArray[np.float64]:
    """Times in seconds of ``count`` Poisson arrivals at ``rate`` a second, ascending."""
    gaps = np.random.default_rng(seed).exponential(1.0 / rate, count)
    return np.cumsum(gaps)


def row_order(rows: int, requests: int, seed: int, queries: Sequence[str] = ()) -> list[int]:
    """Rows for ``requests`` requests: each row once in random order, then again, until there are enough.

    So no row is sent twice before each was sent once. ``rows`` must be at least 1. Where each row belongs to one of
    ``queries``, the rows of a query follow each other: a ranking is judged by whole queries.
    """
    generator = np.random.default_rng([seed, 1])
    together: dict[str | int, list[int]] = defaultdict(list)
    for row in range(rows):
        together[queries[row] if queries else row].append(row)
    parts = list(together.values())
    order: list[int] = []
    while len(order) < requests:
        order.extend(row for part in generator.permutation(len(parts)).tolist() for row in parts[part])
    return order[:requests]


def plan(rows: int, load: ValidationLoad, queries: Sequence[str] = ()) -> tuple[Planned, ...]:
    """Every request of a load: those of warm-up first, drawn apart, so that they use up no row of the others."""
    order = [
        *row_order(rows, load.warmup, load.seed + 1, queries),
        *row_order(rows, load.requests, load.seed, queries),
    ]
    times = arrivals(len(order), load.rate, load.seed).tolist()
    return tuple(Planned(at, row, i < load.warmup) for i, (at, row) in enumerate(zip(times, order, strict=True)))


def plans(
    rows: int, load: ValidationLoad, baseline: Baseline | None, queries: Sequence[str] = ()
) -> tuple[tuple[Planned, ...], tuple[Planned, ...]]:
    """What the model under test is sent, and its baseline: both everything, or each request one of both.

    Who gets a request of a split load is drawn for each apart, whatever its row and its time, so that the two differ
    by chance alone. Both parts together are the plan of the whole load.
    """
    whole, ours = plan(rows, load, queries), _ours(load, baseline)
    if ours is None:
        return whole, whole
    return (
        tuple(item for item, mine in zip(whole, ours, strict=True) if mine),
        tuple(item for item, mine in zip(whole, ours, strict=True) if not mine),
    )


def model_first(load: ValidationLoad) -> list[bool]:
    """Which of two models each request of a shadowed load, those of warm-up first, is sent to first.

    Drawn by the seed: the one that is always second would always wait for the client to have sent to the other.
    """
    drawn: list[bool] = (np.random.default_rng([load.seed, 3]).random(load.warmup + load.requests) < HALF).tolist()
    return drawn


def to_measure(load: ValidationLoad, baseline: Baseline | None) -> int:
    """How many requests the model under test is to be measured by."""
    ours = _ours(load, baseline)
    return load.requests if ours is None else sum(ours[load.warmup :])


def _ours(load: ValidationLoad, baseline: Baseline | None) -> list[bool] | None:
    """Whether each request, those of warm-up first, goes to the model under test; None where all go to both."""
    if baseline is None or baseline.mode is not BaselineMode.SPLIT:
        return None
    share = HALF if baseline.share is None else baseline.share
    drawn: list[bool] = (np.random.default_rng([load.seed, 2]).random(load.warmup + load.requests) < share).tolist()
    return drawn
