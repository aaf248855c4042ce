"""Concept drift: fires when the concept changes, and not when features or labels alone move.

SEA (three features, a bound on the sum of two, a tenth of the labels flipped) and interchanging radial basis
functions (clusters that swap their labels), as in the literature on streams. As tests, with few repetitions:
``pytest tests/accuracy/test_concept.py``; as figures ``python tests/accuracy/test_concept.py [--repetitions 50]``.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from firedrill.engines.drift import Asked, DriftReport, check

ASKED = Asked(target="label")
Pair = tuple[pa.Table, pa.Table]
Rng = np.random.Generator


def table(features: np.ndarray, label: np.ndarray) -> pa.Table:
    return pa.table({**{f"x{i}": features[:, i] for i in range(features.shape[1])}, "label": label.astype(int)})


def sea(rng: Rng, rows: int, bound: float, tilt: float = 1.0) -> pa.Table:
    x = 10 * rng.random((rows, 3))
    x[:, 0] = 10 * rng.beta(tilt, 1, rows)
    return table(x, (x[:, 0] + x[:, 1] <= bound) ^ (rng.random(rows) < 0.1))


def more_of_one(rng: Rng, rows: int, bound: float, share: float) -> pa.Table:
    many = sea(rng, 8 * rows, bound)
    label = np.asarray(many["label"])
    ones = int(share * rows)
    return many.take(np.r_[np.flatnonzero(label == 1)[:ones], np.flatnonzero(label == 0)[: rows - ones]])


def rbf(rng: Rng, rows: int, swapped: bool) -> Pair:
    centers, labels, spread = rng.random((30, 5)), np.arange(30) % 2, rng.uniform(0.05, 0.12, 30)
    turned = labels.copy()
    if swapped:
        turned[:10] = 1 - turned[:10]

    def drawn(of: np.ndarray) -> pa.Table:
        which = rng.integers(0, 30, rows)
        return table(centers[which] + rng.normal(size=(rows, 5)) * spread[which][:, None], of[which])

    return drawn(labels), drawn(turned)


def rbf_moved(rng: Rng, rows: int) -> Pair:
    """The same clusters, a third of them three times as frequent as before."""
    centers, labels, spread = rng.random((30, 5)), np.arange(30) % 2, rng.uniform(0.05, 0.12, 30)
    weights = np.where(np.arange(30) < 10, 3.0, 1.0)

    def drawn(shares: np.ndarray) -> pa.Table:
        which = rng.choice(30, rows, p=shares / shares.sum())
        return table(centers[which] + rng.normal(size=(rows, 5)) * spread[which][:, None], labels[which])

    return drawn(np.ones(30)), drawn(weights)


#: What changes, and whether the concept does.
CASES: dict[str, tuple[Callable[[Rng, int], Pair], bool]] = {
    "SEA 8 to 9": (lambda rng, n: (sea(rng, n, 8), sea(rng, n, 9)), True),
    "SEA 9 to 7": (lambda rng, n: (sea(rng, n, 9), sea(rng, n, 7)), True),
    "SEA 7 to 9.5": (lambda rng, n: (sea(rng, n, 7), sea(rng, n, 9.5)), True),
    "RBF, a third swapped": (lambda rng, n: rbf(rng, n, True), True),
    "SEA, none": (lambda rng, n: (sea(rng, n, 8), sea(rng, n, 8)), False),
    "RBF, none": (lambda rng, n: rbf(rng, n, False), False),
    "SEA, features move": (lambda rng, n: (sea(rng, n, 8), sea(rng, n, 8, 2.0)), False),
    "SEA, labels 0.32 to 0.6": (lambda rng, n: (sea(rng, n, 8), more_of_one(rng, n, 8, 0.6)), False),
}


def reports(case: str, rows: int, repetitions: int) -> list[DriftReport]:
    make, _ = CASES[case]
    rng = np.random.default_rng([rows, *case.encode()])
    return [check(*make(rng, rows), ASKED) for _ in range(repetitions)]


def fired(found: list[DriftReport]) -> int:
    return sum(whole.drift for report in found for whole in report.wholes if whole.part.value == "concept")


@pytest.mark.parametrize("case", [name for name, (_, changes) in CASES.items() if changes])
def test_it_fires_at_each_change_and_no_column_does(case: str) -> None:
    found = reports(case, 5000, 2)
    assert fired(found) == 2
    assert not any(column.drift for report in found for column in report.columns)


@pytest.mark.parametrize("case", [name for name, (_, changes) in CASES.items() if not changes])
def test_it_is_silent_where_the_concept_stays(case: str) -> None:
    assert fired(reports(case, 1000, 4)) == 0


def main() -> int:
    """Print how often each case fires, and how often any column does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=50)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 3000, 5000])
    args = parser.parse_args()
    for rows in args.rows:
        for case in CASES:
            found = reports(case, rows, args.repetitions)
            columns = sum(any(column.drift for column in report.columns) for report in found)
            print(f"{case} | {rows} | concept {fired(found)}/{len(found)} | columns {columns}/{len(found)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
