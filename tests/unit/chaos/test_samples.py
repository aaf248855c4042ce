"""Shares, intervals, windows and the first failure."""

import pytest
from experiment_builders import at, samples
from hypothesis import given
from hypothesis import strategies as st

from firedrill.engines.chaos.samples import Share, between, first_failure, share


@pytest.mark.parametrize(
    ("good", "count", "low", "high"),
    [
        # Values of statsmodels.stats.proportion.proportion_confint(good, count, method="wilson").
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (5, 10, 0.236593, 0.763407),
        (95, 100, 0.888249, 0.978456),
    ],
)
def test_wilson(good: int, count: int, low: float, high: float) -> None:
    assert Share(count, good).interval() == pytest.approx((low, high), abs=2e-5)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_the_interval_holds_the_share(count: int, part: float) -> None:
    found = Share(count, round(count * part))
    low, high = found.interval()
    assert 0 <= low <= high <= 1
    if count:
        assert low - 1e-9 <= found.rate <= high + 1e-9


def test_a_window_holds_its_start_and_not_its_end() -> None:
    found = between(samples("....."), at(0.2), at(0.6))
    assert [sample.at for sample in found] == [at(0.2), at(0.4)]
    assert share(found) == Share(2, 2)


def test_no_samples_are_no_share() -> None:
    assert share([]) == Share(0, 0)
    assert not Share(4, 4).enough
    assert Share(5, 0).enough


def test_a_failure_is_known_when_its_answer_is() -> None:
    # The failure sent at 0.2 is answered at 1.2, after a good one that was sent later.
    assert first_failure(samples(".x.."), at(0)) == at(1.2)
    assert first_failure(samples(".x.."), at(0.3)) is None
