"""Holm's correction and the population stability index."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.engines.drift.correction import holm
from firedrill.engines.drift.psi import bin_counts, bin_labels, psi, quantile_edges

p_values = st.lists(st.floats(0, 1), max_size=40)


@given(p_values)
def test_adjusted_is_never_below_raw_and_never_above_bonferroni(raw: list[float]) -> None:
    for p, adjusted in zip(raw, holm(raw), strict=True):
        assert p - 1e-12 <= adjusted <= min(1.0, len(raw) * p) + 1e-12 or adjusted <= 1.0
        assert adjusted >= p - 1e-12


@given(p_values)
def test_order_of_p_values_is_kept(raw: list[float]) -> None:
    adjusted = holm(raw)
    pairs = sorted(zip(raw, adjusted, strict=True))
    assert [value for _, value in pairs] == sorted(adjusted)


@given(p_values, st.randoms(use_true_random=False))
def test_order_of_tests_does_not_matter(raw: list[float], random: object) -> None:
    order = list(range(len(raw)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert holm([raw[i] for i in order]) == [holm(raw)[i] for i in order]


def test_textbook_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_psi_is_zero_without_a_change_and_grows_with_it() -> None:
    same = psi(np.array([100, 200, 300]), np.array([1000, 2000, 3000]))
    some = psi(np.array([100, 200, 300]), np.array([1500, 2000, 2500]))
    gone = psi(np.array([100, 200, 300]), np.array([0, 0, 6000]))
    assert 0 <= same < 0.001 < some < gone < np.inf


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=200), st.lists(st.floats(-100, 100), max_size=200))
def test_bins_hold_every_value_once(reference: list[float], current: list[float]) -> None:
    edges = quantile_edges(np.sort(np.array(reference)))
    inside = bin_counts(np.sort(np.array(reference)), edges)
    counts = bin_counts(np.sort(np.array(current)), edges)
    assert counts.sum() == len(current)
    assert len(bin_labels(edges)) == len(counts) == len(edges) + 1
    assert inside[0] == inside[-1] == 0


def test_values_outside_the_reference_have_bins_of_their_own() -> None:
    edges = quantile_edges(np.full(50, 5.0))
    assert list(bin_counts(np.array([4.0, 5.0, 5.0, 6.0]), edges)) == [1, 2, 1]
