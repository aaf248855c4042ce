"""True labels of both sides, as the concept test takes them."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from firedrill.api.driftcheck import ColumnType
from firedrill.engines.drift.concept import Labels
from firedrill.engines.drift.contingency import compare_counts
from firedrill.engines.drift.values import codes_in_order, kind_of, values_in_order

#: Numbers with more different values than this are quantities, not classes.
CLASSES_AT_MOST: Final = 20
#: Numbers beyond can not be squared; they are as far out as numbers go.
_HUGE: Final = 1e100


@dataclass(frozen=True)
class LabelsFound:
    """Labels, and how their shares have moved: that is told apart from concept drift and is no alarm.

    ``shift`` is the total variation distance of the classes with its p-value, None for a regression; ``unseen``
    the share of current labels that the reference does not have.
    """

    labels: Labels
    shift: float | None
    shift_p_value: float | None
    unseen: float


def labels_of(reference: Any, current: Any, asked: ColumnType | None) -> LabelsFound:
    """Labels row by row, as classes or as numbers. All classes that the reference lacks are one of their own."""
    numeric = {kind_of(side.type) for side in (reference, current)} <= {"numeric", "empty"}
    if asked is ColumnType.NUMERIC or (numeric and asked is None):
        first, second = (np.clip(values_in_order(side), -_HUGE, _HUGE) for side in (reference, current))
        if asked is ColumnType.NUMERIC or len(np.unique(first[np.isfinite(first)])) > CLASSES_AT_MOST:
            return LabelsFound(Labels(first, second, 0), None, None, 0.0)
    codes, others, names = codes_in_order(reference, current)
    counts = np.bincount(codes[codes >= 0], minlength=len(names)).astype(np.int64)
    now = np.bincount(others[others >= 0], minlength=len(names)).astype(np.int64)
    place = np.full(len(names) + 1, np.nan)
    known = np.flatnonzero(counts > 0)
    place[known] = np.arange(len(known))
    # Rows with a label that no model of the reference can say are the most wrong of all, and must count.
    new = bool(np.any(now[counts == 0]))
    place[:-1][counts == 0] = len(known)
    outcome = compare_counts(counts, now) if counts.sum() and now.sum() else None
    return LabelsFound(
        labels=Labels(place[codes], place[others], len(known) + new, new),
        shift=outcome.effect if outcome else None,
        shift_p_value=outcome.p_value if outcome else None,
        unseen=float(now[counts == 0].sum() / now.sum()) if now.sum() else 0.0,
    )
