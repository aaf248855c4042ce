"""The learners behind joint drift, concept drift and estimated performance: small boosted trees of one make.

Trees take numbers of any scale, categories and missing values as they are. They are small on purpose: they answer
whether there is something to be learned, not how well it can be. scikit-learn is imported when one is needed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDS: Final = 40
_LEAVES: Final = 15
_RATE: Final = 0.15


@contextmanager
def one_thread() -> Iterator[None]:
    """Learners keep to one thread: waiting for each other, threads on busy cores take ten times as long."""
    # Limits hold for the libraries that are loaded.
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


class Learner:
    """A model of scikit-learn that takes columns without any value, which its own binning does not."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._empty: NDArray[np.bool_] = np.zeros(0, dtype=bool)

    def fit(self, features: Floats, outcome: NDArray[Any]) -> "Learner":
        """Learn the outcome of rows."""
        self._empty = np.asarray(~np.isfinite(features).any(axis=0))
        self._model.fit(self._filled(features), outcome)
        return self

    def predict(self, features: Floats) -> Floats:
        """The expected outcome of rows."""
        said: Floats = self._model.predict(self._filled(features))
        return said

    def chances(self, features: Floats) -> Floats:
        """(rows, classes shown) probabilities."""
        said: Floats = self._model.predict_proba(self._filled(features))
        return said

    @property
    def classes(self) -> Ints:
        """The classes that it was shown, in the order of its chances."""
        return np.asarray(self._model.classes_, dtype=np.int64)

    def _filled(self, features: Floats) -> Floats:
        return np.where(self._empty, 0.0, features) if self._empty.any() else features


def classifier(rows: int, categorical: Sequence[bool]) -> Learner:
    """A classifier for about so many training rows; ``categorical`` marks the columns that hold codes."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return Learner(HistGradientBoostingClassifier(**_settings(rows, categorical)))


def regressor(rows: int, categorical: Sequence[bool]) -> Learner:
    """A regressor for about so many training rows."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return Learner(HistGradientBoostingRegressor(**_settings(rows, categorical)))


def probabilities(model: Learner, features: Floats, classes: int) -> Floats:
    """(rows, classes) probabilities of the classes 0.., also of those that the model was not shown."""
    found = np.zeros((len(features), classes))
    found[:, model.classes] = model.chances(features)
    return found


def folds(rows: int, count: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Training and held-out rows of each of ``count`` parts, shuffled."""
    part = np.random.default_rng(seed).permutation(rows) % count
    for i in range(count):
        yield np.flatnonzero(part != i), np.flatnonzero(part == i)


def out_of_fold(
    features: Floats, outcome: Floats, count: int, seed: int, predict: Callable[[Floats, Floats, Floats], Floats]
) -> Floats:
    """What ``predict`` (training features, training outcome, features) says of rows that it was not trained on."""
    said = np.empty(len(outcome))
    for train, held in folds(len(outcome), count, seed):
        said[held] = predict(features[train], outcome[train], features[held])
    return said


def _settings(rows: int, categorical: Sequence[bool]) -> dict[str, Any]:
    return {
        "max_iter": _ROUNDS,
        "max_leaf_nodes": _LEAVES,
        "learning_rate": _RATE,
        "min_samples_leaf": int(np.clip(rows // 20, 5, 40)),
        "l2_regularization": 1.0,
        "early_stopping": False,
        "categorical_features": list(categorical) if any(categorical) else None,
        "random_state": 0,
    }
