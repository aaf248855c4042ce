"""A workload as the API server gives it: which template it has, and whether that has been rolled out."""

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.rollout import WorkloadKind
from firedrill.core.workload import Sight, sight_of
from support.seen import T0
from support.workloads import Object, deployment, workload


def see(body: Object) -> Sight:
    return sight_of(WorkloadKind(body["kind"]), body, T0)


def merged(body: Object, change: Object) -> Object:
    """The body with the leaves of a change put in; None takes one away."""
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(body.get(key), dict):
            merged(body[key], value)
        else:
            body[key] = value
    return body


@dataclass
class Row:
    """What a workload says, and what is seen."""

    name: str
    complete: bool
    current: bool = True
    kind: str = "Deployment"
    change: dict[str, Any] = field(default_factory=dict)


ROWS = [
    Row("all of it is new and available", True),
    Row("of a StatefulSet", True, kind="StatefulSet"),
    Row("of a DaemonSet", True, kind="DaemonSet"),
    Row("nobody has looked at the change yet", False, current=False, change={"metadata": {"generation": 9}}),
    Row("no controller has ever looked", False, current=False, change={"status": {"observedGeneration": None}}),
    Row("some pods are of the old template", False, change={"status": {"updatedReplicas": 1}}),
    Row("pods of the old template go on beside", False, change={"status": {"replicas": 3}}),
    Row("a pod is not available", False, change={"status": {"availableReplicas": 1}}),
    Row("it grows", False, change={"spec": {"replicas": 4}}),
    Row("it is paused, which says nothing of the template", False, change={"spec": {"paused": True}}),
    Row("it is scaled to nothing, so nothing was rolled out", False,
        change={"spec": {"replicas": 0}, "status": {"replicas": 0, "updatedReplicas": 0, "availableReplicas": 0}}),
    Row("a partition holds some back", False, kind="StatefulSet", change={"status": {"updatedReplicas": 1}}),
    Row("on one node it is old", False, kind="DaemonSet", change={"status": {"updatedNumberScheduled": 1}}),
    Row("on one node it is away", False, kind="DaemonSet", change={"status": {"numberAvailable": 1}}),
    Row("no node is meant", False, kind="DaemonSet", change={"status": {
        "desiredNumberScheduled": 0, "updatedNumberScheduled": 0, "numberAvailable": 0}}),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_when_it_is_rolled_out(row: Row) -> None:
    body = merged(workload(row.kind), row.change)
    if row.change.get("status", {}).get("observedGeneration", "") is None:
        del body["status"]["observedGeneration"]
    found = see(body)
    assert (found.complete, found.current) == (row.complete, row.current)


def test_a_deployment_without_a_number_of_replicas_has_one() -> None:
    body = deployment()
    del body["spec"]["replicas"]
    body["status"] |= {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    assert see(body).complete


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"replicas": 5}, "metadata": {"generation": 4}},
        {"metadata": {"labels": {"a": "b"}, "annotations": {"argocd.argoproj.io/tracking-id": "x"}}},
        {"spec": {"strategy": {"type": "Recreate"}}},
        {"spec": {"template": {"metadata": {"creationTimestamp": None}}}},
    ],
    ids=["scaled", "tracked", "another strategy", "a field that one API server leaves out"],
)
def test_what_is_no_other_template(change: Object) -> None:
    before, after = see(deployment()), see(merged(deployment(), change))
    assert (after.template, after.revision) == (before.template, before.revision)


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"containers": [{"name": "app", "image": "v2"}]}},
        {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}},
        {"metadata": {"labels": {"version": "2"}}},
    ],
    ids=["image", "restarted", "label"],
)
def test_what_is_another_template(change: Object) -> None:
    assert see(merged(deployment(), {"spec": {"template": change}})).template != see(deployment()).template


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_what_its_controller_calls_it(kind: str) -> None:
    one, two = see(workload(kind, number=1)), see(workload(kind, number=2))
    assert one.revision != two.revision
    assert see(workload(kind, number=1, uid="created anew")).revision != one.revision
    nameless = workload(kind)
    nameless["metadata"]["annotations"] = {}
    nameless["status"].pop("updateRevision", None)
    assert see(nameless).revision == ""


def test_a_fault_of_ours_is_known_by_its_mark() -> None:
    marked = deployment()
    marked["spec"]["template"]["metadata"]["annotations"] = {"firedrill.dev/run": "abc"}
    assert (see(marked).faulted, see(deployment()).faulted) == ("abc", "")


@given(st.dictionaries(st.sampled_from("abc"), st.none() | st.integers() | st.lists(st.none() | st.integers())))
def test_the_order_of_fields_and_what_is_null_do_not_matter(extra: Object) -> None:
    one, two = deployment(), deployment()
    one["spec"]["template"]["spec"] |= extra
    two["spec"]["template"]["spec"] = dict(reversed([*one["spec"]["template"]["spec"].items(), ("nothing", None)]))
    assert see(copy.deepcopy(one)).template == see(two).template
