"""A metric with its interval, and the rows that it is computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from firedrill.engines.common.shares import Z95, Interval
from firedrill.engines.model.labels import Reading, predicted_label
from firedrill.engines.model.records import Label, Outcome, RequestRecord

RESAMPLES: Final = 2000
SEED: Final = 7
#: Rule of three: what was not seen in n rows may be in three of n.
UNSEEN: Final = 3
LEAST: Final = 10
_LEAST_ALIKE: Final = 30
#: Values that differ by less than this share of them differ by rounding.
_ALIKE: Final = 1e-9


@dataclass(frozen=True)
class Metric:
    """A value with its 95 % interval. ``interval`` is None where it can not be had, and ``problem`` says why."""

    name: str
    interval: Interval | None
    problem: str = ""
    unit: str = "ratio"
    of: str = "rows"
    #: A share of cases, of which a limit of 1 asks that each is right.
    counted: bool = False


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


def unanswered_rows(records: Sequence[RequestRecord], *, late: bool) -> tuple[int, ...]:
    """Rows that were sent after warm-up and never answered. Where the client was ``late``, those alone of which the
    server said so: the others may be its own doing."""
    answered = {record.row for record in records if record.outcome is Outcome.ANSWERED and not record.warmup}
    failed = {record.row for record in records if not record.warmup and (record.outcome.from_server or not late)}
    return tuple(sorted(failed - answered))


def thin(values: NDArray[np.float64]) -> bool:
    """Whether values are too few to tell how far the next may be off: fewer than 10, or than 30 that are all alike."""
    alike = bool(np.ptp(values) <= _ALIKE * np.abs(values).max()) if len(values) else True
    return len(values) < (_LEAST_ALIKE if alike else LEAST)


def mean_interval(values: NDArray[np.float64], level: float = 0.95, reach: float | None = None) -> Interval:
    """Mean with Student's interval. Of values that are :func:`thin` it is everything.

    ``reach`` is the largest value where values are bounded by 0 and that. They may all be alike by chance, and the
    one that is not comes next: the variance is widened so that a mean at an end has the room of the rule of three.
    """
    size, value = len(values), float(np.mean(values))
    if size < 2 or (reach is None and thin(values)):
        return Interval(value, -np.inf, np.inf, size)
    squares = float(np.sum((values - value) ** 2))
    if reach is not None:
        squares += (UNSEEN / Z95 * max(value, reach - value)) ** 2
    spread = float(stats.t.ppf((1 + level) / 2, size - 1)) * float(np.sqrt(squares / (size - 1) / size))
    return Interval(value, value - spread, value + spread, size)


def clipped(interval: Interval, low: float = 0.0, high: float = 1.0) -> Interval:
    """An interval within the values that are possible."""
    return Interval(interval.value, max(interval.low, low), min(interval.high, high), interval.size)
