"""The operator is killed at every write of a life, before it is done and after: what is promised holds all the same.

A life is lived once to learn which writes it has. Then, for each of them, a fresh resource lives the same life, and
the operator gets SIGKILL when the write comes: before the API server hears of it, or after it was done and before the
operator hears the answer. A new process takes over, as the kubelet would start it. After all has settled:

- one Job of the runner and one of the guardian for (uid, run, cluster), ever;
- the run was carried out exactly once, and no fault is left;
- the verdict is the same as that of a life without a kill, once in the history, and Complete is True;
- after the deletion nothing is left, neither finalizer nor objects in the target, and nothing more is written.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from firedrill.api.record import RecordState
from firedrill.api.task import Task

from support import builders
from support.eventually import eventually, never
from support.faultproxy import Call, Write
from support.kube import Object
from support.operator_process import OperatorProcess
from support.stand_in import counted
from support.subject import Subject
from support.world import World

pytestmark = pytest.mark.integration

DOCS = Path(__file__).resolve().parents[2] / "docs" / "kill-at-every-write.md"
#: Seconds after the end in which nothing may be written any more.
_QUIET = 0.6


@dataclass(frozen=True)
class Life:
    """What is done to a resource, and how it has to end."""

    name: str
    body: Object
    passed: tuple[str, str]
    complete: str
    delete_in: RecordState | None = None

    @property
    def mutates(self) -> bool:
        """Whether the kind changes its target."""
        return bool(self.body["kind"] == "ChaosExperiment")


LIVES = [
    Life("ChaosExperiment: create, run, verdict, delete", builders.chaos(), ("True", "Passed"), "Finished"),
    Life(
        "ChaosExperiment: create, delete while the fault is on",
        builders.chaos(duration="20s"),
        ("Unknown", "Deleted"),
        "Deleted",
        delete_in=RecordState.APPLIED,
    ),
    Life("DriftCheck: create, run, verdict, delete", builders.drift(), ("True", "Passed"), "Finished"),
]


@dataclass(frozen=True)
class Point:
    """The n-th write of a label, and whether the kill comes before it or after."""

    cluster: str
    label: str
    number: int
    before: bool = True

    def __str__(self) -> str:
        return f"{self.cluster}: {self.label}" + (f" #{self.number + 1}" if self.number else "")


@dataclass
class Watcher:
    """What the test sees of a resource all the time, for what must never be."""

    subject: Subject
    world: World
    jobs: dict[str, set[str]] = field(default_factory=lambda: {"runner": set(), "guardian": set()})
    last: Object = field(default_factory=dict)

    def look(self) -> None:
        """Take note of Jobs by UID, and of the last status before the resource goes."""
        place = self.world.places["finance"]
        for role, seen in self.jobs.items():
            for job in self.subject.objects(place.cluster, place.namespace, "jobs", role):
                seen.add(job["metadata"]["uid"])
        found = self.subject.read()
        if found:
            self.last = found


class Lifetime:
    """Lives lives, one after the other, with one operator at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.operator: OperatorProcess = world.operator()
        self._shown = threading.Event()
        stand_in = world.places["finance"].stand_in
        stand_in.gate = self._gate
        self._subject: Subject | None = None

    async def _gate(self, task: Task, state: RecordState) -> None:
        """The fault stays on until status has told of it: else how many writes there are would be chance."""
        import asyncio

        if state is not RecordState.APPLIED:
            return
        subject = self._subject
        assert subject is not None
        for _ in range(600):
            found = await asyncio.to_thread(subject.read)
            if found is None or "deletionTimestamp" in found["metadata"]:
                return
            entries = found["status"].get("clusters") or []
            if any(f["type"] == "Injected" for entry in entries for f in entry.get("findings") or ()):
                return
            await asyncio.sleep(0.05)

    def live(self, life: Life, point: Point | None) -> list[Write]:
        """One life. Raises AssertionError where a promise does not hold; the writes of the life."""
        world = self.world
        if not self.operator.alive:
            self.operator.start()
        self.operator.wait_ready()
        world.until_reachable("finance")
        subject = self._subject = world.subject(life.body)
        faults = self._plan(subject, point) if point else []
        watcher = Watcher(subject, world)
        try:
            subject.create()
            self._until(life, watcher, lambda: self._may_delete(life, subject), "it may be deleted", faults)
            if life.delete_in is None:
                self._check_ended(life, subject)
            watcher.look()
            subject.delete()
            self._until(life, watcher, lambda: subject.read() is None, "it is gone", faults)
            self._until(life, watcher, lambda: not world.leftovers(subject), "nothing is left in targets", faults)
            self._until(life, watcher, lambda: not self._pending(faults), "the kill came", faults)
            self.operator.wait_ready()
            self._check_dead(life, watcher)
        finally:
            for proxy, fault in faults:
                proxy.remove(fault)
        return world.writes(subject.key)

    def _plan(self, subject: Subject, point: Point) -> list:
        proxy = next(p for p in self.world.proxies() if p.name == point.cluster)
        owner = subject.key
        seen: list[str] = []

        def matches(request) -> bool:
            if not request.mutating or request.label != point.label:
                return False
            return (request.owner or proxy.owner_of(request.job)) == owner

        fault = proxy.add(Call(self.operator.kill, point.before), matches, skip=point.number)
        return [(proxy, fault)]

    @staticmethod
    def _pending(faults: list) -> list:
        return [fault for _, fault in faults if not fault.hits]

    def _until(self, life: Life, watcher: Watcher, look: Callable[[], bool], what: str, faults: list) -> None:
        """Wait, watch, and start the operator again where it was killed, as the kubelet would."""

        def step() -> bool:
            if not self.operator.alive:
                assert not self._pending(faults), f"the operator ended by itself: {self.operator.tail()}"
                self.operator.wait()
                self.operator.start()
            watcher.look()
            return look()

        eventually(step, f"{life.name}: {what}", also=lambda: f"{watcher.last}\n{self.operator.tail()}")

    def _may_delete(self, life: Life, subject: Subject) -> bool:
        if life.delete_in is None:
            return subject.condition("Complete")[0] == "True" and not subject.finalized
        found = subject.read()
        entries = ((found or {}).get("status") or {}).get("clusters") or []
        return any(f["type"] == "Injected" for entry in entries for f in entry.get("findings") or ())

    @staticmethod
    def _check_ended(life: Life, subject: Subject) -> None:
        status = subject.status
        assert subject.condition("Passed") == life.passed
        assert subject.condition("Complete") == ("True", life.complete)
        assert len(status["history"]) == 1, status["history"]
        assert status["history"][0]["id"] == status["lastRun"]["id"]

    def _check_dead(self, life: Life, watcher: Watcher) -> None:
        world, subject = self.world, watcher.subject
        assert {role: len(seen) for role, seen in watcher.jobs.items()} == {"runner": 1, "guardian": int(life.mutates)}
        tallies = world.tallies(subject)
        assert len(tallies) == 1, f"more than one run: {tallies}"
        done = counted(tallies)
        assert done["injected"] == 1, done
        assert done["pods"] == 1, done
        if life.mutates:
            assert (done["claims"], done["undone"]) == (1, 1), done
        assert world.markers(subject) == []
        verdicts = watcher.last["status"]
        assert len(verdicts.get("history") or ()) == 1, verdicts
        before = len(world.writes(subject.key))
        never(lambda: len(world.writes(subject.key)) > before, "something is written after the end", during=_QUIET)


@pytest.fixture(scope="module")
def lifetime(world: World) -> Iterator[Lifetime]:
    made = Lifetime(world)
    yield made
    made.operator.stop()
    world.places["finance"].stand_in.gate = None


def points(writes: list[Write]) -> list[Point]:
    """Every write of a life, by label and number."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for write in writes:
        key = (write.cluster, write.label)
        found.append(Point(write.cluster, write.label, seen[key]))
        seen[key] += 1
    return found


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
def test_a_kill_at_any_write_changes_nothing(life: Life, lifetime: Lifetime) -> None:
    found = points(lifetime.live(life, None))
    rows, failures = [], []
    for point in found:
        outcomes = []
        for before in (True, False):
            at = Point(point.cluster, point.label, point.number, before)
            try:
                lifetime.live(life, at)
                outcomes.append("holds")
            except AssertionError as error:
                outcomes.append("BROKEN")
                failures.append(f"killed {'before' if before else 'after'} {at}:\n{error}")
        rows.append((str(point), *outcomes))
    table = _table(life, rows)
    print(table)
    if os.environ.get("FIREDRILL_WRITE_DOCS") == "1":
        _write(life, table)
    assert len(found) >= 6, "a life has more writes than that: the proxy did not see them"
    assert not failures, "\n\n".join(failures)


def _table(life: Life, rows: list[tuple[str, ...]]) -> str:
    lines = [f"## {life.name}", "", "| write | killed before | killed after |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _write(life: Life, table: str) -> None:
    head = "# Killed at every write\n\nWritten by `FIREDRILL_WRITE_DOCS=1 pytest tests/integration/test_kill_at_every_write.py`.\n"
    text = DOCS.read_text() if DOCS.exists() and life is not LIVES[0] else head
    DOCS.write_text(f"{text}\n{table}")
