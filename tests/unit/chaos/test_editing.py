"""Changing fields and changing them back: for any object, and whatever others did to it meanwhile."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.engines.chaos.editing import (
    ABSENT,
    NoSuchPlace,
    Wish,
    applying,
    edit,
    foreign,
    holds_original,
    holds_ours,
    read,
    restoring,
    told,
)
from support.jsonpatch import patched

Object = dict[str, Any]

#: None of them empty: of what is empty an API server may, or may not, keep the place.
VALUES = st.one_of(
    st.integers(),
    st.text(min_size=1, max_size=4),
    st.booleans(),
    st.dictionaries(st.sampled_from("xy"), st.integers(), min_size=1),
)
KEYS = st.sampled_from(["a", "b/c", "d~e"])


def of(**parts: Any) -> Object:
    return {"metadata": {"resourceVersion": "7"}, **parts}


@st.composite
def bodies(draw: st.DrawFn) -> Object:
    """Objects with items p and q in any order, and perhaps one more."""
    names = draw(st.permutations(["p", "q", *draw(st.lists(st.just("r"), max_size=1))]))
    return of(spec=draw(st.dictionaries(KEYS, VALUES)), list=[{"name": name, "image": draw(VALUES)} for name in names])


@st.composite
def wishes(draw: st.DrawFn) -> list[Wish]:
    value = st.one_of(VALUES, st.just(ABSENT))
    paths = st.one_of(
        st.tuples(st.just("spec"), KEYS),
        st.tuples(st.just("spec"), st.just("new"), KEYS),
        st.tuples(st.just("list"), st.sampled_from(["[name=p]", "[name=q]"]), st.just("image")),
    )
    return [Wish(path, draw(value)) for path in draw(st.lists(paths, unique=True, min_size=1, max_size=3))]


@given(bodies(), wishes())
def test_what_is_applied_is_there_and_what_is_restored_is_as_it_was(body: Object, wanted: list[Wish]) -> None:
    edits = [edit(body, wish) for wish in wanted]
    changed = patched(body, applying(body, edits))
    assert all(holds_ours(changed, each) for each in edits)
    for wish in wanted:
        assert read(changed, wish.path) == wish.value
    restored = patched(changed, restoring(changed, edits))
    assert all(holds_original(restored, each) for each in edits)
    assert restored == body, "to the last empty field"
    assert restoring(restored, edits) == []
    assert foreign(restored, edits) == []


@given(bodies(), wishes(), st.data())
def test_what_somebody_else_has_set_since_stays_and_is_told(
    body: Object, wanted: list[Wish], data: st.DataObject
) -> None:
    edits = [edit(body, wish) for wish in wanted]
    changed = patched(body, applying(body, edits))
    other = edit(changed, Wish(data.draw(st.sampled_from([wish.path for wish in wanted])), "somebody's"))
    theirs = patched(changed, applying(changed, [other]))
    restored = patched(theirs, restoring(theirs, edits))
    assert read(restored, other.path) == "somebody's"
    assert foreign(restored, edits) == [told(other.path)]


VERSION = [("/metadata/resourceVersion", "7")]
SPEC = [("/metadata/uid", "u"), ("/metadata/generation", 3)]


@pytest.mark.parametrize(
    ("generation", "paths", "tested"),
    [
        ({}, [("spec", "replicas")], VERSION),
        # Other clusters count the specs of pods as 0.
        ({"generation": 0}, [("spec", "replicas")], VERSION),
        ({"generation": 3}, [("spec", "replicas")], SPEC),
        ({"generation": 3}, [("spec", "replicas"), ("metadata", "labels", "a")], VERSION),
        ({"generation": 3}, [("webhooks",)], VERSION),
    ],
)
def test_a_patch_counts_for_what_was_read_alone(
    generation: dict[str, int], paths: list[tuple[str, ...]], tested: list[tuple[str, Any]]
) -> None:
    metadata = {"resourceVersion": "7", "uid": "u", "labels": {}, **generation}
    body = {"metadata": metadata, "spec": {"replicas": 3}, "webhooks": []}
    edits = [edit(body, Wish(path, 0)) for path in paths]
    done = applying(body, edits)
    assert [(each["path"], each["value"]) for each in done if each["op"] == "test"] == tested
    changed = patched(body, done)
    undone = restoring(changed, edits)
    assert [(each["path"], each["value"]) for each in undone if each["op"] == "test"] == tested
    assert restoring(patched(changed, undone), edits) == []


def test_an_item_is_found_by_name_though_the_list_has_changed() -> None:
    body = of(spec={"containers": [{"name": "app", "image": "a"}]})
    edits = [edit(body, Wish(("spec", "containers", "[name=app]", "image"), "broken"))]
    changed = patched(body, applying(body, edits))
    changed["spec"]["containers"].insert(0, {"name": "sidecar", "image": "b"})
    restored = patched(changed, restoring(changed, edits))
    assert restored["spec"]["containers"] == [{"name": "sidecar", "image": "b"}, {"name": "app", "image": "a"}]


def test_an_item_that_is_added_goes_again_and_no_other() -> None:
    body = of(spec={})
    edits = [edit(body, Wish(("spec", "taints", "[key=k]"), {"key": "k", "effect": "NoSchedule"}))]
    changed = patched(body, applying(body, edits))
    changed["spec"]["taints"].append({"key": "other", "effect": "NoExecute"})
    assert patched(changed, restoring(changed, edits))["spec"]["taints"] == [{"key": "other", "effect": "NoExecute"}]


def test_what_was_made_to_hold_a_value_goes_with_it_unless_others_use_it() -> None:
    body = of(spec={})
    path = ("spec", "affinity", "podAntiAffinity", "required")
    edits = [edit(body, Wish(path, ["term"]))]
    changed = patched(body, applying(body, edits))
    assert patched(changed, restoring(changed, edits)) == body
    changed["spec"]["affinity"]["nodeAffinity"] = {"required": ["theirs"]}
    left = patched(changed, restoring(changed, edits))
    assert left["spec"] == {"affinity": {"nodeAffinity": {"required": ["theirs"]}}}


def test_what_was_removed_comes_back() -> None:
    body = of(data={"limit": "5"})
    edits = [edit(body, Wish(("data", "limit"), ABSENT))]
    changed = patched(body, applying(body, edits))
    assert changed["data"] == {}
    assert patched(changed, restoring(changed, edits))["data"] == {"limit": "5"}


def test_a_container_that_somebody_took_away_is_neither_put_back_nor_a_residue() -> None:
    body = of(spec={"containers": [{"name": "app", "image": "a"}, {"name": "b", "image": "b"}]})
    edits = [edit(body, Wish(("spec", "containers", "[name=app]", "image"), "broken"))]
    gone = of(spec={"containers": [{"name": "b", "image": "b"}]})
    assert restoring(gone, edits) == []
    assert foreign(gone, edits) == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (("spec", "replicas", "x"), "spec.replicas is no object"),
        (("spec", "[name=a]"), "spec is no list"),
        (("list", "[name=a]", "image"), r"there is no list\[name=a\]"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(path: tuple[str, ...], says: str) -> None:
    body = of(spec={"replicas": 3}, list=[{"name": "b"}])
    with pytest.raises(NoSuchPlace, match=says):
        applying(body, [edit(body, Wish(path, 1))])


def test_the_body_that_was_read_stays_as_it_is() -> None:
    body = of(spec={"a": {"x": 1}})
    before = copy.deepcopy(body)
    applying(body, [edit(body, Wish(("spec", "a", "x"), 2)), edit(body, Wish(("spec", "n", "y"), 2))])
    assert body == before
