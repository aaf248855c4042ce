"""Histograms that merge exactly, and quantiles whose bounds hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.engines.common.effective import certified, effective_size, share_of
from firedrill.engines.common.histogram import Histogram, bucket_of, lower_edge, upper_edge

DURATIONS = st.lists(st.floats(1e-6, 4000) | st.just(math.inf), min_size=1, max_size=200)


def histogram(values: list[float], batches: int = 4) -> Histogram:
    made = Histogram(batches)
    made.add(np.arange(len(values)) % batches, np.array(values))
    return made


@given(st.floats(0, 4000))
def test_a_bucket_holds_its_values_and_is_narrow(value: float) -> None:
    bucket = int(bucket_of(np.array([value]))[0])
    low, high = lower_edge(bucket), upper_edge(bucket)
    assert low <= value + 1e-9
    assert value < high + 1e-9
    assert high - low <= max(value / 256, 1e-6) + 1e-12


@given(DURATIONS, DURATIONS)
def test_merging_is_counting_together(a: list[float], b: list[float]) -> None:
    both, one = histogram(a), histogram(b)
    both.merge(one)
    assert both.size == len(a) + len(b)
    assert both.failed.sum() == sum(math.isinf(value) for value in a + b)
    again = Histogram.from_wire(both.to_wire())
    assert (again.counts == both.counts).all()
    assert (again.failed == both.failed).all()


@given(DURATIONS, st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_that_of_the_sample_within_a_bucket(values: list[float], level: float) -> None:
    found = certified(histogram(values), level)
    assert found is not None
    exact = sorted(values)[min(max(math.ceil(level * len(values) - 1e-9), 1), len(values)) - 1]
    if math.isinf(exact):
        assert math.isinf(found.value)
    else:
        assert exact <= found.value + 1e-9 <= exact * (1 + 1 / 128) + 3e-6


@pytest.mark.parametrize(("level", "needed"), [(0.5, 7), (0.95, 90), (0.99, 459), (0.999, 4603)])
def test_each_level_needs_its_number_of_requests(level: float, needed: int) -> None:
    few, enough = (certified(histogram([0.01] * size, 1), level) for size in (needed - 1, needed))
    assert few is not None
    assert enough is not None
    assert few.high is None
    assert enough.high is not None


def test_bounds_hold_as_often_as_they_say() -> None:
    generator = np.random.default_rng(5)
    above = below = 0
    for _ in range(400):
        made = Histogram(32)
        made.add(np.arange(1000) // 32, generator.exponential(0.1, 1000))
        found = certified(made, 0.95)
        assert found is not None
        assert found.high is not None
        assert found.low is not None
        truth = -0.1 * math.log(0.05)
        above += found.high < truth
        below += found.low > truth
    # 1 % each: of 400 at most 12 with 99.9 %.
    assert above <= 12
    assert below <= 12


def test_neighbours_that_depend_on_each_other_are_worth_less() -> None:
    generator = np.random.default_rng(1)
    alone = np.array([generator.binomial(100, 0.05) for _ in range(32)])
    stalled = np.zeros(32, np.int64)
    stalled[4:6] = 80
    sizes = np.full(32, 100)
    assert effective_size(alone, sizes) == 3200
    assert effective_size(stalled, sizes) < 100
    assert share_of(stalled, sizes).high > share_of(alone, sizes).high


def test_one_stall_in_a_run_does_not_certify_a_tail() -> None:
    made = Histogram(32)
    latency = np.full(3200, 0.01)
    latency[1000:1080] = 0.5
    made.add(np.arange(3200) // 100, latency)
    found = certified(made, 0.99)
    assert found is not None
    assert (found.high, found.size) == (None, 3200)
