"""Joint drift: can a classifier tell which side a row is from, by all columns together?

A classifier two-sample test (Lopez-Paz and Oquab 2017). The rows are halved; a classifier trained on either half is
asked about the other. Within a half that it has not seen, its scores are exchangeable between the sides when nothing
has changed, so the permutation distribution of the area under its curve (Mann and Whitney's) gives a p-value that
holds whatever the classifier is worth. The two halves depend on each other: the smaller p-value is doubled.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from firedrill.engines.drift.learners import Learner, classifier, one_thread
from firedrill.engines.drift.matrix import Floats, Matrix

#: Fewer rows than this on a side can not be halved usefully.
MIN_ROWS: Final = 40
#: Held-out rows on which it is asked what each column contributes.
_EXPLAINED_ON: Final = 1000
COLUMNS_NAMED: Final = 10


@dataclass(frozen=True)
class JointFound:
    """``auc`` is the mean over both halves, 0.5 when the sides look alike; ``rows`` of each side were used.

    ``columns`` are those by which the sides are told apart, with the loss of area when each is shuffled.
    """

    auc: float
    p_value: float
    rows: tuple[int, int]
    columns: tuple[tuple[str, float], ...] = ()


def find(matrix: Matrix, explain_below: float, seed: int = 0) -> JointFound | None:
    """Joint drift of both sides; None when there are too few rows or no column to say anything.

    Columns are named only where the p-value is below ``explain_below``: naming them costs time, and where
    nothing is found it would name noise.
    """
    n, m = len(matrix.reference), len(matrix.current)
    if min(n, m) < MIN_ROWS or not matrix.names:
        return None
    with one_thread():
        return _find(matrix, explain_below, seed)


def _find(matrix: Matrix, explain_below: float, seed: int) -> JointFound:
    n, m = len(matrix.reference), len(matrix.current)
    features = np.concatenate([matrix.reference, matrix.current])
    side = np.repeat([0, 1], [n, m])
    rng = np.random.default_rng(seed)
    half = np.concatenate([rng.permutation(n) % 2, rng.permutation(m) % 2])
    models, areas, p_values = [], [], []
    for part in (0, 1):
        train, held = half == part, half != part
        model = classifier(int(train.sum()), matrix.categorical).fit(features[train], side[train])
        scores = model.chances(features[held])[:, 1]
        areas.append(area(scores, side[held]))
        p_values.append(p_value(scores, side[held]))
        models.append((model, held))
    combined = min(2 * min(p_values), 1.0)
    columns: tuple[tuple[str, float], ...] = ()
    if combined < explain_below:
        model, held = models[int(np.argmax(areas))]
        columns = _explained(model, features[held], side[held], matrix.names, rng)
    return JointFound(float(np.mean(areas)), combined, (n, m), columns)


def area(scores: Floats, side: NDArray[np.int64]) -> float:
    """Area under the curve: the chance that a row of side 1 scores above one of side 0, ties counted half."""
    ones = int(side.sum())
    zeros = len(side) - ones
    return float((_ranks(scores)[side == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def p_value(scores: Floats, side: NDArray[np.int64]) -> float:
    """Chance of such an area or a larger one when scores do not depend on the side, by the normal limit of ranks."""
    ones = int(side.sum())
    zeros, total = len(side) - ones, len(side)
    _, ties = np.unique(scores, return_counts=True)
    tied = float(np.sum(ties.astype(np.float64) ** 3 - ties)) / (total * (total - 1))
    variance = ones * zeros / 12 * (total + 1 - tied)
    if variance <= 0:
        return 1.0
    excess = (area(scores, side) - 0.5) * ones * zeros - 0.5
    return float(special.ndtr(-excess / np.sqrt(variance)))


def _ranks(scores: Floats) -> Floats:
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts - 1) / 2)[place]
    return ranks


def _explained(
    model: Learner, features: Floats, side: NDArray[np.int64], names: tuple[str, ...], rng: np.random.Generator
) -> tuple[tuple[str, float], ...]:
    rows = rng.permutation(len(side))[:_EXPLAINED_ON]
    features, side = features[rows], side[rows]
    if side.min() == side.max():
        return ()
    full = area(model.chances(features)[:, 1], side)
    found = []
    for i, name in enumerate(names):
        shuffled = features.copy()
        shuffled[:, i] = shuffled[rng.permutation(len(rows)), i]
        found.append((name, full - area(model.chances(shuffled)[:, 1], side)))
    found.sort(key=lambda pair: -pair[1])
    return tuple((name, round(lost, 4)) for name, lost in found[:COLUMNS_NAMED] if lost > 0)
