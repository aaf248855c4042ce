"""What the hub lists against what its watches deliver: lost events are made up for, a dead watch is told."""

from typing import Any

import pytest

from firedrill.clusters import resync as module
from firedrill.clusters.cache import Key
from firedrill.clusters.errors import Unreachable
from firedrill.clusters.queue import WorkQueue
from firedrill.clusters.resync import HubWatch
from support.clock import Clock

Object = dict[str, Any]
SILENCE = 75.0
KEY = Key("DriftCheck", "team", "a")


class Hub:
    """What the hub lists, by plural."""

    def __init__(self) -> None:
        self.items: dict[str, list[Object]] = {}
        self.reachable = True

    def put(self, plural: str, name: str, uid: str, version: int) -> None:
        meta = {"namespace": "team", "name": name, "uid": uid, "resourceVersion": str(version)}
        others = [item for item in self.items.get(plural, []) if item["metadata"]["uid"] != uid]
        self.items[plural] = [*others, {"metadata": meta}]

    async def get(self, path: str, params: Object) -> Object:
        if not self.reachable:
            raise Unreachable("refused")
        found = self.items.get(path.rsplit("/", 1)[-1], [])
        first = int(params.get("continue", 0))
        page = {"items": found[first : first + 2], "metadata": {}}
        if len(found) > first + 2:
            page["metadata"] = {"continue": str(first + 2)}
        return page


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


class World:
    """The watch with all that it feeds."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.queue: WorkQueue[Key] = WorkQueue()
        self.targets: WorkQueue[str] = WorkQueue()
        self.watch = HubWatch(self.hub, "ns", self.queue, None, self.targets, SILENCE)  # type: ignore[arg-type]

    async def look(self, *, everything: bool = False) -> tuple[set[Any], set[Any]]:
        """One look; what it puts on the queues."""
        await self.watch._look(everything=everything)
        found = set(self.queue._ready), set(self.targets._ready)
        self.queue._ready.clear()
        self.targets._ready.clear()
        return found


@pytest.fixture
def world(clock: Clock) -> World:
    return World()


async def test_what_was_delivered_is_no_news(world: World) -> None:
    world.hub.put("driftchecks", "a", "u", 5)
    world.watch.delivered(KEY, "u", "5")
    assert await world.look() == (set(), set())


async def test_what_was_not_delivered_is_put_on_the_queue(world: World) -> None:
    for number in range(5):
        world.hub.put("driftchecks", f"a{number}", f"u{number}", 5)
    world.hub.put("targetclusters", "t", "v", 5)
    assert await world.look() == ({Key("DriftCheck", "team", f"a{n}") for n in range(5)}, {"t"})


async def test_everything_means_everything(world: World) -> None:
    world.hub.put("driftchecks", "a", "u", 5)
    world.watch.delivered(KEY, "u", "5")
    assert await world.look(everything=True) == ({KEY}, set())


async def test_a_deletion_that_was_missed_is_looked_at_once(world: World) -> None:
    world.watch.delivered(KEY, "u", "5")
    world.watch.delivered("t", "v", "6")
    assert await world.look() == ({KEY}, {"t"})
    assert await world.look() == (set(), set())


async def test_a_watch_that_delivers_nothing_is_dead_after_a_while(world: World, clock: Clock) -> None:
    world.watch.delivered(KEY, "u", "5")
    world.hub.put("driftchecks", "a", "u", 9)
    await world.look()
    clock.now += SILENCE * 0.7
    assert world.watch.problem() == ""
    clock.now += SILENCE * 0.2
    assert "has not delivered DriftCheck a" in world.watch.problem()
    world.watch.delivered(KEY, "u", "9")
    assert world.watch.problem() == ""


async def test_a_watch_that_has_delivered_something_later_is_alive(world: World, clock: Clock) -> None:
    world.hub.put("driftchecks", "a", "u", 9)
    await world.look()
    clock.now += SILENCE
    assert world.watch.problem()
    world.watch.delivered(Key("ChaosExperiment", "team", "x"), "w", "20")
    assert world.watch.problem(), "that is another watch"
    world.watch.delivered(Key("DriftCheck", "team", "b"), "v", "12")
    assert world.watch.problem() == ""


async def test_what_is_gone_is_not_waited_for(world: World, clock: Clock) -> None:
    world.hub.put("driftchecks", "a", "u", 9)
    await world.look()
    clock.now += SILENCE
    assert world.watch.problem()
    world.hub.items.clear()
    await world.look()
    assert world.watch.problem() == ""


async def test_a_hub_that_answers_no_list_is_told(world: World, clock: Clock) -> None:
    clock.now += 121
    assert "has not answered a list" in world.watch.problem()
