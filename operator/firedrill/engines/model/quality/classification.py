"""Metrics of classification: macro F1 has a bootstrap interval, precision and recall have exact ones, AUC DeLong's."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from firedrill.engines.common.intervals import exact
from firedrill.engines.common.shares import Z95, Interval
from firedrill.engines.model.labels import Reading, canonical, same_label
from firedrill.engines.model.quality.metric import LEAST, RESAMPLES, SEED, UNSEEN, Answered, Metric, clipped

#: More labels than this make a matrix that is not resampled.
_LABELS: Final = 64
_BINS: Final = 10
_TINY: Final = 1e-9
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
    found = _macro_f1_metric(matrix, len(rows))
    if positive is None:
        return (found, Metric("precision", None, NO_POSITIVE), Metric("recall", None, NO_POSITIVE))
    at = index[positive]
    hits = float(matrix[at, at])
    return (
        found,
        _share("precision", hits, int(matrix[:, at].sum()), "answers that are positive"),
        _share("recall", hits, int(matrix[at, :].sum()), "rows that are positive"),
    )


def _share(name: str, hits: float, size: int, of: str) -> Metric:
    """Clopper's and Pearson's interval: it does not collapse where all are right."""
    return (
        Metric(name, exact(hits, size, 0.95), of=of, counted=True) if size else Metric(name, None, f"there are no {of}")
    )


def _macro_f1_metric(matrix: _Matrix, size: int) -> Metric:
    draws = np.random.default_rng(SEED).multinomial(size, matrix.ravel() / size, RESAMPLES)
    low, high = np.quantile(_macro_f1(draws.reshape(RESAMPLES, *matrix.shape).astype(float)), (0.025, 0.975))
    value = float(_macro_f1(matrix))
    loss, gain = _unseen(matrix)
    return Metric(
        "macro_f1", clipped(Interval(value, min(float(low), value - loss), max(float(high), value + gain), size))
    )


def _unseen(matrix: _Matrix) -> tuple[float, float]:
    """How far three rows could move macro F1, down and up: no resampling draws what was not seen (rule of three).

    The loss is that of the class where it is largest, with the rows given to the class that it hurts most.
    """
    right, sums = np.diagonal(matrix), matrix.sum(0) + matrix.sum(1)
    each = 2 * right / sums
    lost, won = np.minimum(right, UNSEEN), np.minimum(matrix.sum(1) - right, UNSEEN)
    own = each - 2 * (right - lost) / (sums - lost)
    given = each[None, :] - 2 * right[None, :] / (sums[None, :] + lost[:, None])
    np.fill_diagonal(given, 0)
    gained = 2 * (right + won) / (sums + won) - each
    return float((own + given.max(axis=1)).max() / len(right)), float(gained.max() / len(right))


def _macro_f1(matrix: _Matrix) -> _Matrix:
    right = np.diagonal(matrix, axis1=-2, axis2=-1)
    sums = matrix.sum(-1) + matrix.sum(-2)
    present = sums > 0
    each = np.where(present, 2 * right / np.where(present, sums, 1), 0)
    return np.asarray(each.sum(-1) / np.maximum(present.sum(-1), 1))


def _auc(rows: Sequence[Answered], reading: Reading, positive: float | str | None) -> Metric:
    """Area under the ROC curve.

    The wider of two intervals at each end: DeLong's variance (DeLong, DeLong and Clarke-Pearson 1988) on the scale of
    the logit, which is too narrow where few rows are of one class; and the one that :func:`_by_size` has.
    """
    scores = [reading.positive_score(row.values) for row in rows]
    if positive is None or any(score is None for score in scores):
        return Metric("auc", None, "answers hold no score of a positive class")
    truth = np.array([canonical(row.truth) == positive for row in rows])
    values = np.array(scores, float)
    good, bad = values[truth], values[~truth]
    if min(len(good), len(bad)) < LEAST:
        return Metric("auc", None, f"{len(good)} positive and {len(bad)} negative rows; {LEAST} of each are needed")
    ranks = stats.rankdata(np.concatenate([good, bad]))
    placed = (ranks[: len(good)] - stats.rankdata(good)) / len(bad)
    beaten = 1 - (ranks[len(good) :] - stats.rankdata(bad)) / len(good)
    value = float(placed.mean())
    deviation = float(np.sqrt(placed.var(ddof=1) / len(good) + beaten.var(ddof=1) / len(bad)))
    low, high = _by_size(value, len(good), len(bad))
    if 0 < value < 1:
        at, room = special.logit(value), Z95 * deviation / (value * (1 - value))
        low, high = min(low, float(special.expit(at - room))), max(high, float(special.expit(at + room)))
    return Metric("auc", Interval(value, low, high, len(rows)))


def _by_size(value: float, good: int, bad: int) -> tuple[float, float]:
    """The areas from which a value is not further away than their own deviation allows (Newcombe 2006, method 5).

    The deviation is that of Hanley and McNeil (1982), of the area and the sizes alone: it does not vanish where the
    rows that were seen happen to be apart.
    """
    middle = (good + bad) / 2 - 1

    def beyond(area: float) -> float:
        spread = 1 + middle * ((1 - area) / (2 - area) + area / (1 + area))
        return abs(value - area) - Z95 * float(np.sqrt(area * (1 - area) * spread / (good * bad)))

    low = float(optimize.brentq(beyond, 0.0, min(value, 1 - _TINY))) if value > _TINY else 0.0
    high = float(optimize.brentq(beyond, max(value, _TINY), 1.0)) if value < 1 - _TINY else 1.0
    return low, high


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
    if low == high:
        # All draws are alike: by the rule of three the truth may be that far off.
        low, high = low - UNSEEN / len(rows), high + UNSEEN / len(rows)
    return Metric("calibration_error", clipped(Interval(value, 2 * value - high, 2 * value - low, len(rows))))


def _ece(sure: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    order = np.argsort(sure, kind="stable")
    bins = zip(np.array_split(sure[order], _BINS), np.array_split(right[order], _BINS), strict=True)
    return float(sum(abs(a.mean() - b.mean()) * len(a) for a, b in bins if len(a)) / len(sure))
