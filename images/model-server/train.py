"""Train the two models of the model server and write the held-out data set.

    python3 train.py MODELS_DIR DATA_DIR

Both models classify the breast-cancer data that scikit-learn ships (569 rows, 30 features). `triage`
is as good as that data allows. `triage-degraded` learned from labels of which a part was permuted and
from few rows, as a model does whose training data went bad; its accuracy on the same held-out rows is
clearly worse. Seeds are fixed, so that every build gives the same models and the same rows.
"""

import json
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 20240611
PERMUTED_SHARE = 0.6
DEGRADED_ROWS = 120


def model() -> Pipeline:
    """An untrained classifier."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=SEED))


def permuted(labels: np.ndarray, share: float) -> np.ndarray:
    """The labels with that share of them shuffled among themselves."""
    random = np.random.default_rng(SEED)
    chosen = random.choice(len(labels), size=int(share * len(labels)), replace=False)
    spoilt = labels.copy()
    spoilt[chosen] = labels[random.permutation(chosen)]
    return spoilt


def save(directory: Path, name: str, trained: Pipeline, accuracy: float) -> None:
    """Write a model the way MLServer loads it."""
    folder = directory / name
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(trained, folder / "model.joblib")
    settings = {
        "name": name,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "1"},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    print(f"{name}: accuracy on the held-out rows {accuracy:.4f}")


def main(models_dir: Path, data_dir: Path) -> None:
    """Train, save and tell the accuracy of both models."""
    data = load_breast_cancer(as_frame=True)
    features, labels = data.data, data.target
    train_x, test_x, train_y, test_y = train_test_split(
        features, labels, test_size=0.35, random_state=SEED, stratify=labels
    )
    good = model().fit(train_x.to_numpy(), train_y.to_numpy())
    save(models_dir, "triage", good, good.score(test_x.to_numpy(), test_y))
    few = train_x.iloc[:DEGRADED_ROWS].to_numpy()
    spoilt = permuted(train_y.iloc[:DEGRADED_ROWS].to_numpy(), PERMUTED_SHARE)
    degraded = model().fit(few, spoilt)
    save(models_dir, "triage-degraded", degraded, degraded.score(test_x.to_numpy(), test_y))
    data_dir.mkdir(parents=True, exist_ok=True)
    for name, part, truth in (("train", train_x, train_y), ("test", test_x, test_y)):
        table = part.assign(label=truth).rename(columns=lambda column: column.replace(" ", "_"))
        table.to_csv(data_dir / f"triage-{name}.csv", index=False)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: train.py MODELS_DIR DATA_DIR")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
