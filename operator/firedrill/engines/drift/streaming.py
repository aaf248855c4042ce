"""A detector for running windows: has the error rate of a model risen, judged row by row?

A windowed generalised likelihood ratio (Willsky and Jones 1976; Lai 1995) for zeros and ones. After each row the
last k rows, for a ladder of k, are held against all rows before them since the last alarm: twice the log-likelihood
of two rates over that of one. An alarm is raised where the ratio passes a threshold that is met by chance about once
in so many rows as the detector is asked to last. Memory is one ring of the longest window, time a few steps a row.
"""

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

#: Lengths of the recent windows that are looked at.
WINDOWS: Final = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
#: Rows before the recent ones that are needed to know the usual rate.
WARM_UP: Final = 100
#: Log-likelihood ratio of an alarm: in a million rows without a change it is passed about once.
THRESHOLD: Final = 12.0


class RisingRate:
    """Detects that ones become more frequent. A fall of the rate is taken over silently as the new usual."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._begin()

    def _begin(self) -> None:
        self._rows = 0
        self._sums: deque[int] = deque([0], maxlen=WINDOWS[-1] + 1)
        self._total = 0

    def update(self, one: bool) -> bool:
        """Take the next row; True when the rate has risen. The detector then begins anew."""
        self._rows += 1
        self._total += one
        self._sums.append(self._total)
        # Only a one can raise a rate.
        if one and self._rows >= WARM_UP + WINDOWS[0] and self._risen():
            self._begin()
            return True
        return False

    def _risen(self) -> bool:
        rows, total, sums = self._rows, self._total, self._sums
        whole = _log_likelihood(total, rows)
        newest = len(sums) - 1
        for length in WINDOWS:
            before = rows - length
            if before < WARM_UP:
                break
            recent = total - sums[newest - length]
            earlier = total - recent
            if recent * before <= earlier * length:
                continue
            ratio = _log_likelihood(recent, length) + _log_likelihood(earlier, before) - whole
            if ratio > self._threshold:
                return True
        return False


def _log_likelihood(ones: int, rows: int) -> float:
    """Of rows with their own rate of ones."""
    if ones in (0, rows):
        return 0.0
    rate = ones / rows
    return ones * math.log(rate) + (rows - ones) * math.log1p(-rate)


def rises(errors: Iterable[bool], threshold: float = THRESHOLD) -> list[int]:
    """Rows at which the error rate of a stream was seen to have risen."""
    detector = RisingRate(threshold)
    return [row for row, one in enumerate(errors) if detector.update(one)]
