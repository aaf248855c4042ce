"""The drift check on sketches: two merged tables in, one report out."""

from dataclasses import replace
from typing import Final

from firedrill.api.driftcheck import ColumnSettings
from firedrill.engines.drift.asked import Asked
from firedrill.engines.drift.check import check_names, report_of, too_few
from firedrill.engines.drift.compare import Limits
from firedrill.engines.drift.parts import Parts
from firedrill.engines.drift.plan import Pair, plan
from firedrill.engines.drift.report import ColumnReport, DriftReport, Sketched
from firedrill.engines.drift.sketch.compare import compare_sketches
from firedrill.engines.drift.sketch.table import TableSketch
from firedrill.engines.drift.table import unique_names

#: Probability that any error of any sketch of a check is larger than is said. It adds to the chance of a false alarm.
DOUBT: Final = 0.001
#: Errors of a column: of shares up to a bound and between two, on either side.
_ERRORS: Final = 4


def check_sketches(reference: TableSketch, current: TableSketch, asked: Asked, workers: int = 1) -> DriftReport:
    """Say whether ``current`` still looks like ``reference``, column by column, within the errors of the sketches.

    Where a distance minus its error alarms, there is drift; where it does not even with its error added, there is
    none; between, nothing is said (``SketchTooCoarse``). Joint drift is not looked for, and what else needs rows (a
    target, segments, rows that depend on each other) must not be asked for. Raises UnknownColumn when a column is named
    that neither table has.
    """
    check_names(asked, {*reference.names, *current.names})
    planned = plan(reference.names, current.names, asked.columns)
    rows = reference.rows, current.rows
    sketched = Sketched(DOUBT, workers)
    if min(rows) < asked.min_rows:
        return report_of(asked, rows, [*planned.clear, *too_few(planned.pairs)], Parts(), sketched)
    thresholds = asked.thresholds
    limits = Limits(thresholds.min_ks_effect, thresholds.min_categorical_effect)
    doubt = DOUBT / (_ERRORS * max(len(planned.pairs), 1))

    def compare(pair: Pair) -> ColumnReport:
        settings: ColumnSettings = pair.settings
        found = compare_sketches(reference.columns[pair.name], current.columns[pair.name], limits, settings, doubt)
        return replace(found, weight=settings.weight)

    reports = [compare(pair) for pair in planned.pairs]
    return report_of(asked, rows, [*planned.clear, *reports], Parts(), sketched)


def columns_to_sketch(reference: list[str], current: list[str], asked: Asked) -> list[str]:
    """Names of the columns that both tables have and that are compared."""
    names = unique_names(reference), unique_names(current)
    return [pair.name for pair in plan(names[0], names[1], asked.columns).pairs]
