"""Metrics of regression and ranking."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firedrill.engines.common.shares import Z95, Interval
from firedrill.engines.model.labels import as_number
from firedrill.engines.model.quality.metric import Answered, Metric, clipped, mean_interval, thin
from firedrill.engines.model.records import Label

_GROUPS_NEEDED: Final = 5


def absolute_errors(rows: Sequence[Answered]) -> NDArray[np.float64] | None:
    """Distance of each answer from the truth; None where one of both is no number."""
    pairs = _pairs(rows)
    return None if pairs is None else np.abs(pairs[0] - pairs[1])


def regression(rows: Sequence[Answered]) -> tuple[Metric, ...]:
    """Mean absolute error, root mean squared error, and the share of variance explained.

    Intervals (where rows are not too few): Student's for means, its root for RMSE, the delta method for R squared.
    """
    pairs = _pairs(rows)
    names = ("mean_error", "rmse", "r2")
    if pairs is None:
        return tuple(Metric(name, None, "labels or answers are no single numbers") for name in names)
    truth, said = pairs
    squared = (truth - said) ** 2
    mse = mean_interval(squared)
    rmse = Interval(mse.value**0.5, max(mse.low, 0) ** 0.5, mse.high**0.5, mse.size)
    return (
        Metric("mean_error", clipped(mean_interval(np.abs(truth - said)), high=np.inf), unit=""),
        Metric("rmse", rmse, unit=""),
        _r2(truth, squared),
    )


def _r2(truth: NDArray[np.float64], squared: NDArray[np.float64]) -> Metric:
    around = (truth - truth.mean()) ** 2
    if len(truth) < 3 or around.sum() == 0:
        return Metric("r2", None, "all labels are the same")
    if thin(squared):
        return Metric("r2", None, f"{len(truth)} rows are too few")
    value = float(1 - squared.mean() / around.mean())
    influence = (squared - (1 - value) * around) / around.mean()
    spread = Z95 * float(influence.std(ddof=1)) / len(truth) ** 0.5
    return Metric("r2", clipped(Interval(value, value - spread, value + spread, len(truth)), low=-np.inf))


def ranking(rows: Sequence[Answered], sent: Mapping[int, Label], queries: Sequence[str]) -> tuple[Metric, ...]:
    """NDCG and mean reciprocal rank over queries; queries without anything relevant have none.

    ``sent`` holds the truth of every row that was sent, ``queries`` the query of every row there is. A query of which
    some rows were not sent is no query: among fewer rows what is relevant is first more often. A row that was sent
    and not answered counts against the model: last where it is relevant, else first.
    """
    truths = {row: as_number(truth) for row, truth in sent.items()}
    scores = {row.row: as_number(row.values[0]) for row in rows}
    if None in truths.values() or None in scores.values():
        problem = "labels or answers are no numbers"
        return Metric("ndcg", None, problem), Metric("mrr", None, problem)
    by_query: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row, relevance in truths.items():
        if relevance is not None:
            score = scores.get(row)
            by_query[queries[row]].append((_against(relevance) if score is None else score, relevance))
    sizes = Counter(queries)
    whole = [items for query, items in by_query.items() if len(items) == sizes[query]]
    scored = [items for items in whole if any(relevance > 0 for _, relevance in items)]
    if len(scored) < _GROUPS_NEEDED:
        problem = (
            f"{len(scored)} queries with something relevant were sent whole, of {len(by_query)}; "
            f"{_GROUPS_NEEDED} are needed: raise load.requests"
        )
        return Metric("ndcg", None, problem), Metric("mrr", None, problem)
    found = {"ndcg": np.array([_ndcg(items) for items in scored]), "mrr": np.array([_first(items) for items in scored])}
    return tuple(
        Metric(name, clipped(mean_interval(values, reach=1.0)), of="queries") for name, values in found.items()
    )


def _against(relevance: float) -> float:
    return -math.inf if relevance > 0 else math.inf


def _ranked(items: Sequence[tuple[float, float]]) -> list[float]:
    """Relevances by score. Ties are put worst first: an order that the model does not give is not credited to it."""
    return [relevance for _, relevance in sorted(items, key=lambda item: (-item[0], item[1]))]


def _ndcg(items: Sequence[tuple[float, float]]) -> float:
    discounts = 1 / np.log2(np.arange(2, len(items) + 2))
    gained = float((np.array(_ranked(items)) * discounts).sum())
    best = float((np.array(sorted((r for _, r in items), reverse=True)) * discounts).sum())
    return gained / best


def _first(items: Sequence[tuple[float, float]]) -> float:
    return 1 / next(i for i, relevance in enumerate(_ranked(items), 1) if relevance > 0)


def _pairs(rows: Sequence[Answered]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    truth = [as_number(row.truth) for row in rows]
    said = [as_number(row.values[0]) if len(row.values) == 1 else None for row in rows]
    if any(value is None for value in (*truth, *said)):
        return None
    return np.array(truth, float), np.array(said, float)
