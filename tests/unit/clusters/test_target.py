"""A target whose parts break off in a way that nobody foresaw counts as out of reach, and is tried again."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from firedrill.clusters import target as module
from firedrill.clusters.cache import Key
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ClusterError, Forbidden
from firedrill.clusters.target import TargetWatch
from support.seen import target
from support.wire import KEY, run_object

Object = dict[str, Any]


class Server(KubeClient):
    """Answers, or raises what it is told to."""

    def __init__(self, raises: Exception | None = None, at: str = "") -> None:
        self.cluster = "finance"
        self.raises, self.at = raises, at
        self.uid = "cluster-1"
        self.jobs: list[Object] = []
        self.selected: dict[str, set[str]] = defaultdict(set)

    async def get(self, path: str, params: Any = None) -> Object:
        self.selected[path.rpartition("/")[2]].add((params or {}).get("labelSelector", ""))
        if self.raises is not None and path.endswith(self.at):
            raise self.raises
        if path == "/version":
            return {"gitVersion": "v1"}
        items = self.jobs if path.endswith("/jobs") else []
        return {"metadata": {"resourceVersion": "1", "uid": self.uid}, "items": items}

    async def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        return {"status": {"allowed": True}}

    def watch(self, path: str, params: object, *, silence: float) -> Any:
        return Never()

    async def close(self) -> None:
        """Nothing to close."""


class Never:
    """A watch without events."""

    async def __aenter__(self) -> "Never":
        await asyncio.sleep(3600)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to leave."""


def watch(
    server: Server, changed: asyncio.Event | None = None, on_key: Callable[[Key], None] = lambda _: None
) -> TargetWatch:
    on_change = changed.set if changed else lambda: None
    return TargetWatch(target(), server, on_key=on_key, on_change=on_change)


@pytest.mark.parametrize("at", ["/version", "/jobs", "/configmaps"])
async def test_a_part_that_breaks_off_makes_it_unreachable_until_it_is_back(
    at: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_PROBE_EVERY", 0.01)
    server, changed = Server(ValueError("nobody foresaw this"), at), asyncio.Event()
    followed = watch(server, changed)
    followed.start()
    try:
        await asyncio.wait_for(followed.looked.wait(), 5)
        assert not followed.view("u").reachable
        assert "nobody foresaw this" in followed.view("u").message
        assert "broke off" in caplog.text
        server.raises = None
        async with asyncio.timeout(5):
            while not followed.view("u").reachable:
                changed.clear()
                await changed.wait()
        assert followed.view("u").cluster_uid == "cluster-1"
    finally:
        await followed.close()


@pytest.mark.parametrize("last", ["/version", "/jobs", "/configmaps"])
async def test_what_it_holds_is_looked_at_once_it_is_back_whatever_part_comes_back_last(
    last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resource that was deleted meanwhile has nobody else who would look at what it left there."""
    monkeypatch.setattr(module, "_PROBE_EVERY", 0.01)
    server, changed = Server(), asyncio.Event()
    server.jobs = [run_object("runner")]
    seen_reachable: list[bool] = []
    followed = watch(server, changed, lambda key: seen_reachable.append(key == KEY and followed.view("u1").reachable))
    server.raises, server.at = ClusterError("out of reach"), last
    followed.start()
    try:
        await asyncio.wait_for(followed.looked.wait(), 5)
        assert True not in seen_reachable
        server.raises = None
        async with asyncio.timeout(5):
            while not followed.view("u1").reachable:
                changed.clear()
                await changed.wait()
        assert seen_reachable[-1] is True
    finally:
        await followed.close()


async def test_a_target_that_does_not_tell_which_cluster_it_is_is_unreachable() -> None:
    followed = watch(Server(Forbidden(403, "Forbidden", "no"), "/kube-system"))
    followed.start()
    try:
        await asyncio.wait_for(followed.looked.wait(), 5)
        assert not followed.view("u").reachable
        assert "may not get namespace kube-system" in followed.view("u").message
    finally:
        await followed.close()


async def test_an_address_that_leads_to_another_cluster_by_now_is_noticed_before_anything_is_written_there() -> None:
    server = Server()
    followed = watch(server)
    followed.start()
    try:
        await asyncio.wait_for(followed.looked.wait(), 5)
        assert followed.view("u").reachable
        await followed.verify()
        server.uid = "cluster-2"
        with pytest.raises(ClusterError, match="another cluster now"):
            await followed.verify()
        assert followed.moved
        assert not followed.view("u").reachable
    finally:
        await followed.close()


async def test_what_workers_leave_to_each_other_is_never_asked_for() -> None:
    """It is up to a megabyte for each worker of each run, and the operator has no use for it."""
    server = Server()
    followed = watch(server)
    followed.start()
    try:
        await asyncio.wait_for(followed.looked.wait(), 5)
        await followed.confirm(KEY, "u1", "dri-check-1")
    finally:
        await followed.close()
    runs = "firedrill.dev/role in (runner,guardian)"
    left = "firedrill.dev/role in (task,result,record,state,reaction)"
    assert server.selected["jobs"] == {f"firedrill.dev/managed=true,{runs}", f"firedrill.dev/uid=u1,{runs}"}
    assert server.selected["configmaps"] == {f"firedrill.dev/managed=true,{left}", f"firedrill.dev/uid=u1,{left}"}
