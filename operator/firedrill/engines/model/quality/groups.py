"""Slices and groups of rows, judged together: intervals hold for all of them at once (Bonferroni)."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from firedrill.engines.common.intervals import exact
from firedrill.engines.common.shares import Interval, difference
from firedrill.engines.model.quality.metric import mean_interval


@dataclass(frozen=True)
class Slice:
    """Rows that share a value of a column, with the mean of what is measured over them."""

    name: str
    interval: Interval


@dataclass(frozen=True)
class Sliced:
    """All slices, worst first. ``small`` had too few rows; of ``unanswered`` enough were sent and too few answered."""

    slices: tuple[Slice, ...]
    small: tuple[str, ...]
    unanswered: tuple[str, ...] = ()


def sliced(
    scores: Mapping[int, float],
    groups: Mapping[str, Sequence[str]],
    min_rows: int,
    *,
    shares: bool,
    sent: Collection[int] = (),
) -> Sliced:
    """Mean of ``scores`` (by row) in each slice. ``shares`` are 0 or 1, and low is bad; else they are errors.

    ``groups`` holds the value of every row for each column, ``sent`` the rows that were sent.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for column, values in groups.items():
        for row, score in scores.items():
            found[f"{column}={values[row]}"].append(score)
    judged = {name: np.array(values) for name, values in found.items() if len(values) >= min_rows}
    level = 1 - 0.05 / max(len(judged), 1)
    slices = [Slice(name, _interval(values, level, shares=shares)) for name, values in judged.items()]
    slices.sort(key=lambda item: item.interval.value if shares else -item.interval.value)
    silent = {
        f"{column}={value}" for column, values in groups.items() for value in unanswered(scores, values, min_rows, sent)
    }
    return Sliced(tuple(slices), tuple(sorted(set(found) - set(judged) - silent)), tuple(sorted(silent)))


def unanswered(scores: Collection[int], groups: Sequence[str], min_rows: int, sent: Collection[int]) -> list[str]:
    """Groups of which enough rows were sent and too few have a score: the model may fail on them alone."""
    asked, told = Counter(groups[row] for row in sent), Counter(groups[row] for row in scores)
    return sorted(name for name, rows in asked.items() if rows >= min_rows > told[name])


def _interval(values: NDArray[np.float64], level: float, *, shares: bool) -> Interval:
    if not shares:
        return mean_interval(values, level)
    return exact(float(values.sum()), len(values), level)


@dataclass(frozen=True)
class Difference:
    """How far two groups are apart, with an interval that holds for all pairs at once."""

    first: str
    second: str
    interval: Interval


def largest_difference(scores: Mapping[int, float], groups: Sequence[str], min_rows: int) -> Difference | None:
    """The two groups that are furthest apart; None where fewer than two have enough rows.

    Intervals join those of both shares as Newcombe does (his method 10), at a level corrected for the number of pairs.
    The bounds are the largest of all pairs: another pair than the one that looks worst may be worse in truth.
    """
    values: dict[str, list[float]] = defaultdict(list)
    for row, score in scores.items():
        values[groups[row]].append(score)
    names = sorted(name for name, found in values.items() if len(found) >= min_rows)
    pairs = list(combinations(names, 2))
    if not pairs:
        return None
    level = 1 - 0.05 / len(pairs)
    shares = {name: exact(sum(values[name]), len(values[name]), level) for name in names}
    found = [_apart(a, b, shares[a], shares[b]) for a, b in pairs]
    worst = max(found, key=lambda item: item.interval.value)
    low, high = (max(getattr(item.interval, side) for item in found) for side in ("low", "high"))
    return Difference(worst.first, worst.second, Interval(worst.interval.value, low, high, worst.interval.size))


def _apart(a: str, b: str, first: Interval, second: Interval) -> Difference:
    if first.value < second.value:
        a, b, first, second = b, a, second, first
    found = difference(first, second)
    return Difference(a, b, Interval(found.value, max(found.low, 0.0), min(found.high, 1.0), found.size))
