"""Corrections of many tests, and effects that decide nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.driftcheck import Correction
from firedrill.engines.drift.correction import correct
from firedrill.engines.drift.effects import bin_counts, bin_labels, jensen_shannon, psi, quantile_edges, wasserstein
from firedrill.engines.drift.ordered import Sample

p_values = st.lists(st.floats(0, 1), max_size=40)


def holm(raw: list[float]) -> list[float]:
    return correct(raw, [1.0] * len(raw), Correction.HOLM)


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


def test_benjamini_and_hochberg_as_in_their_paper() -> None:
    raw = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1,
    ]
    adjusted = correct(raw, [1.0] * 15, Correction.BENJAMINI_HOCHBERG)
    assert [p <= 0.05 for p in adjusted] == [True] * 4 + [False] * 11


def test_a_weight_is_a_share_of_the_error() -> None:
    assert correct([0.001, 0.5], [1.0, 9.0], Correction.HOLM)[0] == pytest.approx(0.01)
    assert correct([0.5, 0.045], [1.0, 9.0], Correction.HOLM)[1] == pytest.approx(0.05)


@given(p_values.filter(bool), st.data())
def test_weighted_holm_rejects_no_more_than_its_share_of_a_single_null(raw: list[float], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.floats(0.1, 10), min_size=len(raw), max_size=len(raw)))
    for p, w, adjusted in zip(raw, weights, correct(raw, weights, Correction.HOLM), strict=True):
        assert p - 1e-12 <= adjusted <= min(1.0, p * sum(weights) / w) + 1e-9 or adjusted == 1.0 or p <= adjusted


def test_psi_is_about_zero_on_average_without_a_change() -> None:
    rng = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    found = [psi(rng.multinomial(300, shares), rng.multinomial(300, shares)) for _ in range(200)]
    assert np.mean(found) < 0.02 < 9 * 2 / 300


@pytest.mark.parametrize("rows", [100, 5000])
def test_wasserstein_is_in_standard_deviations_of_the_reference(rows: int) -> None:
    sample = np.sort(np.random.default_rng(1).normal(3, 7, 5000))
    moved = wasserstein(Sample(sample), Sample(np.sort(sample[:: 5000 // rows]) + 3.5))
    assert moved == pytest.approx(0.5, abs=0.1)
    assert wasserstein(Sample(np.full(20, 2.0)), Sample(np.full(20, 3.0))) is None
    assert wasserstein(Sample(np.array([-1e308, 1e308])), Sample(np.array([1e308, 1e308]))) is None


def test_jensen_shannon_is_between_0_and_1() -> None:
    assert jensen_shannon(np.array([5, 5]), np.array([50, 50])) == 0
    assert jensen_shannon(np.array([5, 0]), np.array([0, 9])) == pytest.approx(1)


def test_psi_is_zero_without_a_change_and_grows_with_it() -> None:
    same = psi(np.array([100, 200, 300]), np.array([1000, 2000, 3000]))
    some = psi(np.array([100, 200, 300]), np.array([1500, 2000, 2500]))
    gone = psi(np.array([100, 200, 300]), np.array([0, 0, 6000]))
    assert same == 0 < some < gone < np.inf


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=200), st.lists(st.floats(-100, 100), max_size=200))
def test_bins_hold_every_value_once(reference: list[float], current: list[float]) -> None:
    edges = quantile_edges(Sample(np.sort(np.array(reference))))
    inside = bin_counts(Sample(np.sort(np.array(reference))), edges)
    counts = bin_counts(Sample(np.sort(np.array(current))), edges)
    assert counts.sum() == len(current)
    assert len(bin_labels(edges)) == len(counts) == len(edges) + 1
    assert inside[0] == inside[-1] == 0


def test_values_outside_the_reference_have_bins_of_their_own() -> None:
    edges = quantile_edges(Sample(np.full(50, 5.0)))
    assert list(bin_counts(Sample(np.array([4.0, 5.0, 5.0, 6.0])), edges)) == [1, 2, 1]
