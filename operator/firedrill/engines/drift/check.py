"""The drift check: two tables in, one report out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pyarrow as pa

from firedrill.api.driftcheck import DriftColumns, DriftThresholds
from firedrill.engines.drift.compare import Limits, compare_column
from firedrill.engines.drift.decide import decide
from firedrill.engines.drift.plan import Pair, plan
from firedrill.engines.drift.report import ColumnReport, DriftReport, Reason
from firedrill.engines.drift.table import Columns, TableColumns, unique_names
from firedrill.engines.drift.verdict import Evidence, judge, measurements

#: Sorting and searching release the interpreter's lock, so two columns at a time use two cores; more would
#: hold more columns in memory.
WORKERS: Final = 2


def check(
    reference: "pa.Table | Columns",
    current: "pa.Table | Columns",
    columns: DriftColumns | None = None,
    thresholds: DriftThresholds | None = None,
    workers: int = WORKERS,
) -> DriftReport:
    """Say whether ``current`` still looks like ``reference``, column by column.

    Each column is tested by its kind; the p-values of all tests of all columns are corrected together by
    Holm's method, so that the chance of any false alarm is at most ``thresholds.significance``; an alarm needs
    an effect at its limit as well. Memory holds ``workers`` columns at a time besides what the tables hold.

    Odd data never raises: it gives columns that are undecided, with a reason. Raises UnknownColumn when
    ``columns`` includes, or calls categorical, a column that neither table has.
    """
    columns = columns or DriftColumns()
    thresholds = thresholds or DriftThresholds()
    first, second = _columns(reference), _columns(current)
    planned = plan(unique_names(first.names), unique_names(second.names), columns)
    limits = Limits(thresholds.min_ks_effect, thresholds.min_categorical_effect)
    rows = min(first.num_rows, second.num_rows)

    def compare(pair: Pair) -> ColumnReport:
        return compare_column(
            pair.name, first.column(pair.reference), second.column(pair.current), limits, pair.as_categories, pair.named
        )

    compared = _each(compare, planned.pairs, workers) if rows >= thresholds.min_rows else _too_few(planned.pairs)
    decided = decide([*planned.clear, *compared], thresholds.significance)
    evidence = Evidence(decided, first.num_rows, second.num_rows, thresholds.min_rows, thresholds.significance)
    decision = judge(evidence)
    return DriftReport(
        verdict=decision.verdict,
        reason=decision.reason,
        message=decision.message,
        reference_rows=first.num_rows,
        current_rows=second.num_rows,
        significance=thresholds.significance,
        columns=tuple(decided),
        measurements=measurements(evidence),
    )


def _columns(table: "pa.Table | Columns") -> Columns:
    if isinstance(table, pa.Table):
        return TableColumns(table)
    source: Columns = table
    return source


def _each(compare: Callable[[Pair], ColumnReport], pairs: tuple[Pair, ...], workers: int) -> list[ColumnReport]:
    if workers <= 1 or len(pairs) <= 1:
        return [compare(pair) for pair in pairs]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(compare, pairs))


def _too_few(pairs: tuple[Pair, ...]) -> list[ColumnReport]:
    message = "not compared: too few rows"
    return [ColumnReport(pair.name, "unknown", Reason.TOO_FEW_ROWS, message) for pair in pairs]
