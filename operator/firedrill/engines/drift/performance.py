"""How well a model does now, estimated without current labels. Valid only while P(label | features) has not changed.

Confidence-based: the model's scores, calibrated on the reference, say how often it is right (as NannyML's CBPE).
Direct loss: a second model learns on the reference how much the first one errs, and is asked about current rows.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firedrill.engines.drift.learners import Floats, one_thread, out_of_fold, regressor
from firedrill.engines.drift.matrix import Matrix

ASSUMPTION: Final = "valid only while the label depends on the features as it did in the reference"
MIN_ROWS: Final = 100


@dataclass(frozen=True)
class Estimate:
    """A metric as it was on the reference, with labels, and as it is estimated now, with its standard error."""

    metric: str
    method: str
    reference: float
    current: float
    standard_error: float


def by_confidence(
    truth: NDArray[np.bool_], score: Floats, said: NDArray[np.bool_], score_now: Floats, said_now: NDArray[np.bool_]
) -> tuple[Estimate, ...]:
    """Accuracy, F1 and area under the curve of a binary classifier.

    ``truth``, ``score`` (probability of the positive label) and ``said`` (the prediction) are of the reference,
    ``score_now`` and ``said_now`` of the current data. Empty where there are too few rows or one label only.
    """
    if min(len(truth), len(score_now)) < MIN_ROWS or truth.all() or not truth.any():
        return ()
    from sklearn.isotonic import IsotonicRegression

    chance = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(score, truth).predict(score_now)
    right = np.where(said_now, chance, 1 - chance)
    unsure = chance * (1 - chance)
    m = len(chance)
    accuracy = Estimate(
        "accuracy",
        "confidence",
        float(np.mean(said == truth)),
        float(right.mean()),
        float(np.sqrt((unsure.sum() / m + right.var()) / m)),
    )
    f1 = Estimate("f1", "confidence", _f1(truth.astype(float), said), _f1(chance, said_now), accuracy.standard_error)
    area = _area(chance, score_now)
    area_then = _area(truth.astype(float), score)
    # Hanley and McNeil's variance, at the expected number of positives.
    ones = max(float(chance.sum()), 1.0)
    zeros = max(m - ones, 1.0)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (ones - 1) * (q1 - area**2) + (zeros - 1) * (q2 - area**2)) / (ones * zeros)
    return accuracy, f1, Estimate("auc", "confidence", area_then, area, float(np.sqrt(max(variance, 0.0))))


def by_direct_loss(matrix: Matrix, errors: Floats, metric: str, seed: int = 0) -> Estimate | None:
    """Mean error now; ``errors`` of the reference's rows, of which NaN are left out. None with too few rows."""
    known = np.isfinite(errors)
    if min(int(known.sum()), len(matrix.current)) < MIN_ROWS or not matrix.names:
        return None
    features, observed = matrix.reference[known], errors[known]

    def expect(x: Floats, y: Floats, z: Floats) -> Floats:
        said: Floats = regressor(len(y), matrix.categorical).fit(x, y).predict(z)
        return said

    # What the second model gets wrong on average out of fold is taken off.
    with one_thread():
        bias = float(np.mean(out_of_fold(features, observed, 5, seed, expect) - observed))
        now = expect(features, observed, matrix.current) - bias
    spread = float(observed.std())
    error = spread * float(np.sqrt(1 / len(observed) + 1 / len(now)))
    return Estimate(metric, "direct loss", float(observed.mean()), float(now.mean()), error)


def _f1(chance: Floats, said: NDArray[np.bool_]) -> float:
    hits = float(chance[said].sum())
    whole = float(said.sum() + chance.sum())
    return 2 * hits / whole if whole else 0.0


def _area(chance: Floats, score: Floats) -> float:
    """Expected area under the curve when each row is positive by its chance; ties of scores count half."""
    _, place = np.unique(score, return_inverse=True)
    ones, zeros = np.bincount(place, chance), np.bincount(place, 1 - chance)
    below = np.cumsum(zeros) - zeros / 2
    whole = float(ones.sum() * zeros.sum())
    return float((ones * below).sum() / whole) if whole else 0.5
