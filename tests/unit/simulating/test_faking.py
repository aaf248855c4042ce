"""Faked nodes in a target: made, fewer, not taken from others, and gone with their right."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from firedrill.api.errors import InvalidInput
from firedrill.api.targetcluster import TargetPolicy
from firedrill.api.task import Task
from firedrill.api.verdict import Verdict
from firedrill.clusters.errors import NotFound
from firedrill.runner.context import RunContext
from firedrill.runner.simulating import faking, place, removing

Object = dict[str, Any]
NODES = "/api/v1/nodes"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
NAMESPACES = "/api/v1/namespaces"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Time:
    """A clock that runs when somebody waits."""

    def __init__(self) -> None:
        self.at = BEGAN

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Store:
    """An API server that keeps objects by path; ``stuck`` ones stay when they are deleted."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.stuck: set[str] = set()
        self.deleted: list[str] = []

    async def get(self, path: str, params: Any = None) -> Object:
        if params is None and path in self.objects:
            return self.objects[path]
        if params is None:
            raise NotFound(404, "NotFound", path)
        key, _, value = params["labelSelector"].split(",")[0].partition("=")
        found = [made for at, made in self.objects.items() if at.rpartition("/")[0] == path]
        return {"items": [made for made in found if (made["metadata"].get("labels") or {}).get(key) == value]}

    async def patch(self, path: str, body: Object, **_: Any) -> Object:
        known = self.objects.setdefault(path, {"metadata": {}})
        annotations = {**known["metadata"].get("annotations", {}), **body["metadata"].get("annotations", {})}
        kept = {name: value for name, value in annotations.items() if value is not None}
        known.update({**body, "metadata": {**known["metadata"], **body["metadata"], "annotations": kept}})
        return known

    async def delete(self, path: str, **_: Any) -> Object:
        if path not in self.objects:
            raise NotFound(404, "NotFound", path)
        self.deleted.append(path)
        if path not in self.stuck:
            del self.objects[path]
        return {}

    def nodes(self) -> list[str]:
        return sorted(path.removeprefix(f"{NODES}/") for path in self.objects if path.startswith(NODES))


@pytest.fixture
def store() -> Store:
    made = Store()
    meta = {"name": "bank", "uid": "n-1", "labels": {place.LABEL_SIMULATION: "sim-1"}}
    made.objects[f"{NAMESPACES}/bank"] = {"metadata": meta}
    return made


def context(store: Store) -> RunContext:
    task = Task(
        kind="Simulation", namespace="reliability", name="bank", uid="sim-1", run_id="1", cluster="finance",
        runner_namespace="firedrill", job="job", job_uid="j", started_at=BEGAN, deadline=BEGAN + timedelta(minutes=5),
        image="runner", policy=TargetPolicy(), spec={},
    )  # fmt: skip
    none = cast(Any, None)
    return RunContext(task, cast(Any, store), none, cast(Any, Time()), none, none)


async def stand(store: Store, count: int) -> None:
    await faking.stand(context(store), store.objects[f"{NAMESPACES}/bank"], count)


async def test_nodes_and_the_right_to_keep_them_up_belong_to_the_namespace(store: Store) -> None:
    await stand(store, 2)
    assert store.nodes() == ["bank-faked-000", "bank-faked-001"]
    outside = [made for path, made in store.objects.items() if not path.startswith(NAMESPACES)]
    assert len(outside) == 3
    for made in outside:
        (owner,) = made["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("Namespace", "n-1")
        assert made["metadata"]["labels"][place.LABEL_SIMULATION] == "sim-1"


async def test_fewer_nodes_take_the_others_away_and_none_takes_all(store: Store) -> None:
    await stand(store, 3)
    await stand(store, 1)
    assert store.nodes() == ["bank-faked-000"]
    await stand(store, 0)
    assert store.nodes() == []
    assert not [path for path in store.objects if path.startswith(BINDINGS)]


async def test_where_none_were_ever_made_nothing_outside_of_the_namespace_is_touched(store: Store) -> None:
    await stand(store, 0)
    assert store.deleted == []
    assert list(store.objects) == [f"{NAMESPACES}/bank"]


async def test_a_node_of_somebody_else_is_not_taken(store: Store) -> None:
    store.objects[f"{NODES}/bank-faked-001"] = {"metadata": {"name": "bank-faked-001"}}
    with pytest.raises(InvalidInput, match="node bank-faked-001 exists in finance"):
        await stand(store, 2)
    await faking.withdraw(context(store))
    assert store.nodes() == ["bank-faked-001"]


async def test_removal_leaves_no_node_and_no_right(store: Store) -> None:
    await stand(store, 2)
    found = await removing.remove(context(store))
    assert (found.verdict, found.reason) == (Verdict.PASSED, "Removed")
    assert store.objects == {}
    assert store.deleted[-1] == f"{NAMESPACES}/bank"


async def test_a_node_that_stays_is_told(store: Store) -> None:
    await stand(store, 2)
    store.stuck.add(f"{NODES}/bank-faked-001")
    found = await removing.remove(context(store))
    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "NotGone")
    assert "node bank-faked-001" in found.message
    assert {m.name: m.passed for m in found.measurements} == {"namespaces left": True, "faked nodes left": False}
