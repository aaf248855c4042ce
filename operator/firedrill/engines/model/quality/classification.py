"""Metrics of classification. Those of the confusion matrix have bootstrap intervals, AUC has DeLong's."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from firedrill.engines.common.intervals import Z95, Interval
from firedrill.engines.model.labels import Reading, canonical, same_label
from firedrill.engines.model.quality.metric import RESAMPLES, SEED, Answered, Metric, clipped

#: More labels than this make a matrix that is not resampled.
_LABELS: Final = 64
_BINS: Final = 10
NO_POSITIVE: Final = "there is no positive class among the labels; name it last in answers.classes"
_Matrix = NDArray[np.float64]


def classification(rows: Sequence[Answered], reading: Reading) -> tuple[Metric, ...]:
    """Macro F1, precision and recall of the positive class, AUC, calibration error."""
    labels = sorted(_labels(rows), key=str)
    positive = positive_class(rows, reading)
    return (
        *_of_matrix(rows, labels, positive),
        _auc(rows, reading, positive),
        _calibration(rows, reading),
    )


def _labels(rows: Sequence[Answered]) -> set[float | str]:
    return {canonical(row.truth) for row in rows} | {canonical(row.label) for row in rows}


def positive_class(rows: Sequence[Answered], reading: Reading) -> float | str | None:
    """The positive class: the last of the classes that are named, else 1; None where no row is or was said to be it."""
    wanted = canonical(reading.classes[-1]) if reading.classes else 1
    return wanted if wanted in _labels(rows) else None


def _of_matrix(
    rows: Sequence[Answered], labels: Sequence[float | str], positive: float | str | None
) -> tuple[Metric, ...]:
    if len(labels) > _LABELS:
        problem = f"there are {len(labels)} labels, more than {_LABELS}"
        return tuple(Metric(name, None, problem) for name in ("macro_f1", "precision", "recall"))
    index = {label: i for i, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)))
    for row in rows:
        matrix[index[canonical(row.truth)], index[canonical(row.label)]] += 1
    draws = np.random.default_rng(SEED).multinomial(len(rows), matrix.ravel() / len(rows), RESAMPLES)
    resampled = draws.reshape(RESAMPLES, *matrix.shape).astype(float)
    found = [_metric("macro_f1", _macro_f1, matrix, resampled, len(rows))]
    if positive is None:
        problem = NO_POSITIVE
        return (*found, Metric("precision", None, problem), Metric("recall", None, problem))
    at = index[positive]
    shares: tuple[tuple[str, Callable[[_Matrix], _Matrix]], ...] = (
        ("precision", lambda m: _ratio(m[..., at, at], m[..., :, at].sum(-1))),
        ("recall", lambda m: _ratio(m[..., at, at], m[..., at, :].sum(-1))),
    )
    return (*found, *(_metric(name, share, matrix, resampled, len(rows)) for name, share in shares))


def _metric(name: str, measure: Callable[[_Matrix], _Matrix], matrix: _Matrix, resampled: _Matrix, size: int) -> Metric:
    low, high = np.quantile(measure(resampled), (0.025, 0.975))
    return Metric(name, Interval(float(measure(matrix)), float(low), float(high), size))


def _macro_f1(matrix: _Matrix) -> _Matrix:
    right = np.diagonal(matrix, axis1=-2, axis2=-1)
    sums = matrix.sum(-1) + matrix.sum(-2)
    present = sums > 0
    each = np.where(present, 2 * right / np.where(present, sums, 1), 0)
    return np.asarray(each.sum(-1) / np.maximum(present.sum(-1), 1))


def _ratio(part: _Matrix, whole: _Matrix) -> _Matrix:
    return np.asarray(np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0))


def _auc(rows: Sequence[Answered], reading: Reading, positive: float | str | None) -> Metric:
    """Area under the ROC curve with DeLong's variance (DeLong, DeLong and Clarke-Pearson 1988)."""
    scores = [reading.positive_score(row.values) for row in rows]
    if positive is None or any(score is None for score in scores):
        return Metric("auc", None, "answers hold no score of a positive class")
    truth = np.array([canonical(row.truth) == positive for row in rows])
    values = np.array(scores, float)
    good, bad = values[truth], values[~truth]
    if len(good) < 2 or len(bad) < 2:
        return Metric("auc", None, f"{len(good)} positive and {len(bad)} negative rows; two of each are needed")
    ranks = stats.rankdata(np.concatenate([good, bad]))
    placed = (ranks[: len(good)] - stats.rankdata(good)) / len(bad)
    beaten = 1 - (ranks[len(good) :] - stats.rankdata(bad)) / len(good)
    value = float(placed.mean())
    deviation = float(np.sqrt(placed.var(ddof=1) / len(good) + beaten.var(ddof=1) / len(bad)))
    if deviation == 0:
        # All of one side are above all of the other: by the rule of three the truth may be that far off.
        room = 3 / min(len(good), len(bad))
        return Metric("auc", clipped(Interval(value, value - room, value + room, len(rows))))
    return Metric("auc", clipped(Interval(value, value - Z95 * deviation, value + Z95 * deviation, len(rows))))


def _calibration(rows: Sequence[Answered], reading: Reading) -> Metric:
    """Expected calibration error over ten bins of equal size, with the basic bootstrap, which takes off its bias."""
    confidence = [reading.confidence(row.values) for row in rows]
    if any(value is None for value in confidence):
        return Metric("calibration_error", None, "answers hold no probabilities")
    if len(rows) < 10 * _BINS:
        return Metric("calibration_error", None, f"{len(rows)} rows; {10 * _BINS} are needed")
    sure = np.array(confidence, float)
    right = np.array([same_label(row.label, row.truth) for row in rows], float)
    value = _ece(sure, right)
    generator = np.random.default_rng(SEED)
    draws = [generator.integers(0, len(rows), len(rows)) for _ in range(400)]
    low, high = np.quantile([_ece(sure[draw], right[draw]) for draw in draws], (0.025, 0.975))
    return Metric("calibration_error", clipped(Interval(value, 2 * value - high, 2 * value - low, len(rows))))


def _ece(sure: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    order = np.argsort(sure, kind="stable")
    bins = zip(np.array_split(sure[order], _BINS), np.array_split(right[order], _BINS), strict=True)
    return float(sum(abs(a.mean() - b.mean()) * len(a) for a, b in bins if len(a)) / len(sure))
