"""Which columns are compared, and what names and types alone already say."""

from collections.abc import Sequence
from dataclasses import dataclass

from firedrill.api.driftcheck import DriftColumns
from firedrill.engines.drift.errors import UnknownColumn
from firedrill.engines.drift.report import ColumnReport, Reason


@dataclass(frozen=True)
class Pair:
    """A column that both tables have, by its position in each."""

    name: str
    reference: int
    current: int
    as_categories: bool
    named: bool


@dataclass(frozen=True)
class Plan:
    """Pairs to compare, and columns whose outcome is clear from the names."""

    pairs: tuple[Pair, ...]
    clear: tuple[ColumnReport, ...]


def plan(reference: Sequence[str], current: Sequence[str], columns: DriftColumns) -> Plan:
    """Match the columns of both tables by name, in the order of the reference.

    A column that only the reference has is drift; one that only the current data has is told, and is not:
    there is nothing to hold it against. Raises UnknownColumn when ``include`` or ``categorical`` names a
    column that neither table has; ``exclude`` may, so that one spec serves before and after a removal.
    """
    known = {*reference, *current}
    for field, names in (("include", columns.include), ("categorical", columns.categorical)):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UnknownColumn(field, unknown)
    wanted = (set(columns.include) if columns.include else known) - set(columns.exclude)
    positions = {name: i for i, name in enumerate(current)}
    pairs: list[Pair] = []
    clear: list[ColumnReport] = []
    for i, name in enumerate(reference):
        if name not in wanted:
            continue
        if name in positions:
            named = name in columns.include
            pairs.append(Pair(name, i, positions[name], name in columns.categorical, named))
        else:
            message = "in the reference, but not in the current data"
            clear.append(ColumnReport(name, "absent", Reason.COLUMN_MISSING, message))
    had = set(reference)
    for name in current:
        if name in wanted and name not in had:
            message = "not in the reference, so there is nothing to hold it against"
            clear.append(ColumnReport(name, "added", Reason.COLUMN_ADDED, message))
    return Plan(tuple(pairs), tuple(clear))
