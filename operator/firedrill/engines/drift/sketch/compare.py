"""One column of both tables compared by what was kept of it: the tests and outcomes are those of whole columns."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from firedrill.api.driftcheck import ColumnSettings
from firedrill.engines.drift.compare import (
    CALLED,
    MIXED_SHARE,
    Limits,
    by_nature,
    categorical,
    fewer_numbers,
    marked_numbers,
    missing_test,
    numeric,
    quantities,
    table_test,
    type_changed,
    values_test,
)
from firedrill.engines.drift.ks import limit_p_value
from firedrill.engines.drift.report import ColumnReport, Effects, Margin, Reason, TestName, TestResult
from firedrill.engines.drift.sketch.column import ColumnSketch
from firedrill.engines.drift.sketch.counts import GROUPS, Counted
from firedrill.engines.drift.sketch.weighted import EMPTY, Weighted, distance
from firedrill.engines.drift.values import NUMERIC_SHARE, Categories, Numbers, canonical, is_word, number_of

_NOTHING: Final = Counted({})
_FLAGS: Final = {"true": 1.0, "false": 0.0}


def compare_sketches(
    reference: ColumnSketch, current: ColumnSketch, limits: Limits, settings: ColumnSettings, doubt: float
) -> ColumnReport:
    """Compare a column by its sketches, whose errors are to hold but for a probability of ``doubt`` for each error.

    The tests come back uncorrected, with no alarm set, those of sketched numbers with a margin.
    """
    name = settings.name
    if settings.limit is not None:
        limits = Limits(settings.limit, settings.limit)
    sides = (reference, current)
    kinds = {side.kind for side in sides} - {""}
    if (len(kinds) > 1 and kinds & {"temporal", "unsupported"}) or _other_types(sides, kinds):
        return type_changed(name, reference.type, current.type)
    reason, message = _not_compared(sides, kinds, asked=settings.type is not None)
    if reason is not None:
        there = [(side.rows - side.missing, side.missing) for side in sides]
        return by_nature(name, reason, message, there[0], there[1], limits)
    if all(side.values is None for side in sides):
        return _texts(name, sides, kinds, limits, settings, doubt)
    return _numbers(name, sides, limits, settings, doubt)


def _other_types(sides: tuple[ColumnSketch, ColumnSketch], kinds: set[str]) -> bool:
    return kinds == {"unsupported"} and len({side.type for side in sides if side.kind}) > 1


def _not_compared(
    sides: tuple[ColumnSketch, ColumnSketch], kinds: set[str], *, asked: bool
) -> tuple[Reason | None, str]:
    problem = next((side.problem for side in sides if side.problem), "")
    if problem:
        return (Reason.NOT_OF_TYPE if asked else Reason.UNSUPPORTED_TYPE), problem
    if "unsupported" in kinds:
        types = " and ".join(sorted({side.type for side in sides if side.type}))
        return Reason.UNSUPPORTED_TYPE, f"values of type {types} are not compared"
    if kinds == {"temporal"} and all(side.values is None and side.counts is None for side in sides):
        return Reason.TEMPORAL, "dates and times move by their nature; compared when included by name"
    return None, ""


def _numbers(
    name: str, sides: tuple[ColumnSketch, ColumnSketch], limits: Limits, settings: ColumnSettings, doubt: float
) -> ColumnReport:
    """Numbers on both sides, or numbers on one and texts on the other that may be numbers."""
    made = []
    for side in sides:
        if side.counts is not None and side.kind == "text" and side.counts.numeric_share < NUMERIC_SHARE:
            return type_changed(name, sides[0].type, sides[1].type)
        found = _as_numbers(side)
        if found is None:
            message = (
                f"was {sides[0].type} in the reference and is {sides[1].type} now, with too many texts to read as "
                "numbers; give it type: Numeric"
            )
            there = [(side.rows - side.missing, side.missing) for side in sides]
            return by_nature(name, Reason.TOO_MANY_TEXTS, message, there[0], there[1], limits)
        made.append(found)
    report = numeric(name, made[0], made[1], limits, _ks_test(doubt))
    return replace(report, type=CALLED.get(settings.type, "numeric") if settings.type else "numeric")


def _texts(
    name: str,
    sides: tuple[ColumnSketch, ColumnSketch],
    kinds: set[str],
    limits: Limits,
    settings: ColumnSettings,
    doubt: float,
) -> ColumnReport:
    counted = [side.counts or _NOTHING for side in sides]
    missing = sides[0].missing, sides[1].missing
    names = [each.names for each in counted]
    if names[0] is None or names[1] is None:
        report = _grouped(name, counted[0], counted[1], missing, limits)
        if kinds == {"text"} and settings.type is None:
            shares = [each.numeric_share for each in counted]
            if marked_numbers(shares) and min(shares) < MIXED_SHARE:
                return fewer_numbers(name, shares)
            if min(shares) >= NUMERIC_SHARE:
                # Whether they are codes or quantities is not known of groups, and as quantities they may have moved.
                message = "texts that are numbers, too many to tell codes from quantities: give the column a type"
                return replace(report, reason=Reason.TOO_MANY_TEXTS, message=message)
        return report
    if kinds == {"text"} and settings.type is None:
        made = [found for side in sides if (found := _as_numbers(side)) is not None]
        shares = [each.numeric_share for each in counted]
        held = names[0] if shares[0] == max(shares) else names[1]
        distinct = len(held) / max(sum(held.values()), 1)
        padded = any(text.strip()[:1] == "0" and text.strip()[1:2].isdigit() for side in names for text in side or ())
        if marked_numbers(shares) or quantities(shares, distinct, lambda: padded):
            if min(shares) < MIXED_SHARE:
                return fewer_numbers(name, shares)
            return numeric(name, made[0], made[1], limits, _ks_test(doubt))
    first, second = names[0], names[1]
    if kinds == {"numeric", "text"}:
        first, second = _renamed(first), _renamed(second)
    return categorical(name, _categories(first, second, missing), limits)


def _grouped(name: str, first: Counted, second: Counted, missing: tuple[int, int], limits: Limits) -> ColumnReport:
    """Too many texts: by groups of them. Joining values can hide a change and can make none, so an alarm holds."""
    n, m = first.size, second.size
    tests = missing_test((n, missing[0]), (m, missing[1]), limits)
    outcome = table_test(first.grouped.tolist(), second.grouped.tolist()) if n and m else None
    if outcome is not None:
        tests = [values_test(outcome, limits), *tests]
    message = (
        f"too many different values to count each of them; in {GROUPS} groups of them nothing moved, and a change "
        "within a group is not seen"
    )
    shares = [gone / (there + gone) if there + gone else None for there, gone in zip((n, m), missing, strict=True)]
    return ColumnReport(name, "categorical", Reason.MANY_VALUES, message, tuple(tests), Effects(), shares[0], shares[1])


def _ks_test(doubt: float) -> Callable[[Weighted, Weighted, Limits], TestResult]:
    """Kolmogorov-Smirnov by Kolmogorov's limit, with what the sketches leave open as its margin."""

    def test(a: Weighted, b: Weighted, limits: Limits) -> TestResult:
        found = distance(a, b)
        errors = a.rank_error(doubt), b.rank_error(doubt)
        effect = a.interval_error(doubt) + b.interval_error(doubt)
        low, high = max(found.ks - sum(errors), 0.0), min(found.ks + sum(errors), 1.0)
        least = limit_p_value(high, a.size, b.size)
        margin = None if a.exact and b.exact else Margin(errors[0], errors[1], effect, least)
        p_value = limit_p_value(low, a.size, b.size)
        return TestResult(TestName.KS, found.ks, p_value, found.interval, limits.ks, margin=margin)

    return test


def _as_numbers(side: ColumnSketch) -> Numbers | None:
    """A side as numbers, also where texts or flags were counted; None where these were too many."""
    if side.counts is None:
        values = side.values or EMPTY
        return Numbers(values, side.rows, side.missing, side.plus_infinite, side.minus_infinite, side.invalid)
    if side.counts.names is None:
        return None
    states = {"missing": side.missing, "plus": 0, "minus": 0, "invalid": 0}
    finite: dict[float, int] = {}
    for text, count in side.counts.names.items():
        value = _FLAGS.get(text, math.nan) if side.kind == "boolean" else number_of(text)
        if math.isfinite(value):
            finite[value + 0.0] = finite.get(value + 0.0, 0) + count
        elif math.isinf(value):
            states["plus" if value > 0 else "minus"] += count
        else:
            states["invalid" if is_word(text) else "missing"] += count
    ordered = sorted(finite)
    weights = np.array([finite[value] for value in ordered], dtype=np.int64)
    values = Weighted(np.array(ordered), weights, 0.0, ordered[0], ordered[-1]) if ordered else EMPTY
    return Numbers(values, side.rows, states["missing"], states["plus"], states["minus"], states["invalid"])


def _renamed(names: Mapping[str, int]) -> Mapping[str, int]:
    """Texts that are numbers written as all numbers are, as those of the other side are."""
    merged: dict[str, int] = {}
    for text, count in names.items():
        merged[canonical(text)] = merged.get(canonical(text), 0) + count
    return merged


def _categories(first: Mapping[str, int], second: Mapping[str, int], missing: tuple[int, int]) -> Categories:
    names = sorted({*first, *second})
    return Categories(
        names=names,
        reference=np.array([first.get(name, 0) for name in names], dtype=np.int64),
        current=np.array([second.get(name, 0) for name in names], dtype=np.int64),
        ranks=np.arange(len(names), dtype=np.int64),
        reference_missing=missing[0],
        current_missing=missing[1],
    )
