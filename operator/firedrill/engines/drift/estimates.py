"""Which estimates of performance the columns allow."""

from typing import Any, Final

import numpy as np

from firedrill.engines.drift.asked import Asked
from firedrill.engines.drift.labels import labels_of
from firedrill.engines.drift.learners import Floats
from firedrill.engines.drift.matrix import Sampled, encode
from firedrill.engines.drift.parts import Parts
from firedrill.engines.drift.performance import Estimate, by_confidence, by_direct_loss
from firedrill.engines.drift.streaming import rises
from firedrill.engines.drift.values import codes_in_order, values_in_order

_THRESHOLD: Final = 0.5
#: Rows of the reference that show the usual error rate, and rows of the current data that are watched.
_USUAL_ROWS: Final = 5_000
_ROWS_WATCHED: Final = 200_000
#: Numbers beyond can not be squared.
_HUGE: Final = 1e100


def estimates(asked: Asked, parts: Parts) -> tuple[Estimate, ...]:
    """Performance now, without current labels: by the model's scores where there are some, else by direct loss."""
    target, score = parts.outcomes.get("target"), parts.outcomes.get("score")
    prediction = parts.outcomes.get("prediction")
    if target is None:
        return ()
    if score is not None:
        return _confidence(target, prediction, score)
    if prediction is None or not parts.features or asked.rows.dependent:
        return ()
    return _direct(parts, target, prediction)


def error_rises(parts: Parts) -> tuple[int, ...] | None:
    """Current rows, from 0, at which the model's error rate was seen to have risen, taken in order, one after another.

    The usual rate is that of the reference's last rows. None without labels and predictions of classes on both
    sides; rows that lack either are passed over.
    """
    target, prediction = parts.outcomes.get("target"), parts.outcomes.get("prediction")
    if target is None or prediction is None or not labels_of(target[0], target[1], None).labels.classes:
        return None
    sides = [codes_in_order(truth, said)[:2] for truth, said in zip(target, prediction, strict=True)]
    known = [np.flatnonzero((truth >= 0) & (said >= 0)) for truth, said in sides]
    if not all(len(rows) for rows in known):
        return None
    before, after = known[0][-_USUAL_ROWS:], known[1][:_ROWS_WATCHED]
    errors = [
        *(sides[0][0][before] != sides[0][1][before]).tolist(),
        *(sides[1][0][after] != sides[1][1][after]).tolist(),
    ]
    return tuple(int(after[row - len(before)]) for row in rises(errors) if row >= len(before))


def _confidence(target: Any, prediction: Any, score: Any) -> tuple[Estimate, ...]:
    """The label that sorts last is the positive one."""
    codes, _, names = codes_in_order(target[0], target[0])
    if len(names) != 2:
        return ()
    positive = names.index(max(names))
    scores = [values_in_order(side) for side in score]
    if prediction is None:
        said = [side >= _THRESHOLD for side in scores]
        known = [np.isfinite(side) for side in scores]
    else:
        # Against the labels' own names, so that a prediction written 1.0 is the label 1.
        pairs = [codes_in_order(target[0], side) for side in prediction]
        said = [now == labels.index(names[positive]) for _, now, labels in pairs]
        known = [np.isfinite(side) & (now >= 0) for side, (_, now, _) in zip(scores, pairs, strict=True)]
    known[0] = known[0] & (codes >= 0)
    return by_confidence(
        codes[known[0]] == positive, scores[0][known[0]], said[0][known[0]], scores[1][known[1]], said[1][known[1]]
    )


def _direct(parts: Parts, target: Any, prediction: Any) -> tuple[Estimate, ...]:
    """Errors of the model on the reference, by the features and by what the model says."""
    if parts.labels is None:
        return ()
    rows = len(parts.features[0].reference), len(parts.features[0].current)
    truth = labels_of(parts.labels[0], parts.labels[0], None).labels
    if (len(target[0]), len(target[1])) != rows:
        return ()
    said = [Sampled("prediction", truth.classes > 0, prediction[0], prediction[1])]
    if truth.classes:
        first, second, _ = codes_in_order(target[0], prediction[0])
        errors: Floats = np.where((first < 0) | (second < 0), np.nan, (first != second).astype(np.float64))
        metric = "error rate"
    else:
        truly, guessed = (np.clip(values_in_order(side[0]), -_HUGE, _HUGE) for side in (target, prediction))
        errors = np.abs(truly - guessed)
        metric = "absolute error"
    found = by_direct_loss(encode([*parts.features, *said]), errors, metric)
    return (found,) if found is not None else ()
