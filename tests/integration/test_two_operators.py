"""Two operators at once: the one that holds the lease acts, and one that may have lost it does nothing any more."""

import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from firedrill.clusters.lease import DURATION
from firedrill.clusters.paths import path
from support.builders import chaos
from support.eventually import eventually, never
from support.operator_process import OperatorProcess
from support.stand_in import counted
from support.subject import Subject
from support.world import HUB_NAMESPACE, World

pytestmark = pytest.mark.integration


def holder(world: World) -> str:
    """Who holds the lease."""
    lease = world.hub.get(path("coordination.k8s.io/v1", "leases", HUB_NAMESPACE, "firedrill-operator"))
    return str(lease["spec"].get("holderIdentity", ""))


@pytest.fixture
def pair(world: World) -> Iterator[tuple[OperatorProcess, OperatorProcess]]:
    """The first leads, the second waits."""
    first, second = world.operator("first"), world.operator("second")
    first.start().wait_ready()
    second.start()
    eventually(lambda: second.ready() == "waiting for the lease", "the second waits", also=second.tail)
    yield first, second
    second.stop()
    first.stop()


def ran_once(world: World, subject: Subject) -> None:
    """One run, one Job of each, carried out once."""
    subject.until(lambda s: not s.finalized, "the finalizer goes")
    assert counted(world.tallies(subject))["injected"] == 1
    done = Counter(write.label for write in world.writes(subject.key) if write.done)
    assert (done["POST jobs (runner)"], done["POST jobs (guardian)"]) == (1, 1)
    assert len(subject.runs()) == 1
    assert world.markers(subject) == []


def test_only_the_holder_of_the_lease_acts(world: World, pair: tuple[OperatorProcess, OperatorProcess]) -> None:
    _, second = pair
    subject = world.subject(chaos()).create()
    assert subject.until_run()["verdict"] == "Passed"
    ran_once(world, subject)
    assert holder(world) == "first"
    assert second.ready() == "waiting for the lease"
    labels = Counter(write.label for write in world.writes(subject.key))
    assert max(labels.values()) == 1, f"something was tried twice: {labels}"


def test_another_takes_over_after_a_kill(world: World, pair: tuple[OperatorProcess, OperatorProcess]) -> None:
    first, second = pair
    subject = world.subject(chaos())
    world.places["finance"].stand_in.part(subject.key, hold=3)
    subject.create()
    eventually(lambda: world.markers(subject), "the fault is on")
    first.kill()
    first.wait()
    assert subject.until_run()["verdict"] == "Passed"
    ran_once(world, subject)
    assert holder(world) == "second"
    assert second.ready() == "ok"


def test_a_leader_that_stops_lets_the_next_start_at_once(
    world: World, pair: tuple[OperatorProcess, OperatorProcess]
) -> None:
    first, second = pair
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    assert holder(world) != "first", "the next would have to wait for the lease to expire"
    eventually(lambda: holder(world) == "second", "the lease is handed on")
    second.wait_ready()


def test_a_leader_that_was_frozen_does_nothing_when_it_wakes(
    world: World, pair: tuple[OperatorProcess, OperatorProcess]
) -> None:
    first, second = pair
    subject = world.subject(chaos())
    world.places["finance"].stand_in.part(subject.key, hold=DURATION + 8)
    subject.create()
    eventually(lambda: world.markers(subject), "the fault is on")
    subject.until_condition("Injected", "True")
    first.signal(signal.SIGSTOP)
    eventually(lambda: holder(world) == "second", "the lease is taken over", within=DURATION * 4)
    # There is something to do for both when it wakes: the frozen one knows of the run, and a deletion is new.
    subject.delete()
    first.signal(signal.SIGCONT)
    assert first.wait(60) == 1, first.tail()
    assert "the lease is lost" in first.tail()
    subject.until_gone()
    done = Counter(write.label for write in world.writes(subject.key) if write.done)
    assert (done["POST jobs (runner)"], done["POST jobs (guardian)"]) == (1, 1)
    assert done["PUT chaosexperiments/status (verdict)"] == 1
    assert counted(world.tallies(subject))["injected"] == 1
    assert holder(world) == "second"
    assert second.ready() == "ok"
    never(lambda: holder(world) != "second", "the lease goes back", during=1)


def test_a_hub_that_does_not_answer_ends_the_process(world: World) -> None:
    """Its lease can not be renewed: another may act, so this one must not."""
    with world.running("alone") as lonely, world.proxy.unreachable():
        assert lonely.wait(60) == 1
        assert "the lease is lost" in lonely.tail(200)
