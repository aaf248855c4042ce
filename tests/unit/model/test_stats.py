"""Intervals: coverage, order statistics, and the numbers that MLPerf's LoadGen publishes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.engines.common.intervals import quantile, requests_to_certify
from firedrill.engines.common.shares import wilson
from firedrill.engines.model import arrivals, row_order


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_holds_the_share_and_stays_within_0_and_1(pair: tuple[int, int]) -> None:
    interval = wilson(*pair)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_interval_of_wilson() -> None:
    interval = wilson(90, 100)
    assert interval.low == pytest.approx(0.8256, abs=1e-4)
    assert interval.high == pytest.approx(0.9448, abs=1e-4)


@pytest.mark.parametrize(("misses", "needed"), [(0, 459), (1, 662)])
def test_certifying_p99_needs_as_many_requests_as_in_loadgen(misses: int, needed: int) -> None:
    assert requests_to_certify(0.99, misses) == needed


def test_p99_has_an_upper_bound_from_459_requests_on() -> None:
    assert quantile([1.0] * 458, 0.99).high is None
    assert quantile([1.0] * 459, 0.99).high == 1.0


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=800), st.sampled_from([0.5, 0.95, 0.99]))
def test_bounds_enclose_the_quantile(values: list[float], level: float) -> None:
    found = quantile(sorted(values), level)
    assert found.low is None or found.low <= found.value
    assert found.high is None or found.high >= found.value


def test_bounds_of_quantiles_cover_the_truth() -> None:
    rng = np.random.default_rng(6)
    misses_high = misses_low = 0
    for _ in range(1000):
        found = quantile(np.sort(rng.random(600)).tolist(), 0.95)
        misses_high += found.high is None or found.high < 0.95
        misses_low += found.low is None or found.low > 0.95
    assert misses_high <= 22
    assert misses_low <= 22


def test_quantiles_are_by_nearest_rank() -> None:
    values = [float(i) for i in range(1, 101)]
    assert [quantile(values, level).value for level in (0.5, 0.95, 0.99)] == [50, 95, 99]


def test_arrivals_are_poisson_and_of_the_seed() -> None:
    times = arrivals(20_000, 50.0, 3)
    gaps = np.diff(times)
    assert np.all(gaps >= 0)
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.03)
    assert gaps.std() == pytest.approx(1 / 50, rel=0.03)
    assert np.array_equal(times, arrivals(20_000, 50.0, 3))
    assert not np.array_equal(times, arrivals(20_000, 50.0, 4))


@given(st.integers(1, 50), st.integers(0, 200), st.integers(0, 9))
def test_no_row_is_sent_twice_before_each_was_sent_once(rows: int, requests: int, seed: int) -> None:
    order = row_order(rows, requests, seed)
    assert len(order) == requests
    counts = np.bincount(order, minlength=rows) if order else np.zeros(rows)
    assert counts.max() - counts.min() <= 1
