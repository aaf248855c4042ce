"""One column of both tables compared: which tests apply, and what they give before correction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from firedrill.api.driftcheck import ColumnSettings, ColumnType
from firedrill.engines.drift import ks
from firedrill.engines.drift.bins import category_bins, numeric_bins
from firedrill.engines.drift.contingency import TableTest, compare_counts
from firedrill.engines.drift.ordered import Ordered, Sample
from firedrill.engines.drift.renewed import renews_itself
from firedrill.engines.drift.report import Bin, ColumnReport, Effects, Reason, TestName, TestResult
from firedrill.engines.drift.shapes import NotThisType, OtherWidths, is_embedding, shaped, time_share
from firedrill.engines.drift.values import (
    NUMERIC_SHARE,
    Categories,
    Numbers,
    categories,
    family_of,
    kind_of,
    near_zero,
    numbers,
    parse_texts,
    zero_padded,
)

#: With fewer values than this on a side nothing can be said of the values themselves.
MIN_VALUES: Final = 10
#: Texts that were numbers are still compared as such, with what is none counted, while this share of them are.
MIXED_SHARE: Final = 0.5
#: Texts that are numbers are quantities and no codes when this share of them are different.
DISTINCT_SHARE: Final = 0.9
#: What values of a column are called in a report, by the type asked for.
CALLED: Final = {
    ColumnType.TEXT_LENGTH: "text-length",
    ColumnType.TIME: "time",
    ColumnType.EMBEDDING: "embedding",
}


@dataclass(frozen=True)
class Limits:
    """Least effects that count as drift: a difference of distribution functions, and a total variation distance."""

    ks: float
    categorical: float


def compare_column(
    reference: Any, current: Any, limits: Limits, settings: ColumnSettings, named: bool = False
) -> ColumnReport:
    """Compare a column, given as two ChunkedArrays of any types; never raises for odd values.

    ``named`` says that the column was asked for by name, which dates and times need: they move by their nature.
    The tests come back uncorrected, with no alarm set: at most one of the values and one of what is missing.
    """
    name, asked = settings.name, settings.type
    if settings.limit is not None:
        limits = Limits(settings.limit, settings.limit)
    if asked is None and is_embedding(reference.type) and is_embedding(current.type):
        asked = ColumnType.EMBEDDING
    if asked is None and {kind_of(reference.type), kind_of(current.type)} == {"text", "temporal"}:
        share = min(time_share(side) for side in (reference, current) if kind_of(side.type) == "text")
        if share >= NUMERIC_SHARE:
            message = (
                f"dates and times on one side, texts on the other of which {share:.1%} are; type: Time compares them"
            )
            return _by_nature(name, Reason.TEMPORAL, message, reference, current, limits)
    if _incomparable(reference.type, current.type, asked):
        return _type_changed(name, reference, current)
    try:
        reference, current = shaped(reference, current, asked)
    except OtherWidths as error:
        return type_changed(name, f"vectors of {error.reference} numbers", f"of {error.current}")
    except NotThisType as error:
        why = Reason.UNSUPPORTED_TYPE if settings.type is None else Reason.NOT_OF_TYPE
        return _by_nature(name, why, str(error), reference, current, limits)
    kinds = {kind_of(reference.type), kind_of(current.type)} - {"empty"}
    if "unsupported" in kinds:
        message = f"values of type {reference.type} and {current.type} are not compared"
        return _by_nature(name, Reason.UNSUPPORTED_TYPE, message, reference, current, limits)
    if kinds == {"temporal"} and not named and asked is None:
        message = "dates and times move by their nature; compared when included by name"
        return _by_nature(name, Reason.TEMPORAL, message, reference, current, limits)
    if asked is ColumnType.CATEGORICAL or (asked is None and (not kinds or kinds <= {"boolean"})):
        return _as_categories(name, reference, current, limits)
    if asked is not None or "text" not in kinds:
        called = CALLED.get(asked, "numeric") if asked is not None else "numeric"
        return replace(_as_numbers(name, reference, current, limits), type=called)
    return _with_texts(name, reference, current, kinds, limits)


def _with_texts(name: str, reference: Any, current: Any, kinds: set[str], limits: Limits) -> ColumnReport:
    if "boolean" in kinds:
        return _as_categories(name, reference, current, limits)
    shares = [parse_texts(side).numeric_share for side in (reference, current) if kind_of(side.type) == "text"]
    if kinds == {"text"}:
        return _two_texts(name, reference, current, shares, limits)
    if min(shares) < NUMERIC_SHARE:
        return _type_changed(name, reference, current)
    return _as_numbers(name, reference, current, limits)


def _two_texts(name: str, reference: Any, current: Any, shares: list[float], limits: Limits) -> ColumnReport:
    if not marked_numbers(shares):
        found = categories(reference, current)
        counts = found.reference if shares[0] == max(shares) else found.current
        distinct = np.count_nonzero(counts) / max(int(counts.sum()), 1)
        if not quantities(shares, distinct, lambda: zero_padded(reference) or zero_padded(current)):
            return _as_categories(name, reference, current, limits, found)
    if min(shares) < MIXED_SHARE:
        return _type_changed(name, reference, current)
    return _as_numbers(name, reference, current, limits)


def _as_categories(
    name: str, reference: Any, current: Any, limits: Limits, found: Categories | None = None
) -> ColumnReport:
    counted = found or categories(reference, current)
    return categorical(name, counted, limits, lambda: renews_itself(reference, limits.categorical))


def marked_numbers(shares: list[float]) -> bool:
    """Whether texts are numbers with blank marks among them, by the share of numbers on each side: texts that are all
    numbers are codes."""
    low, high = min(shares), max(shares)
    return high >= NUMERIC_SHARE and low < 1.0 and (high < 1.0 or low >= NUMERIC_SHARE)


def quantities(shares: list[float], distinct: float, padded: Callable[[], bool]) -> bool:
    """Whether texts that are all numbers are quantities after all: nearly all differ, and none has zeros before it."""
    return distinct >= DISTINCT_SHARE and max(shares) >= NUMERIC_SHARE and not padded()


def _incomparable(first: Any, second: Any, asked: ColumnType | None) -> bool:
    """Whether the types are so different that no value of one can be one of the other."""
    kinds = {kind_of(first), kind_of(second)}
    if "empty" in kinds or (asked is ColumnType.TIME and kinds == {"text", "temporal"}):
        return False
    if kinds == {"unsupported"}:
        return family_of(first) != family_of(second)
    return len(kinds) > 1 and bool(kinds & {"temporal", "unsupported"})


def _by_nature(name: str, reason: Reason, message: str, reference: Any, current: Any, limits: Limits) -> ColumnReport:
    sides = [(len(side) - side.null_count, side.null_count) for side in (reference, current)]
    return by_nature(name, reason, message, sides[0], sides[1], limits)


def by_nature(
    name: str, reason: Reason, message: str, reference: tuple[int, int], current: tuple[int, int], limits: Limits
) -> ColumnReport:
    """A column whose values can not be compared; whether they are there can be. Of each side, how many are there and
    how many are missing."""
    tests = tuple(missing_test(reference, current, limits))
    shares = [_share(gone, there + gone) for there, gone in (reference, current)]
    kind = "temporal" if reason is Reason.TEMPORAL else "unsupported"
    return ColumnReport(name, kind, reason, message, tests, Effects(), shares[0], shares[1])


def _type_changed(name: str, reference: Any, current: Any) -> ColumnReport:
    if {kind_of(reference.type), kind_of(current.type)} == {"text"}:
        return fewer_numbers(name, [parse_texts(side).numeric_share for side in (reference, current)])
    return type_changed(name, str(reference.type), str(current.type))


def type_changed(name: str, was: str, now: str) -> ColumnReport:
    """The report of a column whose type is another one now."""
    return ColumnReport(name, "mixed", Reason.TYPE_CHANGED, f"was {was} in the reference and is {now} now")


def fewer_numbers(name: str, shares: Sequence[float]) -> ColumnReport:
    """The report of texts that were numbers, or have become some."""
    was, now = (f"{share:.0%}" for share in shares)
    message = f"{was} of the texts were numbers in the reference and {now} are now"
    return ColumnReport(name, "mixed", Reason.TYPE_CHANGED, message)


def _as_numbers(name: str, reference: Any, current: Any, limits: Limits) -> ColumnReport:
    reference, current, offset = near_zero(reference, current)
    return numeric(name, numbers(reference), numbers(current), limits, _ks_test, offset)


def numeric(
    name: str,
    a: Numbers,
    b: Numbers,
    limits: Limits,
    ks_test: Callable[[Any, Any, Limits], TestResult],
    offset: int = 0,
) -> ColumnReport:
    """The report of numbers, less ``offset``, on both sides; ``ks_test`` is given their values."""
    tests = _state_test(a, b, limits)
    reason, message = Reason.NO_DRIFT, ""
    bins: tuple[Bin, ...] = ()
    effects = Effects()
    first, second = a.values, b.values
    if first.size == 0 and second.size == 0:
        reason, message = Reason.ALL_MISSING, "neither side has a finite value"
    elif min(first.size, second.size) < MIN_VALUES:
        reason, message = _few(first.size, second.size)
    else:
        low, high = min(first.least, second.least), max(first.greatest, second.greatest)
        if low == high:
            reason, message = Reason.CONSTANT, f"every value is {offset or f'{low:g}'} on both sides"
        elif first.holds_only(low, high) and second.holds_only(low, high):
            tests = [*_flag_test(first, second, low, limits), *tests]
        else:
            tests = [ks_test(first, second, limits), *tests]
        effects, bins = numeric_bins(a, b, offset)
    return ColumnReport(
        name,
        "numeric",
        reason,
        message,
        tuple(tests),
        effects,
        _share(a.missing, a.rows),
        _share(b.missing, b.rows),
        bins,
    )


def categorical(name: str, c: Categories, limits: Limits, renewed: Callable[[], bool] = lambda: False) -> ColumnReport:
    """The report of counts of the same categories on both sides. ``renewed`` says whether rare values come and go in
    the reference as well; it is asked where they would alarm."""
    n, m = int(c.reference.sum()), int(c.current.sum())
    missing = (c.reference_missing, c.current_missing)
    tests = missing_test((n, missing[0]), (m, missing[1]), limits)
    reason, message = Reason.NO_DRIFT, ""
    unseen = float(c.current[c.reference == 0].sum() / m) if m and n else None
    if n == 0 and m == 0:
        reason, message = Reason.ALL_MISSING, "neither side has a value"
    elif min(n, m) < MIN_VALUES:
        reason, message = _few(n, m)
    elif len(c.names) == 1:
        reason, message = Reason.CONSTANT, f"every value is {c.names[0]!r} on both sides"
    else:
        outcome = compare_counts(c.reference, c.current, c.ranks)
        if outcome is not None and outcome.by_rare and outcome.effect >= limits.categorical and renewed():
            outcome = compare_counts(c.reference, c.current, c.ranks, of_one_side=False)
        if outcome is None or outcome.cells == 1:
            reason = Reason.ALL_VALUES_RARE
            message = f"{len(c.names)} different values, each too rare to compare, as in an identifier"
        if outcome is not None:
            tests = [values_test(outcome, limits), *tests]
    # The values of an identifier are nobody's business, and their shares say nothing.
    effects, bins = category_bins(c) if reason is not Reason.ALL_VALUES_RARE else (Effects(), ())
    return ColumnReport(
        name,
        "categorical",
        reason,
        message,
        tuple(tests),
        replace(effects, unseen=unseen),
        _share(missing[0], n + missing[0]),
        _share(missing[1], m + missing[1]),
        bins,
    )


def _ks_test(a: Sample, b: Sample, limits: Limits) -> TestResult:
    found = ks.distance(a.sorted, b.sorted)
    p_value = ks.p_value(found.ks, a.sorted, b.sorted)
    return TestResult(TestName.KS, found.ks, p_value, found.interval, limits.ks)


def _flag_test(a: Ordered, b: Ordered, low: float, limits: Limits) -> list[TestResult]:
    """Numbers of two values only are a flag: a table of counts sees a change that a distance of ranks can not."""
    zeros, others = (int(side.up_to(np.array([low]))[0]) for side in (a, b))
    outcome = table_test((a.size - zeros, zeros), (b.size - others, others))
    return [values_test(outcome, limits)] if outcome is not None else []


def _state_test(a: Numbers, b: Numbers, limits: Limits) -> list[TestResult]:
    """One test of all that is no finite number: missing, infinite either way, or not a number at all."""
    states = [(s.values.size, s.missing, s.plus_infinite, s.minus_infinite, s.invalid) for s in (a, b)]
    return missing_test(states[0], states[1], limits)


def missing_test(first: tuple[int, ...], second: tuple[int, ...], limits: Limits) -> list[TestResult]:
    """The test of shares of states, the usual one first, named for the state that has moved most."""
    if not sum(first) or not sum(second):
        return []
    outcome = table_test(first, second)
    if (outcome is None or outcome.cells == 1) and len(first) > 2:
        # Each state is too rare for itself; together they may not be.
        outcome = table_test((first[0], sum(first[1:])), (second[0], sum(second[1:])))
    if outcome is None:
        return []
    moved = np.abs(np.array(first[1:]) / sum(first) - np.array(second[1:]) / sum(second))
    names = (TestName.MISSING, TestName.INFINITE, TestName.INFINITE, TestName.INVALID)
    return [test_result(names[int(moved.argmax())], outcome, limits)]


def table_test(first: Sequence[int], second: Sequence[int]) -> TableTest | None:
    """The test of two rows of counts; none where all values of both sides are in one cell."""
    a, b = np.array(first, dtype=np.int64), np.array(second, dtype=np.int64)
    keep = (a + b) > 0
    return compare_counts(a[keep], b[keep])


def values_test(outcome: TableTest, limits: Limits) -> TestResult:
    """The test of a table of values as it is reported, named for what decided."""
    name = TestName.RARE if outcome.by_rare else TestName.FISHER if outcome.exact else TestName.CHI_SQUARE
    return test_result(name, outcome, limits)


def test_result(test: TestName, outcome: TableTest, limits: Limits) -> TestResult:
    """A test of a table as it is reported."""
    return TestResult(test, outcome.statistic, outcome.p_value, outcome.effect, limits.categorical)


def _few(n: int, m: int) -> tuple[Reason, str]:
    return Reason.TOO_FEW_VALUES, f"{n} values in the reference and {m} now; at least {MIN_VALUES} are needed"


def _share(part: int, of: int) -> float | None:
    return part / of if of else None
