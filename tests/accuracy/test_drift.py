"""Figures of the drift engine: false alarms under the null, power, time and memory.

As tests, with few repetitions: ``pytest tests/accuracy``. As figures, one line each:
``python tests/accuracy/test_drift.py [--repetitions 1000] [--skip-large]``.
Every table comes from a seed, so a figure can be had again.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from scipy import signal, stats

from firedrill.api.driftcheck import DriftThresholds, Joint, Rows
from firedrill.engines.drift import Asked, DriftReport, check

SIGNIFICANCE = 0.05
#: Every effect counts, so that the p-values alone are examined.
NO_LIMITS = DriftThresholds(significance=SIGNIFICANCE, min_ks_effect=0, min_categorical_effect=0, min_joint_auc=0.5)
ALONE = Joint(enabled=False)
NO_GATE = Asked(thresholds=NO_LIMITS, joint=ALONE)
DEFAULTS = Asked(joint=ALONE)
#: All columns together are looked at as well, within the same five percent.
WITH_JOINT = Asked(thresholds=NO_LIMITS)
DEPENDENT = Asked(thresholds=NO_LIMITS, rows=Rows(dependent=True))


@dataclass(frozen=True)
class Shape:
    """Size and columns of a pair of tables."""

    name: str
    reference: int
    current: int
    numeric: int
    categorical: int
    values: int = 8
    missing: float = 0.0
    ties: bool = False
    #: Correlation of a row with the one before it; above 0 the rows are taken as dependent.
    phi: float = 0.0


NULL_SHAPES = (
    Shape("10 numeric + 10 categorical(8)", 1000, 1000, 10, 10),
    Shape("unequal, 10 numeric + 10 categorical(8)", 5000, 200, 10, 10),
    Shape("unequal, 10 categorical(50)", 5000, 200, 0, 10, 50),
    Shape("10 categorical(50)", 1000, 1000, 0, 10, 50),
    Shape("100 numeric", 1000, 1000, 100, 0),
    Shape("100 against 100, 10 + 10, 5 % missing", 100, 100, 10, 10, 8, 0.05),
    Shape("tied numbers, 5 % missing", 1000, 300, 20, 0, 8, 0.05, True),
)
DEPENDENT_SHAPES = tuple(
    Shape(f"dependent {phi}", rows, rows, 10, 0, phi=phi) for phi in (0.0, 0.5, 0.8) for rows in (2000, 5000)
)


def table(shape: Shape, rows: int, rng: np.random.Generator, shift: float = 0.0, scale: float = 1.0) -> pa.Table:
    """Independent columns: normal (or rounded exponential) numbers and equally likely categories."""
    columns: dict[str, pa.Array] = {}
    for i in range(shape.numeric):
        values = np.round(rng.exponential(2, rows)) if shape.ties else shift + scale * normal(rng, rows, shape.phi)
        columns[f"n{i}"] = pa.array(values, mask=rng.random(rows) < shape.missing)
    for i in range(shape.categorical):
        codes = pa.array(rng.integers(0, shape.values, rows).astype(np.int32), mask=rng.random(rows) < shape.missing)
        columns[f"c{i}"] = pa.DictionaryArray.from_arrays(codes, pa.array([f"v{k}" for k in range(shape.values)]))
    return pa.table(columns)


def normal(rng: np.random.Generator, rows: int, phi: float) -> np.ndarray:
    """Normal numbers of variance 1, each correlated by ``phi`` with the one before it."""
    steps = rng.normal(size=rows)
    if not phi:
        return steps
    steps[1:] *= np.sqrt(1 - phi**2)
    return np.asarray(signal.lfilter([1.0], [1.0, -phi], steps))


def alarms(report: DriftReport) -> bool:
    """Whether anything alarms."""
    return any(column.drift for column in report.columns) or any(whole.drift for whole in report.wholes)


def family_wise_rate(shape: Shape, repetitions: int, asked: Asked, seed: int = 1) -> int:
    """Runs of ``repetitions`` with at least one false alarm; both tables have one distribution."""
    rng = np.random.default_rng([seed, shape.reference, shape.current, shape.numeric, shape.values])
    return sum(
        alarms(check(table(shape, shape.reference, rng), table(shape, shape.current, rng), asked, 1))
        for _ in range(repetitions)
    )


def most_allowed(repetitions: int, rate: float = SIGNIFICANCE) -> int:
    """Most false alarms that a true rate of ``rate`` gives in 99.9 % of trials."""
    return int(stats.binom.ppf(0.999, repetitions, rate))


def power(shape: Shape, repetitions: int, shift: float, scale: float, seed: int = 2) -> float:
    """Share of numeric columns found when all numeric columns are shifted and scaled."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(repetitions):
        reference, current = table(shape, shape.reference, rng), table(shape, shape.current, rng, shift, scale)
        report = check(reference, current, DEFAULTS, 1)
        found += sum(column.drift for column in report.columns if column.name.startswith("n"))
    return found / (repetitions * shape.numeric)


def timed(shape: Shape) -> tuple[float, float]:
    """Seconds of one check, and peak memory of this process in MiB (the tables are in memory and count)."""
    rng = np.random.default_rng(3)
    reference, current = table(shape, shape.reference, rng), table(shape, shape.current, rng)
    started = time.perf_counter()
    check(reference, current, DEFAULTS)
    return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("shape", NULL_SHAPES, ids=lambda shape: shape.name)
def test_false_alarms_of_all_columns_together_stay_within_their_rate(shape: Shape) -> None:
    repetitions = max(1500 // max(shape.numeric + shape.categorical, 15), 15)
    assert family_wise_rate(shape, repetitions, NO_GATE) <= most_allowed(repetitions)


def test_joint_drift_is_within_the_same_rate() -> None:
    assert family_wise_rate(Shape("", 200, 200, 2, 1), 60, WITH_JOINT) <= most_allowed(60)


@pytest.mark.parametrize("shape", DEPENDENT_SHAPES[::2], ids=lambda shape: shape.name)
def test_dependent_rows_stay_within_the_rate(shape: Shape) -> None:
    assert family_wise_rate(shape, 60, DEPENDENT) <= most_allowed(60)


@pytest.mark.parametrize(
    ("rows", "shift", "scale"), [(1000, 0.5, 1.0), (1000, 0.0, 1.5), (100, 1.0, 1.0), (100, 0.0, 3.0)]
)
def test_large_drift_is_found(rows: int, shift: float, scale: float) -> None:
    assert power(Shape("", rows, rows, 10, 10), 5, shift, scale) >= 0.95


def main(argv: list[str] | None = None) -> int:
    """Print the figures; returns 1 when a false alarm rate is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=1000, help="runs under the null for each shape")
    parser.add_argument("--skip-large", action="store_true", help="leave out time and memory of large tables")
    args = parser.parse_args(argv)
    tell: Callable[[str], None] = lambda line: print(line, flush=True)  # noqa: E731
    worst = 0
    for shape in NULL_SHAPES:
        repetitions = max(args.repetitions // (5 if shape.numeric >= 100 else 1), 1)
        gated = family_wise_rate(shape, repetitions, DEFAULTS)
        bare = family_wise_rate(shape, repetitions, NO_GATE)
        interval = stats.binomtest(bare, repetitions).proportion_ci(method="wilson")
        tell(
            f"null  {shape.name}, {shape.reference}/{shape.current}: runs with a false alarm {gated}/{repetitions}; "
            f"by p-value alone {bare}/{repetitions} = {bare / repetitions:.1%} "
            f"({interval.low:.1%} to {interval.high:.1%})"
        )
        worst = max(worst, bare > most_allowed(repetitions))
    shapes = NULL_SHAPES[0], Shape("small", 100, 100, 10, 10)
    for shape, shift, scale in (
        (shapes[0], 0.5, 1.0),
        (shapes[0], 0.0, 1.5),
        (shapes[0], 0.3, 1.0),
        (shapes[1], 1.0, 1.0),
        (shapes[1], 0.0, 3.0),
    ):
        found = power(shape, max(args.repetitions // 20, 5), shift, scale)
        tell(f"power {shape.reference}/{shape.current}, shift {shift} sd, scale x{scale}: {found:.1%} of columns found")
    if not args.skip_large:
        for shape in (Shape("40 + 10", 100_000, 100_000, 40, 10), Shape("16 + 4", 1_000_000, 1_000_000, 16, 4)):
            seconds, memory = timed(shape)
            tell(
                f"speed {shape.reference} rows x {shape.name} columns: {seconds:.2f} s, peak {memory:.0f} MiB with data"
            )
    return worst


if __name__ == "__main__":
    sys.exit(main())
