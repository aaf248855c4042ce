"""Each target is a failure domain of its own: what is out of reach is told, waited for, and seen undone in the end."""

import time
from collections.abc import Iterator

import pytest

from firedrill.clusters import paths
from support.builders import chaos, drift, target
from support.eventually import eventually, never
from support.faultproxy import Answer
from support.operator_process import OperatorProcess
from support.stand_in import counted
from support.subject import Subject
from support.world import HUB_NAMESPACE, World

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def whole(world: World, operator: OperatorProcess) -> Iterator[None]:
    """Every test begins and ends with all targets in reach."""
    world.until_reachable()
    yield
    world.reset_targets()
    world.until_reachable()


def until_fault(world: World, subject: Subject) -> None:
    """Wait until a fault of it is on, and status tells of it."""
    eventually(lambda: world.markers(subject), f"{subject.key}: the fault is on")
    subject.until_condition("Injected", "True")


def settled(subject: Subject) -> bool:
    """Whether everything of it was seen undone."""
    return all(entry.get("settled", True) for entry in subject.status.get("clusters") or ())


def test_out_of_reach_before_the_start(world: World) -> None:
    with world.places["finance"].proxy.unreachable():
        world.until_reachable("finance", reachable=False)
        subject = world.subject(chaos(timeout="20s")).create()
        subject.until(lambda s: "waiting for the target" in s.status.get("message", ""), "it says what it waits for")
        assert not settled(subject) or subject.status["clusters"][0].get("job", "") == ""
        status = subject.until_run()
        assert (status["verdict"], status["clusters"][0]["reason"]) == ("Inconclusive", "TargetUnreachable")
        assert subject.condition("Complete")[0] == "True"
        subject.until(lambda s: not s.finalized, "nothing was begun, so nothing needs undoing")
    world.until_reachable("finance")
    never(lambda: world.tallies(subject), "a run that was given up is begun", during=2)


def test_back_in_reach_before_patience_ends(world: World) -> None:
    with world.places["finance"].proxy.unreachable():
        world.until_reachable("finance", reachable=False)
        subject = world.subject(chaos()).create()
        subject.until(lambda s: "waiting for the target" in s.status.get("message", ""), "it says what it waits for")
    assert subject.until_run()["verdict"] == "Passed"
    assert counted(world.tallies(subject))["injected"] == 1


def test_out_of_reach_between_start_and_injection(world: World) -> None:
    place = world.places["finance"]
    subject = world.subject(chaos(timeout="10m"))
    place.stand_in.part(subject.key, never_start=True)
    subject.create()
    eventually(lambda: world.jobs(subject, "guardian"), "its Jobs")
    with place.proxy.unreachable():
        world.until_reachable("finance", reachable=False)
        place.stand_in.part(subject.key, never_start=False)
        eventually(lambda: counted(world.tallies(subject))["undone"] == 1, "the run goes through without the operator")
    assert subject.until_run()["verdict"] == "Passed"
    subject.until(lambda s: not s.finalized, "the finalizer goes")
    assert counted(world.tallies(subject))["injected"] == 1


def test_out_of_reach_while_the_fault_is_on_and_beyond_the_deadline(world: World) -> None:
    place = world.places["finance"]
    subject = world.subject(chaos(timeout="14s"))
    place.stand_in.part(subject.key, hold=1000, deaf=True)
    subject.create()
    until_fault(world, subject)
    with place.proxy.unreachable():
        status = subject.until_run(within=200)
        assert (status["verdict"], status["clusters"][0]["reason"]) == ("Inconclusive", "TargetUnreachable")
        assert subject.condition("Complete")[0] == "True"
        assert not settled(subject)
        assert subject.finalized
        # The guardian needs nobody's help.
        eventually(lambda: not world.markers(subject), "the guardian undoes it at the deadline")
        never(lambda: not subject.finalized, "the finalizer goes though nobody has seen the undoing", during=3)
        assert operator_ready(world)
    subject.until(settled, "it is seen undone")
    subject.until_condition("RecoveryVerified", "True")
    subject.until(lambda s: not s.finalized, "the finalizer goes")
    assert subject.status["verdict"] == "Inconclusive", "what was seen later does not make a verdict better"
    assert len(subject.runs()) == 1
    assert [tally.undone_by for tally in world.tallies(subject)] == ["guardian"]


def operator_ready(world: World) -> bool:
    """Whether the operator says that it is ready."""
    return any(operator.ready() == "ok" for operator in world.operators if operator.alive)


def test_deleted_while_out_of_reach_it_stays_until_it_is_seen_undone(world: World) -> None:
    place = world.places["finance"]
    subject = world.subject(chaos(timeout="10m"))
    place.stand_in.part(subject.key, hold=3)
    subject.create()
    until_fault(world, subject)
    with place.proxy.unreachable():
        world.until_reachable("finance", reachable=False)
        subject.delete()
        eventually(lambda: not world.markers(subject), "it is undone by its own clock")
        never(lambda: subject.read() is None, "it goes though nobody has seen the undoing", during=3)
    subject.until_gone()
    assert counted(world.tallies(subject))["injected"] == 1


def test_out_of_reach_after_the_end(world: World) -> None:
    subject = world.subject(chaos()).create()
    subject.until_run()
    subject.until(lambda s: not s.finalized, "the finalizer goes")
    writes = len(world.writes(subject.key))
    with world.places["finance"].proxy.unreachable():
        world.until_reachable("finance", reachable=False)
        subject.delete()
        subject.until_gone()
    world.until_reachable("finance")
    eventually(lambda: not world.leftovers(subject), "what it left is removed when the target is back")
    assert len(world.writes(subject.key)) > writes


def test_credentials_that_are_revoked(world: World) -> None:
    subject = world.subject(chaos("revoked", duration="3s")).create()
    until_fault(world, subject)
    world.set_credentials("finance", token="revoked")
    eventually(lambda: counted(world.tallies(subject))["undone"] == 1, "the run goes through without the operator")
    world.until_reachable("finance", reachable=False, within=150)
    conditions = world.hub.get(paths.firedrill("targetclusters", name="finance"))["status"]["conditions"]
    assert "401" in conditions[0]["message"]
    world.set_credentials("finance")
    assert subject.until_run(within=200)["verdict"] == "Passed"
    subject.until(lambda s: not s.finalized, "the finalizer goes")


def test_a_secret_that_is_gone_is_named(world: World) -> None:
    world.hub.apply(target("finance", secret="nowhere"))
    world.until_reachable("finance", reachable=False)
    condition = world.hub.get(paths.firedrill("targetclusters", name="finance"))["status"]["conditions"][0]
    assert condition["reason"] == "CredentialsInvalid"
    assert condition["message"] == f"spec.secretRef: no Secret nowhere in namespace {HUB_NAMESPACE}"


def test_a_target_whose_credentials_lead_elsewhere(world: World) -> None:
    """The Secret of one is swapped for that of another: the runs there are not taken for its own."""
    subject = world.subject(chaos(duration="3s")).create()
    until_fault(world, subject)
    world.hub.apply(target("finance", secret="iot", namespace="firedrill-iot"))
    eventually(lambda: counted(world.tallies(subject))["undone"] == 1, "the run goes through without the operator")
    never(lambda: world.tallies(subject, "iot") and world.markers(subject), "it is injected elsewhere", during=3)
    world.reset_targets()
    subject.until_run(within=200)
    subject.until(lambda s: not s.finalized, "the finalizer goes")
    assert counted(world.tallies(subject))["injected"] == 1
    assert counted(world.tallies(subject, "iot"))["injected"] == 0


def test_one_that_hangs_holds_up_no_other(world: World, operator: OperatorProcess) -> None:
    with world.places["iot"].proxy.hanging():
        both = world.subject(drift("both", "finance", "iot")).create()
        others = [world.subject(chaos(f"other-{number}")).create() for number in range(6)]
        stuck = [world.subject(drift(f"stuck-{number}", "iot")).create() for number in range(12)]
        eventually(lambda: counted(world.tallies(both))["injected"] == 1, "the run in the other target is done")
        for subject in others:
            assert subject.until_run()["verdict"] == "Passed"
        assert operator.ready() == "ok"
        world.until_reachable("iot", reachable=False)
        assert world.reachable("finance") == "True"
        assert operator.ready() == "ok"
        entries = both.until(lambda s: {e["name"]: e for e in s.status.get("clusters") or ()}, "its targets")
        both.until(lambda s: s.status["clusters"][0].get("verdict") == "Passed", "the other target's verdict")
        assert "verdict" not in entries["iot"]
    assert both.until_run(within=200)["verdict"] == "Passed"
    for subject in stuck:
        subject.until_run(within=200)


def test_one_that_refuses_writes_holds_up_no_other(world: World) -> None:
    """It answers all reads, so it counts as reachable."""
    place = world.places["finance"]
    with place.proxy.fault(Answer(403, "Forbidden"), lambda r: r.mutating):
        both = world.subject(chaos("both", "finance", "iot", timeout="20s")).create()
        eventually(lambda: counted(world.tallies(both, "iot"))["undone"] == 1, "the run in the other target is done")
        status = both.until_run(within=200)
        verdicts = {entry["name"]: entry["verdict"] for entry in status["clusters"]}
        assert verdicts["iot"] == "Passed"
        assert verdicts["finance"] in ("Error", "Inconclusive")
        assert both.condition("Complete")[0] == "True"
    both.until(settled, "that nothing was begun there is seen in the end")
    both.until(lambda s: not s.finalized, "the finalizer goes")
    assert counted(world.tallies(both))["injected"] == 0


def test_a_target_that_is_deleted_while_a_fault_is_on(world: World) -> None:
    subject = world.subject(chaos(timeout="10m"))
    world.places["finance"].stand_in.part(subject.key, hold=3)
    subject.create()
    until_fault(world, subject)
    world.hub.delete(paths.firedrill("targetclusters", name="finance"))
    status = subject.until_run()
    assert (status["verdict"], status["clusters"][0]["reason"]) == ("Inconclusive", "TargetGone")
    assert not settled(subject)
    assert subject.finalized, "nobody has seen the fault undone"
    eventually(lambda: not world.markers(subject), "it is undone by its own clock")
    never(lambda: not subject.finalized, "the finalizer goes though nobody has seen the undoing", during=2)
    world.reset_targets()
    subject.until(settled, "it is seen undone when the target is known again")
    subject.until(lambda s: not s.finalized, "the finalizer goes")
    assert counted(world.tallies(subject))["injected"] == 1


def test_a_broken_watch_is_no_news_of_the_target(world: World) -> None:
    """A load balancer that cuts every watch once a minute must not cost a write each time."""
    proxy = world.places["finance"].proxy
    since = time.monotonic()
    for how in ("cut", "truncated", "gone"):
        eventually(lambda: proxy.watches() >= 2, "both watches are open")
        assert proxy.break_watches(how) >= 2
        eventually(lambda: proxy.watches() >= 2, "both watches are open again")
    assert [write for write in world.writes(since=since) if "targetclusters" in write.label] == []
    assert world.subject(chaos()).create().until_run()["verdict"] == "Passed"
