"""Who is hit: reproducible, bounded, and steady when pods come and go."""

import random
from typing import Any

import pytest
from experiment_builders import pod, pods, spec
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.target import PodTarget, TargetMode
from firedrill.engines.chaos import labels, selection
from firedrill.engines.chaos.views import Owner


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
        ("Random", 50, 0, 0),
        ("Random", 1, 9, 1),
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
    assert {mode.value for mode in TargetMode} == {"One", "All", "Fixed", "Percent", "Random"}


# -- which match -------------------------------------------------------------------------------------------------------

NODES = {"n1": {"topology.kubernetes.io/zone": "a"}, "n2": {"topology.kubernetes.io/zone": "b"}}
THERE = [
    pod("ledger-1", labels={"app": "ledger", "tier": "gold"}, node="n1"),
    pod("ledger-2", labels={"app": "ledger"}, node="n2"),
    pod("web-1", labels={"app": "web", "pod-template-hash": "5d"}, node="n1", owner=Owner("ReplicaSet", "web-5d", "r")),
    pod("job-1", labels={}, node="n2", owner=None),
    pod("late-1", labels={"app": "ledger"}, phase="Pending"),
    pod("gone-1", labels={"app": "ledger"}, deleting=True),
]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"matchLabels": {"app": "ledger"}}, ["ledger-1", "ledger-2"]),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "x"]}]}, ["web-1"]),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["ledger"]}]}, ["web-1", "job-1"]),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, ["ledger-1"]),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, ["job-1"]),
        ({"names": ["ledger-2", "nobody"]}, ["ledger-2"]),
        ({"owner": {"kind": "ReplicaSet", "name": "ledger-1"}}, ["ledger-1", "ledger-2"]),
        ({"owner": {"kind": "Deployment", "name": "web"}}, ["web-1"]),
        ({"owner": {"kind": "Deployment", "name": "we"}}, []),
        ({"owner": {"kind": "StatefulSet", "name": "web"}}, []),
        ({"nodes": ["n1"]}, ["ledger-1", "web-1"]),
        ({"nodeLabels": {"topology.kubernetes.io/zone": "b"}}, ["ledger-2", "job-1"]),
        ({"nodeLabels": {"topology.kubernetes.io/zone": "a"}, "matchLabels": {"app": "ledger"}}, ["ledger-1"]),
        ({"matchLabels": {"app": "ledger"}, "phase": "Pending"}, ["late-1"]),
    ],
)
def test_which_match(given: dict[str, Any], names: list[str]) -> None:
    wanted = PodTarget.model_validate({"namespace": "payments", **given})
    assert [each.name for each in selection.matching(wanted, THERE, NODES)] == names
    assert selection.describe(wanted)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "give at least one of matchLabels"),
        ({"matchLabels": {}}, "give at least one of matchLabels"),
        ({"names": ["a"], "mode": "Random"}, "value must be set for mode Fixed, Percent and Random"),
        ({"names": ["a"], "mode": "Random", "value": 101}, "at most 100"),
        ({"matchExpressions": [{"key": "a", "operator": "In"}]}, "values must be given"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}, "values must be given"),
    ],
)
def test_targets_that_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PodTarget.model_validate({"namespace": "payments", **given})


keys, values = st.sampled_from("abc"), st.sampled_from("xyz")
label_maps = st.dictionaries(keys, values, max_size=3)
expressions = st.one_of(
    st.builds(
        lambda key, operator, given: {"key": key, "operator": operator, "values": given},
        keys,
        st.sampled_from(["In", "NotIn"]),
        st.lists(values, min_size=1, max_size=2),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator}, keys, st.sampled_from(["Exists", "DoesNotExist"])
    ),
)


@given(label_maps, st.lists(expressions, min_size=1, max_size=3))
def test_an_expression_and_its_opposite_part_all_labels(found: dict[str, str], given: list[dict[str, Any]]) -> None:
    opposite = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}
    for each in given:
        other = {**each, "operator": opposite[each["operator"]]}
        met = labels.meets(found, {"matchExpressions": [each]})
        assert met != labels.meets(found, {"matchExpressions": [other]})
    every = labels.meets(found, {"matchExpressions": given})
    assert every == all(labels.meets(found, {"matchExpressions": [each]}) for each in given)


@given(label_maps)
def test_an_empty_selector_selects_everything_and_none_nothing(found: dict[str, str]) -> None:
    assert labels.meets(found, {})
    assert not labels.meets(found, None)


@given(st.integers(1, 100), st.integers(0, 2**31), st.integers(1, 60))
def test_random_hits_something_and_never_more_than_the_percentage(value: int, seed: int, count: int) -> None:
    chosen = selection.select(target("Random", value, seed), pods(count))
    assert 1 <= len(chosen) <= selection.wanted(target("Percent", value), count)
    assert chosen == selection.select(target("Random", value, seed), pods(count))


def test_random_takes_every_number_up_to_the_percentage() -> None:
    assert {selection.wanted(target("Random", 50, seed), 10) for seed in range(100)} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("mode", "value", "hit", "taken", "there", "come"),
    [
        ("All", None, "ab", "", "ab", ""),
        ("All", None, "ab", "", "abc", "c"),
        ("All", None, "ab", "", "cd", "cd"),
        ("All", None, "ab", "d", "bcd", "c"),
        ("One", None, "a", "", "abc", ""),
        ("One", None, "a", "b", "bc", "c"),
        ("Fixed", 2, "ab", "", "b", ""),
        ("Fixed", 2, "ab", "", "bc", "c"),
        ("Percent", 50, "ab", "", "abcd", ""),
        ("Percent", 50, "a", "", "a", ""),
    ],
)
def test_a_fault_follows_to_as_many_as_it_was_meant_for(
    mode: str, value: int | None, hit: str, taken: str, there: str, come: str
) -> None:
    matching = [pod(name) for name in there]
    uids = {name: pod(name).uid for name in "abcd"}
    found = selection.newcomers(
        target(mode, value), matching, {uids[name] for name in hit}, {uids[name] for name in taken}
    )
    assert "".join(each.name for each in found) == come


@given(targets, st.integers(0, 20), st.integers(0, 20), st.integers(0, 10))
def test_following_never_hits_more_than_the_target_asks_for(wanted: PodTarget, hit: int, new: int, gone: int) -> None:
    before = pods(hit)
    first = {each.uid for each in selection.select(wanted, before)}
    there = [*before[gone:], *(pod(f"new-{number}") for number in range(new))]
    came = selection.newcomers(wanted, there, first)
    under = [each for each in there if each.uid in first or each in came]
    assert not any(each.uid in first for each in came)
    assert len(under) <= max(selection.wanted(wanted, len(there)), len([each for each in there if each.uid in first]))
