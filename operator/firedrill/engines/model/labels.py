"""Whether a prediction is the label, across the ways that data files and servers write labels."""

import math
from collections.abc import Sequence

from firedrill.engines.model.records import Label

#: Labels may come back in single precision.
PRECISION = 1e-6


def predicted_label(values: Sequence[Label]) -> Label:
    """The label that an answer means: its value; of several numbers (scores of classes) the index of the largest.

    ``values`` must not be empty.
    """
    if len(values) == 1:
        return values[0]
    scores = [_as_number(value) for value in values]
    best = [score if score is not None else -math.inf for score in scores]
    return best.index(max(best))


def same_label(predicted: Label, truth: Label) -> bool:
    """Whether both mean the same: 1, 1.0, "1" and true do, and so do equal texts."""
    a, b = canonical(predicted), canonical(truth)
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=PRECISION, abs_tol=PRECISION)
    return a == b


def canonical(label: Label) -> float | str:
    """One form for all ways to write a label."""
    number = _as_number(label)
    return str(label).strip() if number is None else number


def _as_number(label: Label) -> float | None:
    if isinstance(label, str):
        text = label.strip()
        if text.lower() in ("true", "false"):
            return float(text.lower() == "true")
        try:
            number = float(text) if "_" not in text else math.nan
        except ValueError:
            return None
    else:
        try:
            number = float(label)
        except OverflowError:
            return None
    return number if math.isfinite(number) else None
