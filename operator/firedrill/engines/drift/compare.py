"""One column of both tables compared: which tests apply, and what they give before correction."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from firedrill.engines.drift import ks
from firedrill.engines.drift.contingency import compare_counts
from firedrill.engines.drift.psi import bin_counts, bin_labels, psi, quantile_edges
from firedrill.engines.drift.report import Bin, ColumnReport, Reason, TestName, TestResult
from firedrill.engines.drift.values import NUMERIC_SHARE, Categories, Numbers, categories, kind_of, numbers, parse_texts

#: With fewer values than this on a side nothing can be said of the values themselves.
MIN_VALUES: Final = 10
#: Categories shown one by one; the others are shown as one bin.
CATEGORIES_SHOWN: Final = 12


@dataclass(frozen=True)
class Limits:
    """Least effects that count as drift: a Kolmogorov-Smirnov distance, and a Cramér's V."""

    ks: float
    categorical: float


def compare_column(
    name: str, reference: Any, current: Any, limits: Limits, as_categories: bool, named: bool
) -> ColumnReport:
    """Compare a column, given as two ChunkedArrays of any types; never raises for odd values.

    ``as_categories`` compares numbers as codes; ``named`` says that the column was asked for by name, which
    dates and times need: they move by their nature. The tests come back uncorrected, with no alarm set.
    """
    kinds = {kind_of(reference.type), kind_of(current.type)} - {"empty"}
    if "unsupported" in kinds:
        types = f"{reference.type} and {current.type}"
        return ColumnReport(name, "unsupported", Reason.UNSUPPORTED_TYPE, f"values of type {types} are not compared")
    if "temporal" in kinds and not (named and kinds == {"temporal"}):
        if kinds & {"numeric", "boolean"}:
            return _type_changed(name, reference, current)
        return ColumnReport(
            name, "temporal", Reason.TEMPORAL, "dates and times move by their nature; compared when included by name"
        )
    if as_categories or not kinds or kinds <= {"boolean"}:
        return _categorical(name, categories(reference, current), limits)
    if "text" not in kinds:
        return _numeric(name, numbers(reference), numbers(current), limits)
    return _with_texts(name, reference, current, kinds, limits)


def _with_texts(name: str, reference: Any, current: Any, kinds: set[str], limits: Limits) -> ColumnReport:
    if "boolean" in kinds:
        return _categorical(name, categories(reference, current), limits)
    shares = [parse_texts(side).numeric_share for side in (reference, current) if kind_of(side.type) == "text"]
    if kinds == {"text"}:
        # Texts that are all numbers are codes; numbers with a few blank marks among them are numbers.
        if min(shares) >= NUMERIC_SHARE and min(shares) < 1.0:
            return _numeric(name, numbers(reference), numbers(current), limits)
        return _categorical(name, categories(reference, current), limits)
    if min(shares) < NUMERIC_SHARE:
        return _type_changed(name, reference, current)
    return _numeric(name, numbers(reference), numbers(current), limits)


def _type_changed(name: str, reference: Any, current: Any) -> ColumnReport:
    message = f"was {reference.type} in the reference and is {current.type} now"
    return ColumnReport(name, "mixed", Reason.TYPE_CHANGED, message)


def _numeric(name: str, a: Numbers, b: Numbers, limits: Limits) -> ColumnReport:
    tests = _share_tests(a, b, limits)
    reason, message = Reason.NO_DRIFT, ""
    bins: tuple[Bin, ...] = ()
    index: float | None = None
    if len(a.sorted) == 0 and len(b.sorted) == 0:
        reason, message = Reason.ALL_MISSING, "neither side has a finite value"
    elif min(len(a.sorted), len(b.sorted)) < MIN_VALUES:
        reason, message = _few(len(a.sorted), len(b.sorted))
    else:
        low, high = min(a.sorted[0], b.sorted[0]), max(a.sorted[-1], b.sorted[-1])
        if low == high:
            reason, message = Reason.CONSTANT, f"every value is {low:g} on both sides"
        elif _only(a.sorted, low, high) and _only(b.sorted, low, high):
            tests = [*_flag_test(a, b, high, limits), *tests]
        else:
            tests = [*_ks_tests(a, b, limits), *tests]
        index, bins = _numeric_bins(a, b)
    return ColumnReport(
        name,
        "numeric",
        reason,
        message,
        tuple(tests),
        index,
        _share(a.missing, a.rows),
        _share(b.missing, b.rows),
        bins,
    )


def _categorical(name: str, c: Categories, limits: Limits) -> ColumnReport:
    n, m = int(c.reference.sum()), int(c.current.sum())
    missing = (c.reference_missing, c.current_missing)
    tests = _table_test(TestName.MISSING, (missing[0], n), (missing[1], m), limits)
    reason, message = Reason.NO_DRIFT, ""
    if n == 0 and m == 0:
        reason, message = Reason.ALL_MISSING, "neither side has a value"
    elif min(n, m) < MIN_VALUES:
        reason, message = _few(n, m)
    elif len(c.names) == 1:
        reason, message = Reason.CONSTANT, f"every value is {c.names[0]!r} on both sides"
    else:
        outcome = compare_counts(c.reference, c.current, c.ranks)
        if outcome is None:
            reason = Reason.ALL_VALUES_RARE
            message = f"{len(c.names)} different values, each too rare to compare, as in an identifier"
        else:
            test = TestName.FISHER if outcome.exact else TestName.CHI_SQUARE
            result = TestResult(test, outcome.statistic, outcome.p_value, outcome.effect, limits.categorical)
            tests = [result, *tests]
    # The values of an identifier are nobody's business, and their shares say nothing.
    index, bins = _category_bins(c) if reason is not Reason.ALL_VALUES_RARE else (None, ())
    return ColumnReport(
        name,
        "categorical",
        reason,
        message,
        tuple(tests),
        index,
        _share(missing[0], n + missing[0]),
        _share(missing[1], m + missing[1]),
        bins,
    )


def _ks_tests(a: Numbers, b: Numbers, limits: Limits) -> list[TestResult]:
    center = ks.pooled_median(a.sorted, b.sorted)
    pairs = (
        (TestName.KS, a.sorted, b.sorted),
        (TestName.KS_SPREAD, ks.folded(a.sorted, center), ks.folded(b.sorted, center)),
    )
    results = []
    for test, first, second in pairs:
        distance = ks.ks_distance(first, second)
        p_value = ks.ks_p_value(distance, first, second)
        results.append(TestResult(test, distance, p_value, distance, limits.ks))
    return results


def _flag_test(a: Numbers, b: Numbers, high: float, limits: Limits) -> list[TestResult]:
    """Numbers of two values only are a flag: a table of counts sees a change that a distance of ranks can not."""
    ones, others = (int(np.count_nonzero(side.sorted == high)) for side in (a, b))
    first, second = (ones, len(a.sorted) - ones), (others, len(b.sorted) - others)
    return _table_test(TestName.FISHER, first, second, limits)


def _share_tests(a: Numbers, b: Numbers, limits: Limits) -> list[TestResult]:
    missing = _table_test(TestName.MISSING, (a.missing, a.present), (b.missing, b.present), limits)
    infinite = _table_test(
        TestName.INFINITE,
        (a.plus_infinite, a.minus_infinite, len(a.sorted)),
        (b.plus_infinite, b.minus_infinite, len(b.sorted)),
        limits,
    )
    invalid = _table_test(
        TestName.INVALID, (a.invalid, a.present - a.invalid), (b.invalid, b.present - b.invalid), limits
    )
    return [*missing, *infinite, *invalid]


def _table_test(test: TestName, first: tuple[int, ...], second: tuple[int, ...], limits: Limits) -> list[TestResult]:
    """No test where a side has no values, or where all values of both sides are in one cell."""
    a, b = np.array(first, dtype=np.int64), np.array(second, dtype=np.int64)
    if a.sum() == 0 or b.sum() == 0:
        return []
    keep = (a + b) > 0
    outcome = compare_counts(a[keep], b[keep])
    if outcome is None:
        return []
    return [TestResult(test, outcome.statistic, outcome.p_value, outcome.effect, limits.categorical)]


def _numeric_bins(a: Numbers, b: Numbers) -> tuple[float, tuple[Bin, ...]]:
    edges = quantile_edges(a.sorted)
    labels = bin_labels(edges)
    extra = ("missing", "infinite", "not a number")
    counts = [
        np.concatenate(
            [
                bin_counts(side.sorted, edges),
                [side.missing, side.plus_infinite + side.minus_infinite, side.invalid],
            ]
        )
        for side in (a, b)
    ]
    return _bins([*labels, *extra], counts[0], counts[1])


def _category_bins(c: Categories) -> tuple[float | None, tuple[Bin, ...]]:
    """Bins of the commonest categories, of those that the reference lacks, of the rest, and of missing values."""
    if c.reference.sum() + c.reference_missing == 0 or c.current.sum() + c.current_missing == 0:
        return None, ()
    total = c.reference + c.current
    known = np.flatnonzero(c.reference > 0)
    shown = known[np.lexsort((c.ranks[known], -total[known]))][:CATEGORIES_SHOWN]
    unseen = c.reference == 0
    rest = ~unseen
    rest[shown] = False
    labels = [c.names[i][:64] for i in shown.tolist()] + ["other values", "not in the reference", "missing"]
    counts = [
        np.concatenate([side[shown], [side[rest].sum(), side[unseen].sum(), missing]])
        for side, missing in ((c.reference, c.reference_missing), (c.current, c.current_missing))
    ]
    return _bins(labels, counts[0], counts[1])


def _bins(labels: list[str], first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[float, tuple[Bin, ...]]:
    used = np.flatnonzero((first + second) > 0)
    a, b = first[used], second[used]
    shares = zip(used.tolist(), (a / a.sum()).tolist(), (b / b.sum()).tolist(), strict=True)
    return psi(a, b), tuple(Bin(labels[i], p, q) for i, p, q in shares)


def _few(n: int, m: int) -> tuple[Reason, str]:
    return Reason.TOO_FEW_VALUES, f"{n} values in the reference and {m} now; at least {MIN_VALUES} are needed"


def _only(sample: NDArray[np.float64], low: float, high: float) -> bool:
    return bool(np.all((sample == low) | (sample == high)))


def _share(part: int, of: int) -> float | None:
    return part / of if of else None
