"""Concept drift: has the relation of label and features changed, other than by a shift of either?

A model of the label is trained on the reference and its loss taken on rows that it has not seen, of both sides. Two
harmless changes move that loss as well, and each has its own test that they do not fool:

- features have moved and the label still depends on them alike (covariate shift). Then the loss depends on the
  features alone, whatever the model is worth. Tested: the generalised covariance measure of loss and side given the
  features (Shah and Peters 2020), both regressed out of fold.
- labels have become more or less frequent and each label still looks alike (label-prior shift). Then the loss given
  the label does not depend on the side. Tested: its means within each label. A label that the reference never had
  has not become more frequent: how many rows have one is tested beside it.

Concept drift is said when neither explains the loss: the larger of the two p-values counts. Each holds its level
under its own kind of shift, and so does their maximum.

What is regressed out is never regressed out wholly, and losses of models that share rows depend a little on each other.
So the p-values are of a change beyond a quarter of the least that would count, not of any change: in 40 runs of 5,000
rows each with features that had moved, p-values of any change were below 0.05 in 5 and 6.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from firedrill.engines.drift.contingency import compare_counts
from firedrill.engines.drift.learners import classifier, folds, one_thread, out_of_fold, probabilities, regressor
from firedrill.engines.drift.matrix import Floats, Matrix
from firedrill.engines.drift.shared import shared_rows

#: Fewer labelled rows than this on a side say too little.
MIN_ROWS: Final = 50
#: With fewer rows of a label than this on a side, the label is left out of the comparison within labels.
MIN_OF_LABEL: Final = 10
#: With fewer rows of a class than this on average in the reference, labels are more like names than classes.
MIN_ROWS_OF_CLASS: Final = 5
FOLDS: Final = 5
#: Parts for what is regressed out; each part costs a model.
REST_FOLDS: Final = 3
#: The sides share too few features when the variance of the side that features do not explain is below this.
MIN_OVERLAP: Final = 0.01
#: Regression: strata of the target, and the most that one row may lose, in mean deviations of the reference.
STRATA: Final = 10
MOST_LOST: Final = 3.0
#: Part of the least change that would count which p-values take for none.
TOLERATED: Final = 0.25
#: A side is never taken as certain: one row would outweigh all others.
_CERTAIN: Final = 0.02


@dataclass(frozen=True)
class Labels:
    """Labels row by row: classes from 0 on, or numbers of a regression; NaN where there is none."""

    reference: Floats
    current: Floats
    #: Number of classes; 0 for a regression.
    classes: int
    #: Whether the last class stands for labels that the reference does not have.
    new: bool = False


@dataclass(frozen=True)
class ConceptFound:
    """``loss_change`` is the mean change of the loss at the same features where both sides have rows.

    The loss is Brier's for classes, 0..1; for numbers the absolute error in mean deviations of the reference,
    at most 1 after division by ``MOST_LOST``. ``reason`` is empty when it could be decided.
    """

    p_value: float
    loss_change: float
    reference_loss: float
    current_loss: float
    p_given_features: float
    p_given_label: float
    rows: tuple[int, int]
    reason: str = ""


def undecided(reason: str, rows: tuple[int, int]) -> ConceptFound:
    """The outcome where nothing can be said."""
    return ConceptFound(1.0, 0.0, float("nan"), float("nan"), 1.0, 1.0, rows, reason)


def find(matrix: Matrix, labels: Labels, limit: float, seed: int = 0) -> ConceptFound:
    """Concept drift between the sides; rows without a label are left out. Never raises for odd data.

    ``limit`` is the least change of the loss that would count; the p-values are of a change beyond a quarter of it.
    """
    if not matrix.names:
        return undecided("NoFeatures", (len(labels.reference), len(labels.current)))
    keep = [np.isfinite(side) for side in (labels.reference, labels.current)]
    features = [side[rows] for side, rows in zip((matrix.reference, matrix.current), keep, strict=True)]
    truth = [side[rows] for side, rows in zip((labels.reference, labels.current), keep, strict=True)]
    rows = (len(truth[0]), len(truth[1]))
    if min(rows) < MIN_ROWS:
        return undecided("TooFewLabels", rows)
    if truth[0].min() == truth[0].max():
        return undecided("OneLabel", rows)
    if labels.classes * MIN_ROWS_OF_CLASS > rows[0]:
        return undecided("TooManyLabels", rows)
    with one_thread():
        return _find(matrix, features, truth, labels, limit * TOLERATED, seed)


def _find(
    matrix: Matrix, features: list[Floats], truth: list[Floats], labels: Labels, tolerated: float, seed: int
) -> ConceptFound:
    classes = labels.classes
    rows = (len(truth[0]), len(truth[1]))
    said, losses = _said(features, truth, classes, matrix.categorical, seed)
    # What the model says is a feature as well: a band beside its boundary is hard to find by the others.
    seen = [np.column_stack(pair) for pair in zip(features, said, strict=True)]
    marks = (*matrix.categorical, *(False,) * said[0].shape[1])
    given_features, change, overlap = _given_features(seen, losses, marks, tolerated, seed)
    given_label = _given_label(seen, losses, truth if classes else _strata(truth), marks, tolerated, seed)
    if labels.new:
        given_label = min(2 * min(given_label, _never_seen(truth, classes - 1)), 1.0)
    found = ConceptFound(
        p_value=max(given_features, given_label),
        loss_change=change,
        reference_loss=float(losses[0].mean()),
        current_loss=float(losses[1].mean()),
        p_given_features=given_features,
        p_given_label=given_label,
        rows=rows,
    )
    if overlap < MIN_OVERLAP:
        return undecided("NoCommonFeatures", rows)
    return found


def _said(
    features: list[Floats], truth: list[Floats], classes: int, categorical: tuple[bool, ...], seed: int
) -> tuple[list[Floats], list[Floats]]:
    """What models of the reference say of each row, and their losses.

    A reference row is judged by the model that was trained without its part, a current row by that of a part
    drawn for it, or of the part of the reference row that it is: so both sides are judged alike.
    """
    width = max(classes - 1, 1)
    said = [np.empty((len(side), width)) for side in truth]
    losses = [np.empty(len(side)) for side in truth]
    parts = list(folds(len(truth[0]), FOLDS, seed))
    drawn = np.random.default_rng(seed).integers(0, FOLDS, len(truth[1]))
    held_in = np.empty(len(truth[0]), dtype=np.int64)
    for part, (_, held) in enumerate(parts):
        held_in[held] = part
    shared = shared_rows(*(np.column_stack(pair) for pair in zip(features, truth, strict=True)))
    drawn[shared >= 0] = held_in[shared[shared >= 0]]
    scale = float(np.mean(np.abs(truth[0] - np.median(truth[0])))) or 1.0
    for part, (train, held) in enumerate(parts):
        known = truth[0][train].astype(np.int64) if classes else truth[0][train]
        make = classifier if classes else regressor
        model = make(len(train), categorical).fit(features[0][train], known)
        for side, rows in enumerate((held, np.flatnonzero(drawn == part))):
            if not len(rows):
                continue
            if classes:
                chances = probabilities(model, features[side][rows], classes)
                said[side][rows] = chances[:, :width]
                losses[side][rows] = _brier(chances, truth[side][rows])
            else:
                guess = model.predict(features[side][rows])
                said[side][rows, 0] = guess
                losses[side][rows] = np.minimum(np.abs(guess - truth[side][rows]) / scale, MOST_LOST) / MOST_LOST
    return said, losses


def _brier(said: Floats, truth: Floats) -> Floats:
    """Half the squared distance of probabilities from the truth, 0..1 a row."""
    right = said[np.arange(len(truth)), truth.astype(np.int64)]
    loss: Floats = ((said**2).sum(axis=1) - right**2 + (1 - right) ** 2) / 2
    return loss


def _given_features(
    features: list[Floats], losses: list[Floats], categorical: tuple[bool, ...], tolerated: float, seed: int
) -> tuple[float, float, float]:
    """p-value, mean change of the loss where both sides have rows, and how much the sides overlap (0..0.25)."""
    both, loss = np.concatenate(features), np.concatenate(losses)
    side = np.repeat([0.0, 1.0], [len(losses[0]), len(losses[1])])

    def tell(x: Floats, y: Floats, z: Floats) -> Floats:
        share: Floats = classifier(len(y), categorical).fit(x, y).chances(z)[:, 1]
        return np.clip(share, _CERTAIN, 1 - _CERTAIN)

    def expect(x: Floats, y: Floats, z: Floats) -> Floats:
        said: Floats = regressor(len(y), categorical).fit(x, y).predict(z)
        return said

    other_side = side - out_of_fold(both, side, REST_FOLDS, seed + 1, tell)
    other_loss = loss - out_of_fold(both, loss, REST_FOLDS, seed + 2, expect)
    product = other_side * other_loss
    overlap = float(np.mean(other_side**2))
    change = float(product.mean()) / overlap if overlap else 0.0
    # Not weighted by where a change is seen, as below: that finds, too, where the regressions are wrong.
    return _beyond(product, tolerated * overlap), change, overlap


def _given_label(
    features: list[Floats],
    losses: list[Floats],
    strata: list[Floats],
    categorical: tuple[bool, ...],
    tolerated: float,
    seed: int,
) -> float:
    """p-value of the same losses, and the same features, on both sides within every label, all labels together."""
    both, loss, label = np.concatenate(features), np.concatenate(losses), np.concatenate(strata)
    side = np.repeat([0.0, 1.0], [len(losses[0]), len(losses[1])])
    usual, other_side, other_loss = np.zeros(len(side), dtype=bool), np.zeros(len(side)), np.zeros(len(side))
    labels = [label == value for value in np.unique(label)]
    for rows in labels:
        ones = side[rows].sum()
        if min(ones, rows.sum() - ones) >= MIN_OF_LABEL:
            usual |= rows
            other_side[rows] = side[rows] - side[rows].mean()
            other_loss[rows] = loss[rows] - loss[rows].mean()
    if usual.sum() < MIN_ROWS:
        return 1.0

    def expect(x: Floats, y: Floats, z: Floats) -> Floats:
        said: Floats = regressor(len(y), (*categorical, False)).fit(x, y).predict(z)
        return said

    told = np.zeros(len(side))
    told[usual] = out_of_fold(np.column_stack([both, label])[usual], other_side[usual], REST_FOLDS, seed + 4, expect)
    for rows in labels:
        told[rows] -= told[rows].mean()
    apart = tolerated * float(np.mean(other_side[usual] ** 2))
    return _either((other_side * other_loss)[usual], apart, (other_side * told)[usual])


def _never_seen(truth: list[Floats], new: int) -> float:
    """p-value that no row of the reference has the class of new labels only by chance."""
    sides = [np.bincount(side == new, minlength=2).astype(np.int64) for side in truth]
    outcome = compare_counts(sides[0], sides[1])
    return outcome.p_value if outcome else 1.0


def _either(everywhere: Floats, tolerated: float, where: Floats) -> float:
    """p-value that neither of two products has a mean beyond: the first ``tolerated``, the second 0.

    The first is moved by a change on average, in either direction; the second, weighted by how likely a row was
    said to be from either side by what other folds have learned, by a change of some rows, and then to above 0.
    """
    return min(2 * min(_beyond(everywhere, tolerated), float(special.ndtr(-_z(where, 0.0)))), 1.0)


def _beyond(product: Floats, tolerated: float) -> float:
    """p-value, of both sides, that the mean is no further from 0 than what is tolerated."""
    return min(2 * float(special.ndtr(-_z(np.sign(product.mean()) * product, tolerated))), 1.0)


def _z(product: Floats, least: float) -> float:
    spread = float(product.std())
    return (float(product.mean()) - least) / spread * float(np.sqrt(len(product))) if spread > 0 else 0.0


def _strata(truth: list[Floats]) -> list[NDArray[np.float64]]:
    """Tenths of the reference's target, for both sides."""
    edges = np.quantile(truth[0], np.arange(1, STRATA) / STRATA, method="inverted_cdf")
    return [np.searchsorted(edges, side).astype(np.float64) for side in truth]
