"""What a run has measured, kept in few words for later runs to compare with."""

from collections.abc import Sequence

from firedrill.api.run import REGRESSION_PREFIX, ClusterResult, Figure, HistoryEntry

#: Figures that a run in the history keeps, and how many of the last runs keep any: status has room for so many.
_MAX_FIGURES = 8
_RUNS_WITH_FIGURES = 20


def figures_of(clusters: Sequence[ClusterResult]) -> list[Figure]:
    """What was measured against limits that say which side is better: a few, since status has little room.

    Of columns with p-values, which may be a thousand, those nearest to an alarm; else the first by name.
    """
    found = [
        Figure(
            cluster=c.name,
            name=m.name,
            value=m.value,
            better="Higher" if m.limit.startswith(">") else "Lower",
            limit=m.limit,
            p_value=m.p_value,
            passed=m.passed,
        )
        for c in clusters
        for m in c.measurements
        if m.value is not None and m.limit[:1] in ("<", ">") and not m.name.startswith(REGRESSION_PREFIX)
    ]
    return sorted(found, key=lambda figure: (_distance(figure), figure.name, figure.cluster))[:_MAX_FIGURES]


def _distance(figure: Figure) -> tuple[float, float]:
    """From an alarm: by the p-value and, of those that are alike, by the value. Nothing without a p-value."""
    return (0.0, 0.0) if figure.p_value is None else (round(figure.p_value, 2), -abs(figure.value))


def with_figures(history: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """A history, newest first, in which only so many runs keep their figures as there is room for."""
    return [
        entry if i < _RUNS_WITH_FIGURES else entry.model_copy(update={"figures": []}) for i, entry in enumerate(history)
    ]
