"""Stamps of admission: who asked, for what, and that nobody else can say so."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.core.actions import EnsureRun
from firedrill.core.observed import Observed
from firedrill.core.refusal import refusal
from firedrill.core.requester import EVERY, Requester, content, requester, stamp
from firedrill.core.step import step
from support.seen import T0, resource, view, written

KEY, OTHER = b"k" * 32, b"o" * 32
ANNOTATION = "firedrill.dev/requested-by"
SPEC: dict[str, Any] = {"clusters": {"names": ["finance"]}, "duration": "5s"}


def stamped(spec: dict[str, Any], annotations: dict[str, str], *, key: bytes = KEY, **told: Any) -> dict[str, str]:
    who = {"user": "ann", "clusters": ["finance"], "kind": "ChaosExperiment", "namespace": "team", **told}
    made = stamp(key, who["kind"], who["namespace"], content(spec, annotations), who["user"], who["clusters"])
    return {**annotations, ANNOTATION: made}


def read(spec: dict[str, Any], annotations: dict[str, str]) -> Requester | None:
    return requester(KEY, "ChaosExperiment", "team", spec, annotations)


def test_a_stamp_tells_who_asked_and_where_they_may() -> None:
    found = read(SPEC, stamped(SPEC, {"firedrill.dev/run-at": "1"}))
    assert found == Requester("ann", ("finance",))
    assert (found.may_use("finance"), found.may_use("iot")) == (True, False)
    assert Requester("ann", (EVERY,)).may_use("iot")


def test_annotations_that_start_nothing_do_not_matter() -> None:
    assert read(SPEC, {**stamped(SPEC, {}), "team": "payments"}) is not None


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {ANNOTATION: ""},
        {ANNOTATION: "ann"},
        {ANNOTATION: "[]"},
        {ANNOTATION: '{"user": "ann"}'},
        {ANNOTATION: '{"user": "ann", "clusters": ["finance"], "seal": "00"}'},
        stamped(SPEC, {}, key=OTHER),
        stamped({**SPEC, "duration": "9s"}, {}),
        stamped(SPEC, {}, kind="AutoFix"),
        stamped(SPEC, {}, namespace="others"),
        {**stamped(SPEC, {}), "firedrill.dev/run-at": "2"},
        {**stamped(SPEC, {"firedrill.dev/run-at": "1"}), "firedrill.dev/run-at": "2"},
    ],
)
def test_what_is_no_stamp(annotations: dict[str, str]) -> None:
    assert read(SPEC, annotations) is None


texts = st.text(max_size=5)
specs = st.dictionaries(texts, st.one_of(texts, st.integers(), st.lists(texts, max_size=2)), max_size=3)


@given(specs, specs, texts, texts)
def test_a_stamp_holds_for_just_what_it_was_made_for(
    one: dict[str, Any], other: dict[str, Any], run_at: str, later: str
) -> None:
    annotations = stamped(one, {"firedrill.dev/run-at": run_at})
    found = read(other, {**annotations, "firedrill.dev/run-at": later})
    assert (found is not None) == (one == other and run_at == later)


@given(st.sampled_from(["user", "clusters", "seal"]), texts)
def test_no_part_of_a_stamp_can_be_changed(part: str, value: str) -> None:
    told = json.loads(stamped(SPEC, {})[ANNOTATION])
    changed = {**told, part: [value] if part == "clusters" else value}
    assert (read(SPEC, {ANNOTATION: json.dumps(changed)}) is not None) == (changed == told)


# -- what the operator makes of it ---------------------------------------------------------------------------------

ANN = Requester("ann", ("finance",))


@pytest.mark.parametrize(
    ("policy", "who", "words"),
    [
        ({}, None, ""),
        ({}, ANN, ""),
        ({}, Requester("ann", ("iot",)), "user ann was not seen to have the verb inject on TargetCluster finance"),
        ({"requireRequester": True}, ANN, ""),
        ({"requireRequester": True}, Requester("ann", (EVERY,)), ""),
        ({"requireRequester": True}, None, "spec.policy.requireRequester"),
    ],
)
def test_what_is_refused(policy: dict[str, Any], who: Requester | None, words: str) -> None:
    found = refusal(resource(), view(policy=policy), T0, who)
    assert bool(found) == bool(words)
    assert words in (found.message if found else "")


def test_status_tells_who_asked() -> None:
    decision = step(Observed(resource(), {"finance": view()}, "", ANN), T0)
    status = written(decision)
    assert status is not None
    assert status.last_run is not None
    assert status.last_run.requested_by == "ann"


def test_a_run_that_nobody_is_known_to_have_asked_for_is_not_begun() -> None:
    there = {"finance": view(policy={"requireRequester": True})}
    first = step(Observed(resource(), there), T0)
    begun = written(first)
    assert begun is not None
    assert begun.clusters[0].job == ""
    second = step(Observed(resource(status=begun), there), T0)
    ended = written(second)
    assert ended is not None
    assert (ended.clusters[0].verdict, ended.clusters[0].reason) == ("Inconclusive", "NotPermitted")
    assert not [each for each in second.actions if isinstance(each, EnsureRun)]
