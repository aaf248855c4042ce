"""Two samples of categories compared as a table of counts."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from firedrill.engines.drift.onesided import OneSided, one_sided

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

#: A cell is rare when the smaller sample expects fewer values in it.
RARE_BELOW: Final = 5.0
#: From this many expected values in each of two cells on, chi-square is as good as the exact test and much faster.
EXACT_BELOW: Final = 1000.0
#: Cells rarer than this are taken together, all of them; those between are joined until they are not rare.
VERY_RARE_BELOW: Final = 1.0
#: Of the error that a column may make, the part for what is too rare to have a cell among the others.
RARE_PART: Final = 0.1


@dataclass(frozen=True)
class TableTest:
    """Outcome of the comparison of two rows of counts.

    ``statistic`` is Pearson's chi-square, ``effect`` the total variation distance less what chance adds to it (0..1),
    ``cells`` the columns of the table after pooling. ``exact`` tells Fisher's test from the chi-square tests. Where
    ``by_rare``, rare values of one side alone decided, and ``statistic`` is the rows that have them.
    """

    statistic: float
    p_value: float
    effect: float
    cells: int
    exact: bool
    by_rare: bool = False


@dataclass(frozen=True)
class Pooled:
    """Cells in which the smaller sample expects at least five values, and a last one with what was left over.

    ``left_over`` is whether there is such a last cell. It may be next to nothing, or all that one side consists of.
    """

    first: Counts
    second: Counts
    left_over: bool


def pool_rare(first: Counts, second: Counts, order: NDArray[np.int64]) -> Pooled:
    """Join rare cells so that the smaller sample expects at least five values in each but the last.

    ``order`` ranks the cells and breaks ties. The choice looks at the totals of both samples alone, so it does
    not depend on which value came from which sample, and the tests after it keep their level.
    """
    keep = (first + second) > 0
    first, second, order = first[keep], second[keep], order[keep]
    total = first + second
    smaller = min(int(first.sum()), int(second.sum()))
    expected = total * (smaller / max(int(total.sum()), 1))
    groups: list[NDArray[np.int64]] = [np.array([i]) for i in np.flatnonzero(expected >= RARE_BELOW)]
    very_rare = np.flatnonzero(expected < VERY_RARE_BELOW)
    rare = np.flatnonzero((expected >= VERY_RARE_BELOW) & (expected < RARE_BELOW))
    rare = rare[np.lexsort((order[rare], total[rare]))]
    group: list[int] = very_rare.tolist()
    weight = float(expected[very_rare].sum())
    if weight >= RARE_BELOW:
        groups.append(very_rare)
        group, weight = [], 0.0
    for index in rare.tolist():
        group.append(index)
        weight += float(expected[index])
        if weight >= RARE_BELOW:
            groups.append(np.array(group))
            group, weight = [], 0.0
    left_over = bool(group) and bool(groups)
    if group:
        groups.append(np.array(group))
    return Pooled(
        np.array([first[members].sum() for members in groups], dtype=np.int64),
        np.array([second[members].sum() for members in groups], dtype=np.int64),
        left_over,
    )


def total_variation(first: Counts, second: Counts) -> float:
    """Half the sum of the differences of the shares, less what chance adds to it: 0..1.

    It estimates the least share of rows that would have to change. The plain distance is never below zero, so chance
    only adds to it, and the more the more cells there are for few rows: 50 equal shares of 1,000 rows a side are 0.125
    apart with nothing changed. A difference of shares is near normal, of mean d and deviation
    s = sqrt(p (1 - p) (1/n + 1/m)) with p the share over both sides; the mean of its size is that of the folded normal
    (Leone, Nelson and Nottingham 1961), f(d, s). What is taken off is the bias f(d, s) - |d| of each cell, as the
    bootstrap would estimate it (Efron and Tibshirani 1993, 10.6), in closed form.

    As d is not known, it is taken from what was seen, times sqrt(1 - (k - 1) / chi-square): the differences seen are
    too large by what chance added to chi-square, which is k - 1 on average (the shrinkage of James and Stein 1961, its
    positive part). So all of the null mean goes where nothing changed, and next to nothing where a change is clear. To
    take off the null mean everywhere would hide changes: half of 50 shares that rise, by 0.15 of all rows, would be
    told as 0.05.
    """
    n, m = int(first.sum()), int(second.sum())
    shares, apart = (first + second) / (n + m), np.abs(first / n - second / m)
    used = shares > 0
    shares, apart, rows = shares[used], apart[used], 1 / (1 / n + 1 / m)
    chi_square = float(np.sum(apart**2 / shares)) * rows
    kept = np.sqrt(max(1 - (len(shares) - 1) / chi_square, 0.0)) * apart if chi_square > 0 else 0.0 * apart
    bias = _folded_mean(kept, np.sqrt(shares * (1 - shares) / rows)) - kept
    return float(min(max(0.5 * np.sum(apart - bias), 0.0), 1.0))


def _folded_mean(means: Floats, deviations: Floats) -> Floats:
    """Mean of the size of normal values."""
    scaled = np.divide(means, deviations, out=np.full_like(means, np.inf), where=deviations > 0)
    result: Floats = deviations * np.sqrt(2 / np.pi) * np.exp(-(scaled**2) / 2) + means * special.erf(scaled / 2**0.5)
    return result


def fisher(a: int, b: int, c: int, d: int) -> float:
    """Fisher's exact test of the table ((a, b), (c, d)): the chance of it and of all tables no likelier, two-sided.

    All tables with these margins are counted, each by its ratio to the one before, so that nothing is lost to the
    size of a factorial; a second of importing scipy's own, and a millisecond a test, are saved.
    """
    row, column, total = a + b, a + c, a + b + c + d
    low, high = max(0, row + column - total), min(row, column)
    x = np.arange(low, high, dtype=np.float64)
    steps = np.log((row - x) * (column - x)) - np.log((x + 1) * (total - row - column + x + 1))
    log = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(log - log.max())
    # As likely as this one, up to rounding, is no likelier.
    return float(weights[weights <= weights[a - low] * (1 + 1e-7)].sum() / weights.sum())


def compare_counts(
    first: Counts, second: Counts, order: NDArray[np.int64] | None = None, *, of_one_side: bool = True
) -> TableTest | None:
    """Test whether two samples of categories have the same shares; None when nothing is left to compare.

    ``first`` and ``second`` count the same k categories and neither is all zero. Both samples are random (a
    contingency test, not a goodness-of-fit test against the reference as if it were exact). Two cells are
    tested by Fisher's exact test, unless both are full. Otherwise the larger of the p-values of Pearson's
    chi-square and the likelihood ratio is taken: far out, Pearson's overrates a sparse cell that is too full and
    the likelihood ratio one that is too empty; the larger keeps its level down to 1e-4 with five expected values.

    Rare values share a cell, in which those that came can not be told from those that went. Where there are several,
    it is also asked how many rows have one that the other side lacks (``one_sided``), unless not ``of_one_side``; where
    these are all that can be asked, ``cells`` is 1. The column still has one p-value, and the larger of both effects.
    """
    if len(first) == 2:
        cells, rare = Pooled(first, second, left_over=False), None
    else:
        cells = pool_rare(first, second, np.arange(len(first), dtype=np.int64) if order is None else order)
        rare = rare_of_one_side(first, second) if of_one_side else None
    a, b = cells.first, cells.second
    if len(a) < 2 or np.count_nonzero(a + b) < 2:
        return TableTest(rare.rows, rare.p_value, rare.effect, 1, exact=False, by_rare=True) if rare else None
    statistic, of_table, exact = _table(a, b)
    p_value, by_rare = _shared(a, b, of_table, cells.left_over and len(a) > 2, rare)
    effect = max(total_variation(a, b), rare.effect if rare else 0.0)
    if rare and by_rare:
        return TableTest(rare.rows, min(p_value, 1.0), effect, len(a), exact=False, by_rare=True)
    return TableTest(statistic, min(p_value, 1.0), effect, len(a), exact)


def rare_of_one_side(first: Counts, second: Counts) -> OneSided | None:
    """Rare values by whether the other side has them; a single one shares its cell with none."""
    n, m = int(first.sum()), int(second.sum())
    total = first + second
    rare = (total > 0) & (total * (min(n, m) / (n + m)) < RARE_BELOW)
    return one_sided(first[rare], second[rare], (n, m)) if np.count_nonzero(rare) > 1 else None


def _shared(a: Counts, b: Counts, of_table: float, apart: bool, rare: OneSided | None) -> tuple[float, bool]:
    """One p-value of the table, of its last cell where that is ``apart``, and of the rare values of one side; and
    whether it is that of the last.

    A cell of few expected values is none for chi-square, and joined to another it would hide that it holds all of one
    side: it is tested against all others by Fisher's exact test, those as a table of their own. Each test has a part of
    the error that is allowed (weighted Bonferroni).
    """
    small = []
    if apart:
        n, m = int(a[:-1].sum()), int(b[:-1].sum())
        small.append(fisher(int(a[-1]), n, int(b[-1]), m))
        of_table = _table(a[:-1], b[:-1])[1] if n and m else 1.0
    if rare is not None:
        small.append(rare.p_value)
    if not small:
        return of_table, False
    least = min(small) * len(small) / RARE_PART
    p_value = min(least, of_table / (1 - RARE_PART))
    return p_value, rare is not None and rare.p_value == min(small) and least == p_value


def _table(a: Counts, b: Counts) -> tuple[float, float, bool]:
    """Pearson's chi-square, the p-value, and whether that is of Fisher's exact test."""
    n, m = int(a.sum()), int(b.sum())
    total = a + b
    e1, e2 = total * (n / (n + m)), total * (m / (n + m))
    pearson = float(np.sum((a - e1) ** 2 / e1 + (b - e2) ** 2 / e2))
    if len(a) == 2 and min(e1.min(), e2.min()) < EXACT_BELOW:
        return pearson, fisher(int(a[0]), int(a[1]), int(b[0]), int(b[1])), True
    ratio = 2 * float(np.sum(special.xlogy(a, a / e1) + special.xlogy(b, b / e2)))
    freedom = len(a) - 1
    return pearson, float(max(special.chdtrc(freedom, pearson), special.chdtrc(freedom, max(ratio, 0.0)))), False
