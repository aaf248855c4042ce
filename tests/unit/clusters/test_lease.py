"""The lease: taken when it is free or expired by our own clock, given up before it expires."""

from collections.abc import Callable
from typing import Any

import pytest

from firedrill.clusters import lease as module
from firedrill.clusters.errors import ApiError, Conflict, NotFound, Unreachable
from firedrill.clusters.lease import DURATION, RENEW_EVERY, SAFE, Lease, LeaseLost
from support.clock import Clock

Object = dict[str, Any]


class Server:
    """The Lease as an API server keeps it; ``fails`` is raised instead of an answer."""

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.fails: Exception | None = None
        self.version = 0
        self.before_replace: Callable[[], None] = lambda: None

    def hold(self, holder: str) -> None:
        """Somebody else writes."""
        self.version += 1
        metadata = {"name": "l", "resourceVersion": str(self.version)}
        self.lease = {"metadata": metadata, "spec": {"holderIdentity": holder, "leaseTransitions": 3}}

    async def get(self, path: str) -> Object:
        if self.fails:
            raise self.fails
        if self.lease is None:
            raise NotFound(404, "NotFound", path)
        return {**self.lease, "spec": dict(self.lease["spec"])}

    async def create(self, path: str, body: Object) -> Object:
        self.hold("")
        return await self.get(path)

    async def replace(self, path: str, body: Object) -> Object:
        self.before_replace()
        assert self.lease is not None
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise Conflict(409, "Conflict", "changed")
        self.version += 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return self.lease


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def mine(server: Server, clock: Clock) -> Lease:
    return Lease(server, "ns", "l", "me")  # type: ignore[arg-type]


def holder(server: Server) -> str:
    assert server.lease is not None
    return str(server.lease["spec"]["holderIdentity"])


async def tries(lease: Lease) -> bool:
    return await lease._try()


def test_the_times_leave_room() -> None:
    assert RENEW_EVERY * 2 < SAFE < DURATION


async def test_nobody_has_it_at_first(mine: Lease, server: Server) -> None:
    assert not mine.held
    with pytest.raises(LeaseLost):
        mine.check()
    assert await tries(mine)
    assert holder(server) == "me"
    assert mine.held
    mine.check()


@pytest.mark.parametrize(("before", "got"), [("", True), ("me", True), ("other", False)])
async def test_who_had_it_before(before: str, got: bool, mine: Lease, server: Server) -> None:
    server.hold(before)
    assert await tries(mine) is got
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == (4 if before == "" else 3)


async def test_another_is_given_its_time_by_our_own_clock(mine: Lease, server: Server, clock: Clock) -> None:
    server.hold("other")
    assert not await tries(mine)
    clock.now += DURATION
    assert not await tries(mine), "its time is just over, not past"
    server.hold("other")
    clock.now += 1
    assert not await tries(mine), "it has renewed: its time begins anew"
    clock.now += DURATION + 0.1
    assert await tries(mine)
    assert holder(server) == "me"


async def test_of_two_that_take_it_at_once_one_gets_it(mine: Lease, server: Server) -> None:
    server.hold("")
    server.before_replace = lambda: server.hold("other")
    assert not await tries(mine)
    assert holder(server) == "other"
    assert not mine.held


@pytest.mark.parametrize("error", [Unreachable("refused"), ApiError(500, "InternalError", "x")])
async def test_it_is_given_up_before_it_expires(error: Exception, mine: Lease, server: Server, clock: Clock) -> None:
    assert await tries(mine)
    server.fails = error
    clock.now += SAFE - 0.1
    assert not await tries(mine)
    mine.check()
    clock.now += 0.2
    assert not mine.held
    with pytest.raises(LeaseLost):
        mine.check()


async def test_a_renewal_counts_from_before_it_was_asked_for(mine: Lease, server: Server, clock: Clock) -> None:
    def slow() -> None:
        clock.now += SAFE + 1

    server.before_replace = slow
    assert await tries(mine)
    assert not mine.held, "the server may have counted from the moment of the request"


async def test_it_is_handed_on_at_the_end(mine: Lease, server: Server) -> None:
    await tries(mine)
    await mine.release()
    assert holder(server) == ""
    assert not mine.held


async def test_what_is_not_ours_any_more_is_not_handed_on(mine: Lease, server: Server) -> None:
    await tries(mine)
    server.hold("other")
    await mine.release()
    assert holder(server) == "other"
