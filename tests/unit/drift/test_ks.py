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


@given(tied | free, tied | free)
def test_distance_is_that_of_scipy(first: list[float], second: list[float]) -> None:
    a, b = ordered(first), ordered(second)
    expected = stats.ks_2samp(a, b, method="asymp").statistic
    assert ks.ks_distance(a, b) == pytest.approx(expected, abs=1e-12)


@given(tied, tied)
def test_distance_does_not_depend_on_the_order_of_the_samples(first: list[float], second: list[float]) -> None:
    a, b = ordered(first), ordered(second)
    assert ks.ks_distance(a, b) == ks.ks_distance(b, a)


@given(free, free)
def test_p_value_is_a_probability(first: list[float], second: list[float]) -> None:
    a, b = ordered(first), ordered(second)
    assert 0 <= ks.ks_p_value(ks.ks_distance(a, b), a, b) <= 1


def test_large_samples_use_the_limit_that_is_on_the_safe_side() -> None:
    rng = np.random.default_rng(1)
    for shift in (0.05, 0.1, 0.2):
        a, b = np.sort(rng.normal(size=3000)), np.sort(rng.normal(shift, 1, size=3000))
        exact = stats.ks_2samp(a, b, method="exact").pvalue
        assert ks.ks_p_value(ks.ks_distance(a, b), a, b) >= 0.999 * exact


def test_disjoint_samples_are_as_far_apart_as_can_be() -> None:
    a, b = np.arange(5.0), np.arange(10.0, 17.0)
    assert ks.ks_distance(a, b) == 1.0
    assert ks.ks_distance(b, a) == 1.0


@given(free, st.floats(-1e6, 1e6))
def test_folding_gives_sorted_distances(values: list[float], center: float) -> None:
    sample = ordered(values)
    np.testing.assert_array_equal(ks.folded(sample, center), np.sort(np.abs(sample - center)))


@given(tied | free, tied | free)
def test_pooled_median_does_not_tell_the_samples_apart(first: list[float], second: list[float]) -> None:
    a, b = ordered(first), ordered(second)
    both = np.sort(np.concatenate([a, b]))
    assert ks.pooled_median(a, b) == ks.pooled_median(b, a) == both[(len(both) - 1) // 2]
