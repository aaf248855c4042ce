"""When a system has recovered."""

from datetime import timedelta

import pytest
from experiment_builders import at, samples
from hypothesis import given
from hypothesis import strategies as st

from firedrill.engines.chaos.recovery import find_recovery
from firedrill.engines.chaos.samples import MIN_SAMPLES

WINDOW = timedelta(seconds=2)


def find(outcomes: str, *, end: float = 0.0, rate: float = 0.95, until: float | None = None) -> float | None:
    there = samples(outcomes)
    observed = len(outcomes) * 0.2 if until is None else until
    found = find_recovery(there, at(end), WINDOW, rate, at(observed))
    return (found.at - at(end)).total_seconds() if found else None


@pytest.mark.parametrize(
    ("outcomes", "end", "expected"),
    [
        ("." * 20, 0.0, 0.0),
        ("." * 20, 0.1, 0.1),
        ("xxxxx" + "." * 15, 0.0, 1.0),
        ("xxxxx" + "." * 15, 0.5, 0.5),
        ("..x..xx" + "." * 15, 0.0, 1.4),  # a good answer between bad ones is no recovery
        ("." * 9 + "x" + "." * 20, 0.0, 2.0),
        ("x" * 30, 0.0, None),
        ("xxxxx" + "." * 9, 0.0, None),  # not watched for a whole window
        ("", 0.0, None),
        (".x" * 20, 0.0, None),
    ],
)
def test_first_instant_from_which_a_window_holds(outcomes: str, end: float, expected: float | None) -> None:
    found = find(outcomes, end=end)
    assert found == (pytest.approx(expected) if expected is not None else None)


def test_a_window_may_hold_as_many_failures_as_its_rate_lets() -> None:
    assert find("." * 5 + "x" + "." * 14, rate=0.9) == 0.0


def test_outcomes_that_are_not_known_yet_do_not_count() -> None:
    assert find("." * 20, until=1.9) is None
    assert find("." * 20, until=2.0) == 0.0


@given(st.lists(st.booleans(), max_size=120), st.floats(0, 20), st.floats(0.05, 1.0))
def test_what_is_found_is_what_is_defined(outcomes: list[bool], end: float, rate: float) -> None:
    there = samples(outcomes)
    until = at(len(outcomes) * 0.2)
    found = find_recovery(there, at(end), WINDOW, rate, until)

    def holds(index: int) -> bool:
        start = there[index].at
        window = [item.ok for item in there if start <= item.at < start + WINDOW]
        return (
            start >= at(end)
            and there[index].ok
            and start + WINDOW <= until
            and len(window) >= MIN_SAMPLES
            and sum(window) / len(window) >= rate
        )

    expected = next((there[index].at for index in range(len(there)) if holds(index)), None)
    assert (found.at if found else None) == expected


@given(st.lists(st.booleans(), max_size=80), st.integers(0, 20))
def test_more_outcomes_never_move_a_recovery(outcomes: list[bool], more: int) -> None:
    until = at(len(outcomes) * 0.2)
    before = find_recovery(samples(outcomes), at(1), WINDOW, 0.9, until)
    after = find_recovery(samples([*outcomes, *([False] * more)]), at(1), WINDOW, 0.9, at((len(outcomes) + more) * 0.2))
    if before is not None:
        assert after == before
