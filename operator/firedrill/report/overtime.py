"""The last runs of a resource drawn over time: its score, and each figure with its limit and its p-value."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from firedrill.api.run import Figure, HistoryEntry

_VALUE_LIMIT: Final = re.compile(r"^[<>]=?\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")
_P_LIMIT: Final = re.compile(r"\bp >= (\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")
#: Smaller p-values are drawn as this one: what matters is which side of the limit they are on.
_SMALLEST_P: Final = 1e-6
#: Figures that are drawn of one target.
FIGURES_DRAWN: Final = 12


@dataclass(frozen=True)
class Dot:
    """A run: its place in percent of width and height, whether the limit holds there, and what is said of it."""

    x: float
    y: float
    outcome: str
    text: str


@dataclass(frozen=True)
class Panel:
    """A value over the runs, larger ones higher. ``limit`` is the height of its line in percent; None without one."""

    title: str
    dots: tuple[Dot, ...]
    limit: float | None = None
    limit_text: str = ""

    @property
    def line(self) -> str:
        """The dots as points of a line."""
        return " ".join(f"{dot.x:.2f},{dot.y:.2f}" for dot in self.dots)


@dataclass(frozen=True)
class OverTime:
    """What is drawn of one figure."""

    name: str
    first: datetime
    last: datetime
    panels: tuple[Panel, ...]


def over_time(history: Sequence[HistoryEntry], cluster: str) -> list[OverTime]:
    """Drawings of the score and of the figures of a target, those first that break their limit in the last run.

    ``history`` is newest first, as status has it. What has fewer than two runs is not drawn.
    """
    runs = sorted(history, key=lambda entry: entry.started_at)
    drawn = _score([entry for entry in runs if entry.score is not None])
    named: dict[str, list[tuple[HistoryEntry, Figure]]] = {}
    for entry in runs:
        for figure in entry.figures:
            if figure.cluster == cluster:
                named.setdefault(figure.name, []).append((entry, figure))
    series = [(name, points) for name, points in named.items() if len(points) > 1]
    series.sort(key=lambda item: (item[1][-1][0] is not runs[-1], item[1][-1][1].passed is not False, item[0]))
    return [*drawn, *(_figure(name, points) for name, points in series[:FIGURES_DRAWN])]


def _score(runs: Sequence[HistoryEntry]) -> list[OverTime]:
    if len(runs) < 2:
        return []
    xs = _places([entry.started_at for entry in runs])
    dots = tuple(
        Dot(x, 100.0 - (entry.score or 0), entry.verdict.value, _told(entry, f"{entry.verdict.value}, {entry.score}"))
        for x, entry in zip(xs, runs, strict=True)
    )
    return [OverTime("score", runs[0].started_at, runs[-1].started_at, (Panel("0 to 100, all targets", dots),))]


def _figure(name: str, points: Sequence[tuple[HistoryEntry, Figure]]) -> OverTime:
    xs = _places([entry.started_at for entry, _ in points])
    panels = [_values(xs, points)]
    if any(figure.p_value is not None for _, figure in points):
        panels.append(_p_values(xs, points))
    return OverTime(name, points[0][0].started_at, points[-1][0].started_at, tuple(panels))


def _values(xs: Sequence[float], points: Sequence[tuple[HistoryEntry, Figure]]) -> Panel:
    limit = _value_limit(points[-1][1])
    values = [figure.value for _, figure in points]
    low = min(0.0, *values, *([] if limit is None else [limit]))
    high = max(0.0, *values, *([] if limit is None else [limit]))
    span = (high - low) * 1.1 or 1.0
    dots = tuple(
        Dot(x, _height((figure.value - low) / span), _outcome(figure), _told(entry, f"{figure.value:.4g}"))
        for x, (entry, figure) in zip(xs, points, strict=True)
    )
    title = f"up to {max(values):.3g}, now {values[-1]:.3g}"
    if limit is None:
        return Panel(title, dots)
    return Panel(title, dots, _height((limit - low) / span), f"limit {limit:g}")


def _p_values(xs: Sequence[float], points: Sequence[tuple[HistoryEntry, Figure]]) -> Panel:
    """On a logarithmic scale, smaller ones higher: above the line there is evidence."""
    full = -math.log10(_SMALLEST_P)

    def height(p: float) -> float:
        return _height(-math.log10(min(1.0, max(p, _SMALLEST_P))) / full / 1.05)

    dots = tuple(
        Dot(x, height(figure.p_value), _outcome(figure), _told(entry, f"p {figure.p_value:.2g}"))
        for x, (entry, figure) in zip(xs, points, strict=True)
        if figure.p_value is not None
    )
    last = next(figure.p_value for _, figure in reversed(points) if figure.p_value is not None)
    found = _P_LIMIT.search(points[-1][1].limit)
    title = f"p now {last:.2g}"
    if found is None:
        return Panel(title, dots)
    return Panel(title, dots, height(float(found.group(1))), f"limit {float(found.group(1)):g}")


def _outcome(figure: Figure) -> str:
    return {True: "passed", False: "failed", None: "undecided"}[figure.passed]


def _value_limit(figure: Figure) -> float | None:
    match = _VALUE_LIMIT.match(figure.limit)
    return float(match.group(1)) if match else None


def _height(share: float) -> float:
    return round(100 * (1 - share), 2)


def _places(times: Sequence[datetime]) -> list[float]:
    """Places of moments in percent of the width."""
    whole = (times[-1] - times[0]).total_seconds()
    return [round(100 * (time - times[0]).total_seconds() / whole, 2) if whole else 50.0 for time in times]


def _told(entry: HistoryEntry, value: str) -> str:
    return f"{entry.started_at:%Y-%m-%d %H:%M} UTC, run {entry.id}: {value}"
