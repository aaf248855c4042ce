"""Numbers for the small drawings of the HTML report; the template only places them."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from firedrill.api.verdict import Measurement

_LIMIT: Final = re.compile(r"^(<=|>=|<|>|==?)\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")
#: Columns with a drawing of their bins; a report has them of so many.
COLUMNS_DRAWN: Final = 50
#: Phases of a load with a drawing of their latency over time.
PHASES_DRAWN: Final = 20


@dataclass(frozen=True)
class Gauge:
    """A bar for the value and a mark for the limit, in percent of the width. ``at_least`` tells which side is good."""

    value: float
    limit: float
    at_least: bool


@dataclass(frozen=True)
class BinBars:
    """Two bars of one bin, in percent of the longest bar of their column; shares in percent."""

    label: str
    reference: float
    current: float
    reference_share: float
    current_share: float


@dataclass(frozen=True)
class ColumnDrawing:
    """The distribution of a column on both sides."""

    name: str
    drift: bool
    message: str
    bins: tuple[BinBars, ...]


@dataclass(frozen=True)
class TrendDrawing:
    """Two lines over time, as points in a field of 100 by 40."""

    title: str
    detail: str
    first: str
    second: str


def gauge(measurement: Measurement) -> Gauge | None:
    """The drawing of a measurement; None without a value or without a limit that is a number."""
    match = _LIMIT.match(measurement.limit)
    if match is None or measurement.value is None or not math.isfinite(measurement.value):
        return None
    limit, value = float(match.group(2)), measurement.value
    if limit < 0 or value < 0:
        return None
    # The limit stands somewhere in the middle, unless the value is far off; a ratio that should be high ends at 1.
    at_least = match.group(1).startswith(">")
    full = 1.0 if at_least and measurement.unit == "ratio" and max(value, limit) <= 1 else max(limit * 1.6, value * 1.1)
    if full <= 0:
        full = 1.0
    return Gauge(round(100 * value / full, 2), round(100 * limit / full, 2), at_least)


def column_drawings(report: Mapping[str, Any]) -> list[ColumnDrawing]:
    """Drawings of the columns of a drift report, in its order; empty for any other report."""
    columns = report.get("columns")
    if not isinstance(columns, Sequence):
        return []
    drawn = [_column(column) for column in columns if isinstance(column, Mapping) and column.get("bins")]
    return drawn[:COLUMNS_DRAWN]


def trend_drawings(report: Mapping[str, Any]) -> list[TrendDrawing]:
    """Latency over time of each phase of a benchmark; empty for any other report."""
    phases = report.get("phases")
    if not isinstance(phases, Sequence) or isinstance(phases, str):
        return []
    drawn = [_trend(phase) for phase in phases if isinstance(phase, Mapping) and phase.get("trend")]
    return [drawing for drawing in drawn if drawing is not None][:PHASES_DRAWN]


def _trend(phase: Mapping[str, Any]) -> TrendDrawing | None:
    rows = phase["trend"]
    longest = max((row[name] or 0.0 for row in rows for name in ("p50", "p99")), default=0.0)
    if longest <= 0:
        return None
    width = max(len(rows) - 1, 1)
    lines = {
        name: " ".join(
            f"{100 * i / width:.2f},{38 - 36 * row[name] / longest:.2f}"
            for i, row in enumerate(rows)
            if row[name] is not None
        )
        for name in ("p50", "p99")
    }
    rate = phase.get("rate")
    title = f"{rate:.4g} requests a second" if rate is not None else f"{phase.get('concurrency')} clients"
    detail = f"median and 99th percentile over {phase.get('seconds') or 0:.3g} s, up to {longest * 1000:.3g} ms"
    return TrendDrawing(title, detail, lines["p50"], lines["p99"])


def timeline(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Entries of a report's timeline that say when and what; empty when it has none."""
    entries = report.get("timeline")
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        return []
    return [entry for entry in entries if isinstance(entry, Mapping) and "time" in entry]


def failing_rows(report: Mapping[str, Any]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Checks of a report with rows that fail, each by its name; empty when it has none."""
    checks = report.get("checks")
    if not isinstance(checks, Sequence) or isinstance(checks, str):
        return []
    found = [check for check in checks if isinstance(check, Mapping) and check.get("samples")]
    return [(str(check.get("name") or check.get("kind", "")), list(check["samples"])) for check in found]


def _column(column: Mapping[str, Any]) -> ColumnDrawing:
    bins = column["bins"]
    longest = max(max(item["reference"], item["current"]) for item in bins) or 1.0
    return ColumnDrawing(
        name=f"{column['name']} where {column['segment']}" if column.get("segment") else str(column["name"]),
        drift=bool(column["drift"]),
        message=str(column["message"]),
        bins=tuple(
            BinBars(
                str(item["label"]),
                round(100 * item["reference"] / longest, 2),
                round(100 * item["current"] / longest, 2),
                round(100 * item["reference"], 2),
                round(100 * item["current"], 2),
            )
            for item in bins
        ),
    )
