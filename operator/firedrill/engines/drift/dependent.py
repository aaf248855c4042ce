"""Rows that resemble the ones before them: p-values from permuted blocks of rows, all tests together.

Rows of a series carry less evidence than their number says. Both sides are cut, in order, into blocks long enough
to be nearly independent of each other; which blocks are the reference is drawn anew many times, for all columns
alike. A test's adjusted p-value is the share of draws in which the largest standardised statistic of all tests
reaches its own (the single-step maxT of Westfall and Young 1993), so dependence between columns is used, not feared.

Claimed for first-order dependence of up to 0.8 from 2,000 rows a side on: blocks have at least 125 rows, twelve times
the sum of correlations there. A column that depends on its past more than its blocks allow is left undecided.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from firedrill.engines.drift.report import ColumnReport, Reason, TestName, TestResult
from firedrill.engines.drift.values import codes_in_order, near_zero, values_in_order

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Fewer rows than this on a side: undecided.
MIN_ROWS: Final = 2000
#: Least rows of a block, and most blocks of the smaller side.
SHORTEST: Final = 125
MOST_BLOCKS: Final = 50
#: Blocks of the larger side that are used, evenly spread.
USED_BLOCKS: Final = 400
#: A block must be this many times as long as the sum of the correlations of a row with those around it.
LENGTHS: Final = 12.0
DRAWS: Final = 1999
_BINS: Final = 64
#: Batches whose means are compared to see slow dependence, and how sure that must be.
_BATCHES: Final = 25
_BATCHES_SURE: Final = 0.999


@dataclass(frozen=True)
class Blocks:
    """How both sides are cut: rows of a block, and the first rows of the blocks of each side."""

    length: int
    reference: Ints
    current: Ints


@dataclass(frozen=True)
class Blocked:
    """A column report with, for each of its tests, the counts of every block: (blocks, cells), reference first."""

    report: ColumnReport
    counts: tuple[Floats, ...] = ()


def cut(reference_rows: int, current_rows: int) -> Blocks:
    """Blocks of one length for both sides, each with at least ``MIN_ROWS`` rows."""
    length = max(SHORTEST, min(reference_rows, current_rows) // MOST_BLOCKS)
    starts = []
    for rows in (reference_rows, current_rows):
        count = rows // length
        kept = np.unique(np.linspace(0, count - 1, min(count, USED_BLOCKS)).astype(np.int64))
        starts.append(kept * length)
    return Blocks(length, starts[0], starts[1])


def blocked(report: ColumnReport, reference: Any, current: Any, blocks: Blocks) -> Blocked:
    """The counts behind each test of a column, by block. A column whose blocks are too short loses its tests."""
    if report.reason is Reason.ALL_VALUES_RARE:
        # Rare values of one side are told from chance by rows that do not depend on each other.
        report = replace(report, tests=tuple(test for test in report.tests if test.test is not TestName.RARE))
    if not report.tests:
        return Blocked(report)
    series: list[Floats]
    if report.type in ("temporal", "unsupported"):
        # Only what is missing of them is tested.
        missing = [side.is_null().to_numpy().astype(np.int64) for side in (reference, current)]
        values, series = missing, [side.astype(np.float64) for side in missing]
    elif report.type == "categorical":
        first, second, names = codes_in_order(reference, current)
        missing = [(side < 0).astype(np.int64) for side in (first, second)]
        values = _common(first, second, len(names))
        series = [side.astype(np.float64) for side in values]
    else:
        series = [values_in_order(side) for side in near_zero(reference, current)[:2]]
        missing = [np.where(np.isfinite(side), 0, np.where(np.isnan(side), 1, 2)).astype(np.int64) for side in series]
        values = _binned(series)
    worst = max(memory(side) for side in series)
    if worst * LENGTHS > blocks.length:
        message = (
            f"each row resembles about {worst:.0f} around it, and blocks of {blocks.length} rows are too short for that"
        )
        return Blocked(replace(report, reason=Reason.TOO_DEPENDENT, message=message, tests=()))
    of_values = (TestName.KS, TestName.CHI_SQUARE, TestName.FISHER, TestName.RARE)
    counts = tuple(_by_block(values if test.test in of_values else missing, blocks) for test in report.tests)
    return Blocked(report, counts)


def memory(series: Floats) -> float:
    """Sum of the correlations of a row with all rows, 1 when rows are independent.

    By the first-order correlation; or by how far the means of batches are apart, where even the least that the sum may
    be by them is more: a slow swing under much noise is hardly seen from one row to the next.
    """
    values = series[np.isfinite(series)]
    if len(values) < 3 or values.min() == values.max():
        return 1.0
    # By ranks: one huge value must not hide the dependence of all others.
    _, ranks = np.unique(values, return_inverse=True)
    centered = ranks - ranks.mean()
    first = float(np.sum(centered[1:] * centered[:-1]) / np.sum(centered**2))
    first = min(max(first, 0.0), 0.999)
    return max((1 + first) / (1 - first), _by_batches(centered))


def _by_batches(centered: Floats) -> float:
    """Lower bound of the same by batch means; 0 where rows are too few."""
    size = len(centered) // _BATCHES
    if size < _BATCHES:
        return 0.0
    means = centered[: size * _BATCHES].reshape(_BATCHES, size).mean(axis=1)
    ratio = size * float(means.var(ddof=1)) / float(centered.var())
    return ratio * (_BATCHES - 1) / float(stats.chi2.ppf(_BATCHES_SURE, _BATCHES - 1))


def decide_blocked(columns: Sequence[Blocked], blocks: Blocks, seed: int = 0) -> list[ColumnReport]:
    """The columns with p-values of their tests: each by itself, and adjusted over all."""
    counts = [each for column in columns for each in column.counts]
    if not counts:
        return [column.report for column in columns]
    n, m = len(blocks.reference), len(blocks.current)
    rng = np.random.default_rng(seed)
    # Row 0 is what was seen; the others are draws.
    drawn = np.zeros((DRAWS + 1, n + m))
    drawn[0, :n] = 1
    drawn[1:] = rng.permuted(np.broadcast_to(drawn[0], (DRAWS, n + m)), axis=1)
    tests = [test for column in columns for test in column.report.tests]
    found = np.stack([_statistics(each, drawn, test.test) for each, test in zip(counts, tests, strict=True)])
    spread = found.std(axis=1, keepdims=True)
    scaled = np.divide(found - found.mean(axis=1, keepdims=True), spread, out=np.zeros_like(found), where=spread > 0)
    largest = scaled.max(axis=0)
    single = (found >= found[:, :1] - 1e-12).mean(axis=1)
    adjusted = [float(np.mean(largest >= value - 1e-12)) for value in scaled[:, 0]]
    outcomes = iter(zip(single.tolist(), adjusted, strict=True))
    return [
        replace(column.report, tests=tuple(_with(test, next(outcomes)) for test in column.report.tests))
        for column in columns
    ]


def _with(test: TestResult, found: tuple[float, float]) -> TestResult:
    return replace(test, p_value=found[0], p_adjusted=found[1])


def _statistics(counts: Floats, drawn: Floats, test: TestName) -> Floats:
    """The statistic of every draw: the largest distance of the distributions, or their total variation."""
    first = drawn @ counts
    second = counts.sum(axis=0) - first
    shares = [side / np.maximum(side.sum(axis=1, keepdims=True), 1) for side in (first, second)]
    apart = shares[0] - shares[1]
    if test is TestName.KS:
        result: Floats = np.abs(np.cumsum(apart, axis=1)).max(axis=1)
        return result
    return np.asarray(np.abs(apart).sum(axis=1) / 2, dtype=np.float64)


def _common(first: Ints, second: Ints, names: int) -> list[Ints]:
    """Codes with all but the most frequent values as one."""
    both = np.concatenate([first, second])
    counts = np.bincount(both[both >= 0], minlength=names)
    place = np.empty(names + 1, dtype=np.int64)
    place[np.argsort(-counts, kind="stable")] = np.minimum(np.arange(names), _BINS - 1)
    place[-1] = -1
    return [place[first], place[second]]


def _binned(series: Sequence[Floats]) -> list[Ints]:
    """The bin of each value between quantiles of both sides together, -1 where there is none."""
    both = np.concatenate(series)
    finite = both[np.isfinite(both)]
    edges = (
        np.unique(np.quantile(finite, np.arange(1, _BINS) / _BINS, method="inverted_cdf"))
        if len(finite)
        else np.empty(0)
    )
    return [np.where(np.isfinite(side), np.searchsorted(edges, side), -1).astype(np.int64) for side in series]


def _by_block(values: Sequence[Ints], blocks: Blocks) -> Floats:
    cells = max(max((int(side.max()) for side in values if len(side)), default=0) + 1, 1)
    rows = []
    for side, starts in zip(values, (blocks.reference, blocks.current), strict=True):
        for start in starts.tolist():
            part = side[start : start + blocks.length]
            rows.append(np.bincount(part[part >= 0], minlength=cells))
    return np.array(rows, dtype=np.float64)
