"""Who is hit: reproducible, bounded, and steady when pods come and go."""

import random

import pytest
from experiment_builders import pod, pods, spec
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.target import PodTarget, TargetMode
from firedrill.engines.chaos import selection


def target(mode: str, value: int | None = None, seed: int = 1) -> PodTarget:
    return spec(target={"mode": mode, "value": value, "seed": seed}).target


@pytest.mark.parametrize(
    ("mode", "value", "matching", "expected"),
    [
        ("One", None, 0, 0),
        ("One", None, 1, 1),
        ("One", None, 9, 1),
        ("All", None, 9, 9),
        ("Fixed", 3, 9, 3),
        ("Fixed", 30, 9, 9),
        ("Percent", 1, 9, 1),
        ("Percent", 50, 9, 5),
        ("Percent", 100, 9, 9),
        ("Percent", 7, 100, 7),
        ("Percent", 29, 100, 29),  # 100 * 0.29 is more than 29 in floats
        ("Percent", 50, 0, 0),
    ],
)
def test_how_many(mode: str, value: int | None, matching: int, expected: int) -> None:
    assert selection.wanted(target(mode, value), matching) == expected


@pytest.mark.parametrize(
    ("matching", "percent", "expected"),
    [(0, 50, 0), (1, 1, 1), (3, 50, 1), (4, 50, 2), (10, 29, 2), (10, 100, 10), (2, 50, 1)],
)
def test_how_many_may_be_hit(matching: int, percent: int, expected: int) -> None:
    assert selection.allowed(matching, percent) == expected


targets = st.builds(
    target,
    st.just("Percent"),
    st.integers(1, 100),
    st.integers(0, 2**31),
) | st.builds(target, st.sampled_from(["One", "All"]), st.none(), st.integers(0, 2**31))


@given(targets, st.integers(0, 60), st.randoms(use_true_random=False))
def test_the_order_of_the_list_does_not_matter(wanted: PodTarget, count: int, shuffler: random.Random) -> None:
    there = pods(count)
    shuffled = list(there)
    shuffler.shuffle(shuffled)
    chosen = selection.select(wanted, shuffled)
    assert chosen == selection.select(wanted, there)
    assert len(chosen) == selection.wanted(wanted, count)
    assert len({item.name for item in chosen}) == len(chosen)
    assert set(chosen) <= set(there) if count else chosen == []


@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 20))
def test_one_pod_more_changes_at_most_one(seed: int, count: int, fixed: int) -> None:
    wanted = target("Fixed", fixed, seed)
    before = {item.name for item in selection.select(wanted, pods(count))}
    after = {item.name for item in selection.select(wanted, [*pods(count), pod("newcomer")])}
    assert len(before - after) <= 1


def test_seeds_choose_differently() -> None:
    chosen = {selection.select(target("One", seed=seed), pods(10))[0].name for seed in range(60)}
    assert len(chosen) == 10


def test_modes_are_all_known() -> None:
    assert {mode.value for mode in TargetMode} == {"One", "All", "Fixed", "Percent"}
