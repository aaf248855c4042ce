"""The two-sample Kolmogorov-Smirnov test against scipy, with ties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from firedrill.engines.drift import ks

tied = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=60)
free = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


def ordered(values: list[float]) -> np.ndarray:
    return np.sort(np.array(values, dtype=np.float64))


# Scipy's p-value of one row against one, which nobody asks for here.
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@given(tied | free, tied | free)
def test_distance_is_that_of_scipy(first: list[float], second: list[float]) -> None:
    a, b = ordered(first), ordered(second)
    expected = stats.ks_2samp(a, b, method="asymp").statistic
    assert ks.distance(a, b).ks == pytest.approx(expected, abs=1e-12)


@given(tied, tied)
def test_distance_does_not_depend_on_the_order_of_the_samples(first: list[float], second: list[float]) -> None:
    a, b = ordered(first), ordered(second)
    assert ks.distance(a, b).ks == ks.distance(b, a).ks


@given(free, free)
def test_p_value_is_a_probability(first: list[float], second: list[float]) -> None:
    a, b = ordered(first), ordered(second)
    assert 0 <= ks.p_value(ks.distance(a, b).ks, a, b) <= 1


def test_large_samples_use_the_limit_that_is_on_the_safe_side() -> None:
    rng = np.random.default_rng(1)
    for shift in (0.05, 0.1, 0.2):
        a, b = np.sort(rng.normal(size=3000)), np.sort(rng.normal(shift, 1, size=3000))
        exact = stats.ks_2samp(a, b, method="exact").pvalue
        assert ks.p_value(ks.distance(a, b).ks, a, b) >= 0.999 * exact


def test_disjoint_samples_are_as_far_apart_as_can_be() -> None:
    a, b = np.arange(5.0), np.arange(10.0, 17.0)
    assert ks.distance(a, b).ks == 1.0
    assert ks.distance(b, a).ks == 1.0


@given(tied | free, tied | free)
def test_an_interval_sees_at_least_what_a_bound_sees(first: list[float], second: list[float]) -> None:
    found = ks.distance(ordered(first), ordered(second))
    assert found.ks <= found.interval <= 1


def test_a_growing_spread_is_seen_whole_between_two_bounds() -> None:
    rng = np.random.default_rng(4)
    found = ks.distance(np.sort(rng.normal(size=200_000)), np.sort(rng.normal(0, 1.5, 200_000)))
    assert found.ks == pytest.approx(0.096, abs=0.01)
    assert found.interval == pytest.approx(0.19, abs=0.01)
