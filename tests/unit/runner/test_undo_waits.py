"""How long undoing waits from one look to the next: soon at first, often for some twenty seconds, then ever less."""

import pytest

from firedrill.runner.undoing import wait_after


@pytest.mark.parametrize(
    ("rounds", "seconds"),
    [(0, 0.1), (1, 0.2), (2, 0.4), (3, 0.5), (40, 0.5), (41, 1.0), (42, 2.0), (44, 8.0), (45, 10.0), (100_000, 10.0)],
)
def test_so_long_after_so_many_looks(rounds: int, seconds: float) -> None:
    assert wait_after(rounds) == pytest.approx(seconds)


def test_it_never_waits_less_than_before() -> None:
    waits = [wait_after(rounds) for rounds in range(200)]
    assert waits == sorted(waits)
    assert 18 <= sum(waits[:41]) <= 21
