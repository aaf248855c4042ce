"""A result with the resource it belongs to: what every report is made of."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from firedrill.api.run import HistoryEntry
from firedrill.api.task import Result
from firedrill.api.verdict import Measurement, Verdict
from firedrill.core.score import score
from firedrill.core.worst import worst


@dataclass(frozen=True)
class Entry:
    """One run of one resource in one target. ``namespace`` is empty where there is none."""

    kind: str
    namespace: str
    name: str
    result: Result
    #: The last runs of the resource, newest first, this one among them; empty where none are known.
    history: tuple[HistoryEntry, ...] = ()

    @property
    def title(self) -> str:
        """Kind and name, with the namespace where there is one."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def score(self) -> int | None:
        """0 to 100; None on Error."""
        return score(self.result.verdict, self.result.measurements)

    @property
    def seconds(self) -> float:
        """How long the run took."""
        return max((self.result.finished_at - self.result.started_at).total_seconds(), 0.0)


def overall(entries: Sequence[Entry]) -> Verdict:
    """The verdict of all entries together; of none it is Inconclusive."""
    return worst(entry.result.verdict for entry in entries)


_SIMPLE_LIMIT: Final = re.compile(r"(<=|>=|<|>)\s*(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")


def shown_value(measurement: Measurement) -> str:
    """A measured value with its unit, for people; a dash where there is none."""
    return "–" if measurement.value is None else _with_unit(measurement.value, measurement.unit)


def shown_limit(measurement: Measurement) -> str:
    """The limit in the unit of the value, for people; a dash where there is none."""
    match = _SIMPLE_LIMIT.fullmatch(measurement.limit)
    if match is None or measurement.unit not in ("s", "ratio"):
        return measurement.limit or "–"
    return f"{match.group(1)}\u00a0{_with_unit(float(match.group(2)), measurement.unit)}"


def _with_unit(value: float, unit: str) -> str:
    if unit == "s":
        # No-break spaces keep a number and its unit together in a narrow cell.
        return f"{value * 1000:.3g}\u00a0ms" if abs(value) < 1 else f"{value:.3g}\u00a0s"
    if unit == "ratio":
        return f"{value * 100:.4g}\u00a0%"
    return f"{value:.4g} {unit}".rstrip()


def shown_outcome(measurement: Measurement) -> str:
    """passed, failed, undecided, or info for what has no weight."""
    if measurement.passed is None:
        return "undecided" if measurement.weight > 0 else "info"
    return "passed" if measurement.passed else "failed"
