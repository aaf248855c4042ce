"""Which columns are compared, and what names and types alone already say."""

from collections.abc import Sequence
from dataclasses import dataclass

from firedrill.api.driftcheck import ColumnSettings, DriftColumns
from firedrill.engines.drift.report import ColumnReport, Reason


@dataclass(frozen=True)
class Pair:
    """A column that both tables have, by its position in each."""

    name: str
    reference: int
    current: int
    settings: ColumnSettings
    named: bool


@dataclass(frozen=True)
class Plan:
    """Pairs to compare, and columns whose outcome is clear from the names."""

    pairs: tuple[Pair, ...]
    clear: tuple[ColumnReport, ...]


def unset(name: str) -> ColumnSettings:
    """Settings of a column that has none. Its name is one of the data, which may be empty or of any length."""
    return ColumnSettings.model_construct(name=name)


def plan(reference: Sequence[str], current: Sequence[str], columns: DriftColumns, apart: Sequence[str] = ()) -> Plan:
    """Match the columns of both tables by name, in the order of the reference.

    A column that only the reference has is drift; one that only the current data has is told, and is not:
    there is nothing to hold it against. Columns ``apart`` are looked at elsewhere, and one without a name nowhere: it
    is the index of pandas and R, or what follows a last separator.
    """
    known = {*reference, *current}
    wanted = (set(columns.include) if columns.include else known - {""}) - {*columns.exclude, *apart}
    settings = {each.name: each for each in columns.settings}
    positions = {name: i for i, name in enumerate(current)}
    pairs: list[Pair] = []
    clear: list[ColumnReport] = []
    for i, name in enumerate(reference):
        if name not in wanted:
            continue
        if name in positions:
            pairs.append(Pair(name, i, positions[name], settings.get(name, unset(name)), name in columns.include))
        else:
            message = "in the reference, but not in the current data"
            weight = settings.get(name, unset(name)).weight
            clear.append(ColumnReport(name, "absent", Reason.COLUMN_MISSING, message, weight=weight))
    had = set(reference)
    for name in current:
        if name in wanted and name not in had:
            message = "not in the reference, so there is nothing to hold it against"
            clear.append(ColumnReport(name, "added", Reason.COLUMN_ADDED, message))
    return Plan(tuple(pairs), tuple(clear))
