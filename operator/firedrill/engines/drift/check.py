"""The drift check: two tables in, one report out."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from firedrill.engines.drift.asked import Asked
from firedrill.engines.drift.compare import Limits, compare_column
from firedrill.engines.drift.decide import decide
from firedrill.engines.drift.dependent import Blocked, blocked, cut, decide_blocked
from firedrill.engines.drift.errors import UnknownColumn
from firedrill.engines.drift.estimates import error_rises, estimates
from firedrill.engines.drift.matrix import Sampled, row_sample
from firedrill.engines.drift.parts import Parts, whole_tests
from firedrill.engines.drift.plan import Pair, plan
from firedrill.engines.drift.report import HOLDS, ColumnReport, DriftReport, Reason, Sketched
from firedrill.engines.drift.segments import Segment, split
from firedrill.engines.drift.table import Columns, TableColumns, unique_names
from firedrill.engines.drift.values import order_of
from firedrill.engines.drift.verdict import Evidence, judge, measurements

#: Sorting and searching release the interpreter's lock, so two columns at a time use two cores; more would
#: hold more columns in memory.
WORKERS: Final = 2
#: Columns of these types can be features of a learner.
_FEATURES: Final = frozenset({"numeric", "categorical"})


@dataclass(frozen=True)
class _Compared:
    """A column in all rows, in each segment, and in the rows that learners see."""

    reports: tuple[ColumnReport, ...]
    blocked: Blocked | None
    sampled: Sampled | None


def check(
    reference: "pa.Table | Columns",
    current: "pa.Table | Columns",
    asked: Asked | None = None,
    workers: int = WORKERS,
) -> DriftReport:
    """Say whether ``current`` still looks like ``reference``: each column, all together, and the labels' concept.

    The p-values of all tests are corrected together, so that the chance of any false alarm is at most
    ``thresholds.significance``; an alarm needs an effect at its limit as well. Memory holds ``workers`` columns at
    a time besides what the tables hold, and the sampled rows that learners see.

    Odd data never raises: it gives columns that are undecided, with a reason. Raises UnknownColumn when a column
    is named that neither table has.
    """
    asked = asked or Asked()
    first, second = _columns(reference), _columns(current)
    names = unique_names(first.names), unique_names(second.names)
    check_names(asked, {*names[0], *names[1]})
    apart = [asked.target] if asked.target else []
    planned = plan(names[0], names[1], asked.columns, apart)
    thresholds = asked.thresholds
    rows = min(first.num_rows, second.num_rows)
    if rows < asked.min_rows:
        return report_of(asked, (first.num_rows, second.num_rows), [*planned.clear, *too_few(planned.pairs)], Parts())
    taken = tuple(row_sample(side.num_rows, asked.joint.max_rows, i) for i, side in enumerate((first, second)))
    segments, told = _segments(asked, first, second, names)
    limits = Limits(thresholds.min_ks_effect, thresholds.min_categorical_effect)

    def compare(pair: Pair) -> _Compared:
        a = _rows(first.column(pair.reference), orders[0])
        b = _rows(second.column(pair.current), orders[1])
        report = replace(compare_column(a, b, limits, pair.settings, pair.named), weight=pair.settings.weight)
        return _Compared(
            (report, *(_within(segment, a, b, limits, pair) for segment in segments)),
            blocked(report, a, b, blocks) if blocks is not None else None,
            _sampled(report, a, b, taken, asked) if learned else None,
        )

    learned = (asked.joint.enabled or asked.target is not None) and not asked.rows.dependent
    blocks = cut(first.num_rows, second.num_rows) if asked.rows.dependent else None
    orders = _orders(asked, first, second, names)
    compared = _each(compare, planned.pairs, workers)
    reports = [report for each in compared for report in each.reports]
    if blocks is not None:
        reports = decide_blocked([each.blocked for each in compared if each.blocked is not None], blocks)
    columns = [*planned.clear, *told, *reports]
    parts = Parts(
        tuple(each.sampled for each in compared if each.sampled is not None),
        _picked(asked.target, first, second, names, taken),
        _estimated(asked, first, second, names),
    )
    return report_of(asked, (first.num_rows, second.num_rows), columns, parts)


def report_of(
    asked: Asked,
    rows: tuple[int, int],
    columns: Sequence[ColumnReport],
    parts: Parts,
    sketched: Sketched | None = None,
) -> DriftReport:
    """The report of columns whose tests are not corrected yet, and of what was kept beside them."""
    thresholds = asked.thresholds
    instead = "TooFewRows" if min(rows) < asked.min_rows else "Sketched" if sketched else ""
    tests = whole_tests(asked, parts, instead)
    how = None if asked.rows.dependent else thresholds.correction
    decided, wholes = decide(columns, tests, thresholds.significance, how)
    evidence = Evidence(decided, *rows, asked.min_rows, thresholds.significance, tuple(wholes))
    decision = judge(evidence)
    return DriftReport(
        verdict=decision.verdict,
        reason=decision.reason,
        message=decision.message,
        reference_rows=rows[0],
        current_rows=rows[1],
        significance=thresholds.significance,
        columns=tuple(decided),
        wholes=tuple(wholes),
        performance=estimates(asked, parts),
        error_rises=error_rises(parts),
        measurements=measurements(evidence),
        sketched=sketched,
    )


def _columns(table: "pa.Table | Columns") -> Columns:
    if isinstance(table, pa.Table):
        return TableColumns(table)
    source: Columns = table
    return source


def check_names(asked: Asked, names: set[str]) -> None:
    """Raises UnknownColumn where a column is named that neither table has."""
    for field, wanted in asked.named.items():
        unknown = [name for name in wanted if name not in names]
        if unknown:
            raise UnknownColumn(field, unknown)


def _each(compare: Callable[[Pair], _Compared], pairs: tuple[Pair, ...], workers: int) -> list[_Compared]:
    if workers <= 1 or len(pairs) <= 1:
        return [compare(pair) for pair in pairs]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(compare, pairs))


def too_few(pairs: tuple[Pair, ...]) -> list[ColumnReport]:
    """The reports of columns that are not looked at, for want of rows."""
    message = "not compared: too few rows"
    return [ColumnReport(pair.name, "unknown", Reason.TOO_FEW_ROWS, message) for pair in pairs]


def _segments(
    asked: Asked, first: Columns, second: Columns, names: tuple[list[str], list[str]]
) -> tuple[tuple[Segment, ...], tuple[ColumnReport, ...]]:
    if asked.segments is None:
        return (), ()
    sides = _picked(asked.segments.column, first, second, names, (None, None))
    return split(*sides, asked.segments, asked.thresholds.min_rows) if sides else ((), ())


def _orders(asked: Asked, first: Columns, second: Columns, names: tuple[list[str], list[str]]) -> tuple[Any, Any]:
    """The rows of both sides in the order asked for; None where they are taken as they come."""
    sides = _picked(asked.rows.order, first, second, names, (None, None)) if asked.rows.dependent else None
    if sides is None:
        return None, None
    return order_of(sides[0]), order_of(sides[1])


def _within(segment: Segment, a: Any, b: Any, limits: Limits, pair: Pair) -> ColumnReport:
    found = compare_column(a.filter(segment.reference), b.filter(segment.current), limits, pair.settings, pair.named)
    return replace(found, segment=segment.label, weight=pair.settings.weight)


def _sampled(report: ColumnReport, a: Any, b: Any, taken: tuple[Any, ...], asked: Asked) -> Sampled | None:
    """The rows that learners see, of columns that say something and are no outcome of a model."""
    usable = report.reason in HOLDS or report.tests
    if report.type not in _FEATURES or not usable or report.name in asked.not_features:
        return None
    if report.reason in (Reason.CONSTANT, Reason.ALL_VALUES_RARE):
        return None
    return Sampled(report.name, report.type == "categorical", _rows(a, taken[0]), _rows(b, taken[1]))


def _rows(column: Any, taken: Any) -> Any:
    return column if taken is None else column.take(pa.array(taken))


def _picked(
    name: str | None, first: Columns, second: Columns, names: tuple[list[str], list[str]], taken: tuple[Any, ...]
) -> tuple[Any, Any] | None:
    """A column of both sides in the rows taken; where a side lacks it, nothing but nulls. None without a name."""
    if name is None:
        return None
    sides = [
        _rows(side.column(known.index(name)), rows)
        if name in known
        else pa.chunked_array([pa.nulls(side.num_rows if rows is None else len(rows))])
        for side, known, rows in zip((first, second), names, taken, strict=True)
    ]
    return sides[0], sides[1]


def _estimated(
    asked: Asked, first: Columns, second: Columns, names: tuple[list[str], list[str]]
) -> dict[str, tuple[Any, Any]]:
    """Target, prediction and score of all rows, for the estimate of performance; empty when it is not asked for."""
    if asked.target is None or (asked.prediction is None and asked.score is None):
        return {}
    wanted = {"target": asked.target, "prediction": asked.prediction, "score": asked.score}
    return {
        role: sides
        for role, name in wanted.items()
        if (sides := _picked(name, first, second, names, (None, None))) is not None
    }
