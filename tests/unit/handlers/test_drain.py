"""Before the operator goes: the hub is halted, and waited for until nothing needs the operator any more."""

from datetime import timedelta
from typing import Any

import pytest

from firedrill.api.meta import FINALIZER
from firedrill.clusters.errors import Conflict, NotFound
from firedrill.handlers import drain
from firedrill.handlers.drain import Drain, Held, held, report

Object = dict[str, Any]
NAMESPACE = "firedrill-system"
LONG = timedelta(seconds=30)


def resource(name: str, *, finalizer: bool = True, over: bool = False) -> Object:
    meta: Object = {"namespace": "reliability", "name": name}
    if finalizer:
        meta["finalizers"] = ["somebody.else/theirs", FINALIZER]
    run = {"id": "r1", "startedAt": "2026-07-01T12:00:00Z"} | ({"finishedAt": "2026-07-01T12:01:00Z"} if over else {})
    return {"metadata": meta, "status": {"lastRun": run}}


class Hub:
    """A hub whose resources are those of each look in turn; the last look stays."""

    def __init__(self, *looks: dict[str, list[Object]], halted: bool = False, without: str = "") -> None:
        self.looks = list(looks)
        self.halted = halted
        self.without = without
        self.seen_halted: list[bool] = []

    async def get(self, path: str) -> Object:
        plural = path.rsplit("/", 1)[1]
        if plural == self.without:
            raise NotFound(404, "NotFound", "no such resource")
        self.seen_halted.append(self.halted)
        now = self.looks[0]
        if plural == "chaosexperiments" and len(self.looks) > 1:
            now = self.looks.pop(0)
        return {"items": now.get(plural, [])}

    async def create(self, path: str, body: Object) -> Object:
        assert path == f"/api/v1/namespaces/{NAMESPACE}/configmaps"
        if self.halted:
            raise Conflict(409, "AlreadyExists", "it exists")
        self.halted = True
        return body

    async def delete(self, path: str) -> Object:
        assert path == f"/api/v1/namespaces/{NAMESPACE}/configmaps/firedrill-halt"
        self.halted = False
        return {}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_POLL_SECONDS", 0.001)


async def test_nothing_is_left() -> None:
    hub = Hub({"chaosexperiments": [resource("idle", finalizer=False)]})
    assert await Drain(hub, NAMESPACE).run(LONG) == []
    assert all(hub.seen_halted)
    assert not hub.halted


async def test_what_goes_on_is_waited_for_under_a_halt() -> None:
    running = {"chaosexperiments": [resource("loss")], "autofixes": [resource("fix")]}
    hub = Hub(running, running, {"autofixes": [resource("fix")]}, {})
    assert await Drain(hub, NAMESPACE).run(LONG) == []
    assert all(hub.seen_halted)
    assert len(hub.seen_halted) > 6
    assert not hub.halted


async def test_a_halt_of_somebody_else_stays() -> None:
    hub = Hub({}, halted=True)
    assert await Drain(hub, NAMESPACE).run(LONG) == []
    assert hub.halted


async def test_what_is_not_undone_in_time_is_named_and_the_halt_is_taken_back() -> None:
    hub = Hub({"chaosexperiments": [resource("stuck", over=True), resource("slow")]})
    left = await Drain(hub, NAMESPACE).run(timedelta(seconds=0.01))
    assert [each.key for each in left] == ["reliability/stuck", "reliability/slow"]
    assert not hub.halted


async def test_what_stands_is_not_waited_for() -> None:
    hub = Hub({"simulations": [resource("bank", over=True)]})
    left = await Drain(hub, NAMESPACE).run(timedelta(hours=1))
    assert left == [Held("Simulation", "reliability/bank", over=True, stands=True)]


async def test_a_kind_without_its_crd_holds_nothing() -> None:
    hub = Hub({"chaosexperiments": []}, without="simulations")
    assert await Drain(hub, NAMESPACE).run(LONG) == []


@pytest.mark.parametrize(
    ("kind", "body", "advice"),
    [
        ("ChaosExperiment", resource("a"), "being ended"),
        ("ChaosExperiment", resource("a", over=True), "firedrill.dev/settled"),
        ("Simulation", resource("a", over=True), "delete it first"),
    ],
)
def test_what_a_person_is_told(kind: str, body: Object, advice: str) -> None:
    found = held(kind, body)
    assert found is not None
    assert advice in report([found])
    assert f"{kind} reliability/a" in report([found])


def test_many_are_counted() -> None:
    found = held("ChaosExperiment", resource("a"))
    assert found is not None
    assert report([found] * 25).endswith("and 15 more")
