"""The operator is killed at every write of a life, before it is done and after: what is promised holds all the same.

A life is lived once to learn which writes it has. Then, for each of them, a fresh resource lives the same life, and
the operator gets SIGKILL when the write comes: before the API server hears of it, or after it was done and before the
operator hears the answer. A new process takes over, as the kubelet would start it. After all has settled:

- one Job of the runner and one of the guardian for (uid, run, cluster), ever; a Simulation has two runs, one that
  builds and one that removes;
- each run was carried out exactly once, and no fault is left;
- the verdict is the same as that of a life without a kill, once in the history, and Complete is True;
- after the deletion nothing is left, neither finalizer nor objects in the target, and nothing more is written.

All kills of all lives take a quarter of an hour: `make chaos-full`. Otherwise some of each life are played.
"""

import asyncio
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from firedrill.api.record import RecordState
from firedrill.api.task import Task
from support import builders, rotation
from support.eventually import eventually, never
from support.faultproxy import Call, Write
from support.gateway import Gateway
from support.kube import Object
from support.requests import Request
from support.stand_in import counted
from support.subject import Subject
from support.world import World

pytestmark = pytest.mark.integration

DOCS = Path(__file__).resolve().parents[2] / "docs" / "kill-at-every-write.md"
#: Kills of a life that are played where not all are.
_PART = 5
#: Seconds after the end in which nothing may be written any more.
_QUIET = 0.5


@dataclass(frozen=True)
class Life:
    """What is done to a resource, and how it has to end."""

    name: str
    body: Object
    passed: tuple[str, str]
    complete: tuple[str, str]
    delete_mid_fault: bool = False
    #: It waits for a rollout, which comes once it has seen the workload.
    rolls_out: bool = False

    @property
    def runs(self) -> int:
        """How many there are of it: what stands is taken away by a run of its own."""
        return 2 if self.stands else 1

    @property
    def stands(self) -> bool:
        """Whether what it builds stands on after its run."""
        return bool(self.body["kind"] == "Simulation")

    @property
    def mutates(self) -> bool:
        """Whether the kind changes its target."""
        return bool(self.body["kind"] == "ChaosExperiment")


LIVES = [
    Life("ChaosExperiment: create, run, verdict, delete", builders.chaos(), ("True", "Passed"), ("True", "Finished")),
    Life(
        "ChaosExperiment: create, delete while the fault is on",
        builders.chaos(duration="60s"),
        ("Unknown", "Deleted"),
        ("True", "Deleted"),
        delete_mid_fault=True,
    ),
    Life("DriftCheck: create, run, verdict, delete", builders.drift(), ("True", "Passed"), ("True", "Finished")),
    Life(
        "DriftCheck: create, rollout noticed, run, verdict, delete",
        builders.drift(),
        ("True", "Passed"),
        ("True", "Finished"),
        rolls_out=True,
    ),
    Life("Simulation: build, verdict, delete", builders.simulation(), ("True", "Passed"), ("True", "Finished")),
]


@dataclass(frozen=True)
class Point:
    """The n-th write of a label."""

    cluster: str
    label: str
    number: int

    def __str__(self) -> str:
        return f"{self.cluster}: {self.label}" + (f" #{self.number + 1}" if self.number else "")


class Lifetimes:
    """Lives lives, one after the other, with one operator at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.operator = world.operator()
        self._subject: Subject | None = None
        self._gateway: Gateway | None = None
        world.places["finance"].stand_in.gate = self._gate

    def close(self) -> None:
        """Leave the world as it was."""
        self.operator.stop()
        self.world.places["finance"].stand_in.gate = None

    def live(self, life: Life, point: Point | None = None, *, before: bool = True) -> list[Write]:
        """One life, with a kill or without. Raises AssertionError where a promise does not hold; gives its writes."""
        world = self.world
        self._keep_alive()
        self.operator.wait_ready()
        subject = self._subject = world.subject(self._body(life))
        killed = self._plan(subject, point, before) if point else None
        subject.create()
        if life.rolls_out:
            self._roll_out(life, subject)
        self._until(lambda: self._may_delete(life, subject), f"{life.name}: it may be deleted")
        subject.delete()
        self._until(lambda: subject.read() is None, f"{life.name}: it is gone")
        self._until(lambda: not world.leftovers(subject), f"{life.name}: nothing is left in the target")
        if killed:
            self._until(killed.is_set, f"{life.name}: the write came at which to kill")
            self._keep_alive()
            self.operator.wait_ready()
            self._check_quiet(subject)
        self._check(life, subject)
        return world.writes(subject.key)

    # -- the life --------------------------------------------------------------------------------------------------

    def _body(self, life: Life) -> Object:
        if not life.rolls_out:
            return life.body
        # Of its own: one that is known from the life before would be seen at the first look, or not, by chance.
        self._gateway = Gateway(self.world.finance, f"shop-{uuid.uuid4().hex[:6]}").create()
        # With a delay the rollout is noticed by a write of its own.
        asked = {**self._gateway.asked, "delay": "1s"}
        return {**life.body, "spec": {**life.body["spec"], "onRollout": asked}}

    def _roll_out(self, life: Life, subject: Subject) -> None:
        assert self._gateway is not None  # it was made with the body
        self._until(lambda: subject.status.get("rollouts"), f"{life.name}: the workload is seen")
        self._gateway.roll_out().complete()

    async def _gate(self, _: Task, state: RecordState) -> None:
        """Each state of the fault lasts until status has told of it: else how many writes there are were chance."""
        wanted = _TOLD.get(state)
        subject = self._subject
        for _ in range(1200):
            found = await asyncio.to_thread(subject.read) if subject and wanted else None
            if found is None or "deletionTimestamp" in found["metadata"] or wanted in _told(found):
                return
            await asyncio.sleep(0.05)

    @staticmethod
    def _may_delete(life: Life, subject: Subject) -> bool:
        if life.delete_mid_fault:
            found = subject.read()
            return found is not None and "Injected" in _told(found)
        return subject.condition("Complete")[0] == "True" and subject.finalized == life.stands

    def _until(self, look: Callable[[], bool], what: str) -> None:
        def step() -> bool:
            self._keep_alive()
            return look()

        eventually(step, what, also=lambda: f"{self._subject and self._subject.status}\n{self.operator.tail()}")

    def _keep_alive(self) -> None:
        """What a kubelet does."""
        if self.operator.alive:
            return
        if self.operator.exit_code is not None:
            assert self.operator.exit_code == -9 or "the lease is lost" in self.operator.tail(), self.operator.tail()
        self.operator.start()

    def _plan(self, subject: Subject, point: Point, before: bool) -> threading.Event:
        """Kill the operator at that write; what is set once it is dead."""
        killed = threading.Event()
        proxy = next(proxy for proxy in self.world.proxies() if proxy.name == point.cluster)

        def matches(request: Request) -> bool:
            owner = request.owner or proxy.owner_of(request.job)
            return request.mutating and request.label == point.label and owner == subject.key

        def kill() -> None:
            self.operator.kill()
            killed.set()

        proxy.add(Call(kill, before), matches, skip=point.number)
        return killed

    # -- what is promised ------------------------------------------------------------------------------------------

    def _check_quiet(self, subject: Subject) -> None:
        before = len(self.world.writes(subject.key))
        never(lambda: len(self.world.writes(subject.key)) > before, "written after the end", during=_QUIET)

    def _check(self, life: Life, subject: Subject) -> None:
        done = [write for write in self.world.writes(subject.key) if write.done]
        labels = Counter(write.label for write in done)
        assert labels["POST jobs (runner)"] == life.runs, labels
        assert labels["POST jobs (guardian)"] == int(life.mutates), labels
        tallies = self.world.tallies(subject)
        assert len(tallies) == life.runs, f"other runs than these: {tallies}"
        carried_out = counted(tallies)
        assert (carried_out["pods"], carried_out["injected"]) == (life.runs,) * 2, carried_out
        assert (carried_out["claims"], carried_out["undone"]) == (int(life.mutates),) * 2, carried_out
        assert self.world.markers(subject) == []
        self._check_status(life, [write.content["status"] for write in done if "/status" in write.label][-1])

    @staticmethod
    def _check_status(life: Life, status: Object) -> None:
        conditions = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
        assert (conditions["Passed"], conditions["Complete"]) == (life.passed, life.complete), status
        ids = [entry["id"] for entry in status["history"]]
        assert (ids[0], len(set(ids))) == (status["lastRun"]["id"], life.runs), status["history"]
        assert status.get("standing", []) == [], status
        if life.rolls_out:
            assert status["lastRun"]["trigger"].startswith("Rollout:finance="), status["lastRun"]
        if life.mutates:
            # Where the run ended before its result came, no probe has confirmed what the record shows.
            assert conditions["RecoveryVerified"] in (("True", "Seen"), ("Unknown", "UndoneNotProbed")), status
            assert all(entry.get("settled", True) for entry in status["clusters"]), status


#: How status tells of a state of the record.
_TOLD = {RecordState.APPLYING: "begun", RecordState.APPLIED: "Injected", RecordState.UNDONE: "RecoveryVerified"}


def _told(body: Object) -> set[str]:
    entries = (body.get("status") or {}).get("clusters") or []
    found = {finding["type"] for entry in entries for finding in entry.get("findings") or ()}
    return found | ({"begun"} if any(entry.get("begun") for entry in entries) else set())


@pytest.fixture(scope="module")
def lifetimes(world: World) -> Iterator[Lifetimes]:
    """The lives of this module."""
    made = Lifetimes(world)
    yield made
    made.close()


def points(writes: list[Write]) -> list[Point]:
    """Every write of a life that had an effect, by label and number."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for write in writes:
        key = (write.cluster, write.label)
        if write.done and not (write.label.startswith("DELETE") and seen[key]):
            # A deletion may be asked for again before it is seen: by chance, and without effect.
            found.append(Point(*key, seen[key]))
        seen[key] += 1
    return found


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
def test_a_kill_at_any_write_changes_nothing(life: Life, lifetimes: Lifetimes) -> None:
    found = points(lifetimes.live(life))
    kills = rotation.part(life.name, [(point, before) for point in found for before in (True, False)], _PART)
    outcomes, failures = {}, []
    for point, before in kills:
        try:
            lifetimes.live(life, point, before=before)
            outcomes[point, before] = "holds"
        except AssertionError as error:
            outcomes[point, before] = "BROKEN"
            failures.append(f"killed {'before' if before else 'after'} {point}:\n{error}")
    rows = [(str(point), *(outcomes.get((point, before), "not played") for before in (True, False))) for point in found]
    table = _table(life, rows)
    print(f"\nseed {rotation.SEED}\n{table}")
    if rotation.WRITE_DOCS:
        _write(life, table)
    assert not failures, "\n\n".join(failures)
    least = 10 if life.mutates else 5
    assert len(found) >= least, f"a life has more writes than that: {found}"


def _table(life: Life, rows: list[tuple[str, ...]]) -> str:
    lines = [f"## {life.name}", "", "| write | killed before | killed after |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _write(life: Life, table: str) -> None:
    head = (
        "# Killed at every write\n\n"
        "Written by `make chaos-full`.\n\n"
        "Each row is a write of the operator in that life. At each, a fresh resource lived the same life and the\n"
        "operator was killed (SIGKILL) before the write was done, and again after it was done and before the answer\n"
        "came. *holds*: one Job, carried out exactly once, no fault left, the same verdict, nothing left after\n"
        "deletion, nothing written after the end.\n"
    )
    text = DOCS.read_text() if DOCS.exists() and life is not LIVES[0] else head
    DOCS.write_text(f"{text}\n{table}")
