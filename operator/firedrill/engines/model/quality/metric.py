"""A metric with its interval, and the rows that it is computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from firedrill.engines.common.intervals import Interval
from firedrill.engines.model.labels import Reading, predicted_label
from firedrill.engines.model.records import Label, Outcome, RequestRecord

RESAMPLES: Final = 2000
SEED: Final = 7


@dataclass(frozen=True)
class Metric:
    """A value with its 95 % interval. ``interval`` is None where it can not be had, and ``problem`` says why."""

    name: str
    interval: Interval | None
    problem: str = ""
    unit: str = "ratio"
    of: str = "rows"


@dataclass(frozen=True)
class Answered:
    """One row with its answers; of a row that was sent again the first answer is taken, as a user would."""

    row: int
    truth: Label
    values: tuple[Label, ...]
    label: Label


def answered_rows(records: Sequence[RequestRecord], reading: Reading) -> tuple[Answered, ...]:
    """Rows that were answered after warm-up, in their order."""
    found: dict[int, Answered] = {}
    for record in records:
        if record.outcome is Outcome.ANSWERED and not record.warmup and record.row not in found:
            label = predicted_label(record.predicted, reading)
            found[record.row] = Answered(record.row, record.truth, record.predicted, label)
    return tuple(found[row] for row in sorted(found))


def mean_interval(values: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Mean with Student's interval; of fewer than two values it is everything."""
    size, value = len(values), float(np.mean(values))
    if size < 2:
        return Interval(value, -np.inf, np.inf, size)
    spread = float(stats.t.ppf((1 + level) / 2, size - 1) * np.std(values, ddof=1) / np.sqrt(size))
    return Interval(value, value - spread, value + spread, size)


def clipped(interval: Interval, low: float = 0.0, high: float = 1.0) -> Interval:
    """An interval within the values that are possible."""
    return Interval(interval.value, max(interval.low, low), min(interval.high, high), interval.size)
