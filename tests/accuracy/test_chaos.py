"""False alarms of the comparison of before and during, where nothing has changed, and its power where something has.

As tests, with few repetitions: ``pytest tests/accuracy``. As figures, one line each:
``python tests/accuracy/test_chaos.py [--repetitions 2000]``. Every sample comes from a seed.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from firedrill.api.shape import Compare
from firedrill.engines.chaos import comparing
from firedrill.engines.chaos.samples import Share

SIGNIFICANCE = 0.05
Latencies = Callable[[np.random.Generator, int], np.ndarray]


def _gamma(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.gamma(2.0, 0.02, n)


def _heavy(rng: np.random.Generator, n: int) -> np.ndarray:
    return 0.01 * (1 + rng.pareto(1.5, n))


def _tied(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.asarray(np.round(rng.gamma(2.0, 0.02, n), 2))


def _dependent(rng: np.random.Generator, n: int) -> np.ndarray:
    """Each answer takes after the one before, by a correlation of 0.5."""
    noise = rng.normal(0, 1, n)
    for index in range(1, n):
        noise[index] = 0.5 * noise[index - 1] + np.sqrt(0.75) * noise[index]
    return np.asarray(0.05 * np.exp(0.5 * noise))


@dataclass(frozen=True)
class Case:
    """Two samples of one distribution; ``independent`` is what the tests take for granted."""

    name: str
    latencies: Latencies
    rate: float
    before: int
    during: int
    independent: bool = True


CASES = (
    Case("gamma, 25 against 75", _gamma, 0.99, 25, 75),
    Case("gamma, 300 against 300", _gamma, 0.9, 300, 300),
    Case("heavy tail, 50 against 100", _heavy, 0.95, 50, 100),
    Case("ties, 50 against 100", _tied, 0.8, 50, 100),
    Case("dependent, 100 against 100", _dependent, 0.95, 100, 100, independent=False),
)


def outcome(compare: Compare, case: Case, rng: np.random.Generator, slower: float, worse: float) -> list[bool | None]:
    """Whether each of the two comparisons has passed."""
    before = Share(case.before, int(rng.binomial(case.before, case.rate)))
    during = Share(case.during, int(rng.binomial(case.during, case.rate - worse)))
    first = [float(x) for x in case.latencies(rng, case.before)]
    second = [float(x) + slower for x in case.latencies(rng, case.during)]
    return [each.measurement.passed for each in comparing.judge(compare, before, during, first, second)]


def failed(case: Case, repetitions: int, slower: float = 0.0, worse: float = 0.0) -> list[float]:
    """The share of repetitions in which success rate and latency failed, with limits of nothing at all."""
    compare = Compare.model_validate(
        {"successRate": {"maxDrop": 0}, "latency": {"maxIncrease": "0s"}, "significance": SIGNIFICANCE}
    )
    rng = np.random.default_rng([7, case.before, case.during, len(case.name)])
    found = [outcome(compare, case, rng, slower, worse) for _ in range(repetitions)]
    return [sum(each[index] is False for each in found) / repetitions for index in range(2)]


@pytest.mark.parametrize("case", [case for case in CASES if case.independent], ids=lambda case: case.name)
def test_false_alarms_where_nothing_has_changed(case: Case) -> None:
    repetitions = 400
    most = stats.binom.ppf(0.999, repetitions, SIGNIFICANCE) / repetitions
    for rate in failed(case, repetitions):
        assert rate <= most


@pytest.mark.parametrize("case", [case for case in CASES if case.before >= 100], ids=lambda case: case.name)
def test_what_has_clearly_changed_is_found(case: Case) -> None:
    success, latency = failed(case, 100, slower=0.05, worse=0.3)
    assert success > 0.95
    assert latency > 0.95


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000)
    repetitions = parser.parse_args().repetitions
    for case in CASES:
        success, latency = failed(case, repetitions)
        print(f"{case.name}: false alarms of the success rate {success:.4f}, of the latency {latency:.4f}")


if __name__ == "__main__":
    main()
