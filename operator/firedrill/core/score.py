"""The score of a run: how much of what was asked was shown to hold."""

import math
from collections.abc import Sequence

from firedrill.api.verdict import Measurement, Verdict


def score(verdict: Verdict, measurements: Sequence[Measurement]) -> int | None:
    """Weighted share of measurements passed, 0..100; what is undecided counts as not passed.

    None on Error, where nothing was measured rightly. Rounded down, so that only a run whose every weighted
    measurement passed has 100. Without weighted measurements: 100 when the verdict is Passed, else 0.
    """
    if verdict is Verdict.ERROR:
        return None
    total = math.fsum(item.weight for item in measurements)
    if total <= 0:
        return 100 if verdict is Verdict.PASSED else 0
    passed = math.fsum(item.weight for item in measurements if item.passed)
    return min(math.floor(100 * passed / total + 1e-9), 100)
