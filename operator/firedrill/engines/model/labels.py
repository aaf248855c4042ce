"""Whether a prediction is the label, across the ways that data files and servers write labels."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from firedrill.api.written import number_in
from firedrill.engines.model.records import Label

#: From here on a float does not hold every whole number.
_WHOLE: Final = 2**53


@dataclass(frozen=True)
class Reading:
    """How the values of an answer are read. Of ``text`` space and case do not count; with ``contains`` the truth need
    only be in the answer."""

    classes: tuple[str, ...] = ()
    threshold: float | None = None
    text: bool = False
    contains: bool = False

    def positive_score(self, values: Sequence[Label]) -> float | None:
        """Score of the positive class of two; None where the answer has none."""
        if len(values) == 2:
            return as_number(values[1])
        return as_number(values[0]) if len(values) == 1 and self.threshold is not None else None

    def confidence(self, values: Sequence[Label]) -> float | None:
        """Probability that the answer gives to its own label; None where its values are no probabilities."""
        scores = [as_number(value) for value in values]
        if any(score is None or not 0 <= score <= 1 for score in scores):
            return None
        known = [score for score in scores if score is not None]
        if len(known) == 1:
            return None if self.threshold is None else known[0] if known[0] >= self.threshold else 1 - known[0]
        return max(known) if math.isclose(sum(known), 1, abs_tol=0.01) else None


def predicted_label(values: Sequence[Label], reading: Reading) -> Label:
    """The label that an answer means: its value; of several numbers (scores of classes) that of the largest.

    ``values`` must not be empty.
    """
    if len(values) == 1:
        score = as_number(values[0]) if reading.threshold is not None else None
        if score is None or reading.threshold is None:
            return values[0]
        return _named(int(score >= reading.threshold), reading)
    scores = [as_number(value) for value in values]
    best = [score if score is not None else -math.inf for score in scores]
    return _named(best.index(max(best)), reading)


def is_right(predicted: Label, truth: Label, reading: Reading) -> bool:
    """Whether an answer is the truth, or holds it where that is enough."""
    if reading.contains:
        return _plain(truth) in _plain(predicted)
    return same_label(predicted, truth) or (reading.text and _plain(predicted) == _plain(truth))


def _named(index: int, reading: Reading) -> Label:
    return reading.classes[index] if index < len(reading.classes) else index


def _plain(text: Label) -> str:
    return " ".join(str(text).split()).casefold()


def same_label(predicted: Label, truth: Label) -> bool:
    """Whether both mean the same: 1, 1.0, "1" and true do, and so do equal texts."""
    return canonical(predicted) == canonical(truth)


def canonical(label: Label) -> float | str:
    """One form for all ways to write a label.

    Whole numbers are exact, since neighbours are other classes. A number with a fraction may come back in single
    precision, so it is rounded to that.
    """
    number = as_number(label)
    if number is None:
        return str(label).strip()
    if not number.is_integer():
        return float(struct.unpack("f", struct.pack("f", number))[0])
    if abs(number) < _WHOLE or isinstance(label, bool | float):
        return int(number)
    return label if isinstance(label, int) else int(Decimal(label.strip()))


def as_number(label: Label) -> float | None:
    """A label as a number; None where it is none, or not finite. A truth value is 1 or 0, however it is written."""
    if isinstance(label, str):
        text = label.strip()
        if text.lower() in ("true", "false"):
            return float(text.lower() == "true")
        number = number_in(text)
    else:
        try:
            number = float(label)
        except OverflowError:
            return None
    return number if number is not None and math.isfinite(number) else None
