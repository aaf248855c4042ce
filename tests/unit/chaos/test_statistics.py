"""Intervals and tests: against figures of the literature, by their properties, and by how often they are wrong."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.engines.chaos import statistics
from firedrill.engines.chaos.samples import Share
from firedrill.engines.chaos.statistics import drop, median, median_interval, needed_for, rise

shares = st.integers(1, 300).flatmap(lambda n: st.integers(0, n).map(lambda good: Share(n, good)))
seconds = st.lists(st.floats(0, 100), min_size=1, max_size=60)
confidences = st.floats(0.5, 0.999)


@pytest.mark.parametrize(
    ("before", "during", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, method 10.
        (Share(70, 56), Share(80, 48), 0.0524, 0.3339),
        (Share(10, 9), Share(10, 3), 0.1705, 0.8090),
        (Share(10, 10), Share(20, 0), 0.6791, 1.0),
        (Share(10, 10), Share(10, 0), 0.6075, 1.0),
    ],
)
def test_newcombe_s_interval_is_that_of_his_table(before: Share, during: Share, low: float, high: float) -> None:
    found = drop(before, during, 0.95).interval
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(shares, shares, confidences)
def test_the_interval_of_a_drop_holds_its_estimate(before: Share, during: Share, confidence: float) -> None:
    found = drop(before, during, confidence)
    assert -1 <= found.interval.low <= found.interval.estimate + 1e-12
    assert found.interval.estimate - 1e-12 <= found.interval.high <= 1
    assert 0 <= found.p_value <= 1 + 1e-12


@given(shares)
def test_equal_shares_are_no_drop(share: Share) -> None:
    found = drop(share, share, 0.95)
    assert found.interval.estimate == 0
    assert found.interval.low <= 0 <= found.interval.high
    assert found.p_value >= 0.5


@given(seconds, seconds, confidences)
def test_the_interval_of_a_rise_holds_its_estimate(before: list[float], during: list[float], confidence: float) -> None:
    found = rise(before, during, confidence).interval
    assert found.low <= found.estimate <= found.high


@given(st.lists(st.floats(0, 100), min_size=5, max_size=40, unique=True), st.floats(0.001, 10))
def test_a_shift_is_found_as_it_is(before: list[float], shift: float) -> None:
    found = rise(before, [each + shift for each in before], 0.95)
    assert found.interval.low - 1e-9 <= shift <= found.interval.high + 1e-9
    assert found.interval.estimate == pytest.approx(shift, abs=1e-6)


def test_answers_that_are_all_the_same_show_nothing() -> None:
    assert rise([0.02] * 50, [0.02] * 50, 0.95).p_value == 1.0


def test_long_samples_are_thinned_out_and_say_the_same() -> None:
    generator = random.Random(5)
    before = [generator.expovariate(50) for _ in range(20_000)]
    during = [generator.expovariate(50) + 0.01 for _ in range(20_000)]
    found = rise(before, during, 0.95)
    assert found.interval.low < 0.0105
    assert found.interval.high > 0.0095
    assert found.p_value < 1e-6


@pytest.mark.parametrize(
    ("count", "confidence", "low", "high"),
    [
        # Ranks of the 95 % interval of a median, as tabulated (Hollander, Wolfe, Chicken, table A.2 for the sign test).
        (5, 0.95, None, None),
        (6, 0.95, 1, 6),
        (9, 0.95, 2, 8),
        (10, 0.95, 2, 9),
        (15, 0.95, 4, 12),
        (20, 0.95, 6, 15),
        (25, 0.95, 8, 18),
        (5, 0.90, 1, 5),
        (8, 0.99, 1, 8),
    ],
)
def test_the_ranks_of_a_median_s_interval(count: int, confidence: float, low: int | None, high: int | None) -> None:
    found = median_interval([float(rank) for rank in range(1, count + 1)], confidence)
    assert (found.low if found else None, found.high if found else None) == (low, high)
    if found:
        assert found.confidence >= confidence
        assert found.estimate == (count + 1) / 2


@given(seconds, confidences)
def test_there_is_an_interval_from_as_many_values_as_are_told(values: list[float], confidence: float) -> None:
    found = median_interval(values, confidence)
    assert (found is not None) == (len(values) >= needed_for(confidence))
    if found:
        assert found.low <= found.estimate == median(values) <= found.high


@pytest.mark.parametrize("count", [6, 11, 30])
def test_the_interval_covers_the_median_as_often_as_it_says(count: int) -> None:
    generator = random.Random(count)
    repetitions = 2000
    covered, told = 0, 0.0
    for _ in range(repetitions):
        found = median_interval([generator.expovariate(1.0) for _ in range(count)], 0.95)
        assert found is not None
        covered += found.low <= math.log(2) <= found.high
        told = found.confidence
    spread = 3 * math.sqrt(told * (1 - told) / repetitions)
    assert abs(covered / repetitions - told) < spread


def test_every_function_gives_the_same_for_the_same() -> None:
    generator = random.Random(1)
    values = [generator.random() for _ in range(40)]
    assert statistics.rise(values, values[::-1], 0.9) == statistics.rise(values, values[::-1], 0.9)
