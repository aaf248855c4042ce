"""Each target is a failure domain of its own: what is out of reach is told, waited for, and seen undone in the end.

Every story has targets of its own, so all are told at the same time, by one operator.
"""

import json
import time

import pytest

from firedrill.api.meta import ANNOTATION_SETTLED
from firedrill.clusters import paths
from support.builders import chaos, drift, target
from support.eventually import eventually, never
from support.faultproxy import Answer
from support.operator_process import OperatorProcess
from support.stand_in import FAULTS, counted
from support.stories import Stories
from support.subject import Subject
from support.world import HUB_NAMESPACE, Place, World

pytestmark = pytest.mark.integration

tales = Stories()


def place_of(world: World) -> Place:
    """A target of its own, in reach."""
    place = world.place()
    world.until_reachable(place.name)
    return place


def until_fault(world: World, subject: Subject) -> None:
    """Wait until a fault of it is on, and status tells of it."""
    eventually(lambda: world.markers(subject), f"{subject.key}: the fault is on")
    subject.until_condition("Injected", "True")


def undone(world: World, subject: Subject, place: Place) -> bool:
    """Whether its one fault was undone."""
    return counted(world.tallies(subject, place.name))["undone"] == 1


#: Secrets that are well-formed, and that no client can be made of.
UNREADABLE = {
    json.dumps({"server": "https://127.0.0.1:1", "config": json.dumps(config)}): says
    for config, says in (
        ({"bearerToken": "t", "tlsClientConfig": {"caData": "bm90IGEgY2VydGlmaWNhdGU="}}, "certificates or keys"),
        ({"bearerToken": "a\nb"}, "no header may hold"),
        ({"bearerToken": 7}, "no bearerToken"),
        ({"bearerToken": "t", "tlsClientConfig": 7}, "not that of an Argo CD cluster"),
    )
}


def reachable_message(world: World, name: str) -> str:
    """What the condition Reachable of a target says."""
    found = world.hub.get(paths.firedrill("targetclusters", name=name))
    return next((str(c["message"]) for c in (found.get("status") or {}).get("conditions") or ()), "")


def settled(subject: Subject) -> bool:
    """Whether everything of it was seen undone."""
    return all(entry.get("settled", True) for entry in subject.status.get("clusters") or ())


@tales.story
def out_of_reach_before_the_start(world: World) -> None:
    place = place_of(world)
    with place.proxy.unreachable():
        world.until_reachable(place.name, reachable=False)
        subject = world.subject(chaos("check", place.name, timeout="20s")).create()
        subject.until(lambda s: "waiting for the target" in s.status.get("message", ""), "it says what it waits for")
        assert "job" not in subject.status["clusters"][0]
        status = subject.until_run()
        assert (status["verdict"], status["clusters"][0]["reason"]) == ("Inconclusive", "TargetUnreachable")
        assert subject.condition("Complete")[0] == "True"
        subject.until(lambda s: not s.finalized, "nothing was begun, so nothing needs undoing")
    world.until_reachable(place.name)
    never(lambda: world.tallies(subject, place.name), "a run that was given up is begun", during=2)


@tales.story
def back_in_reach_before_patience_ends(world: World) -> None:
    place = place_of(world)
    with place.proxy.unreachable():
        world.until_reachable(place.name, reachable=False)
        subject = world.subject(chaos("check", place.name)).create()
        subject.until(lambda s: "waiting for the target" in s.status.get("message", ""), "it says what it waits for")
    assert subject.until_run()["verdict"] == "Passed"
    assert counted(world.tallies(subject, place.name))["injected"] == 1


@tales.story
def out_of_reach_between_start_and_injection(world: World) -> None:
    place = place_of(world)
    subject = world.subject(chaos("check", place.name))
    place.stand_in.part(subject.key, never_start=True)
    subject.create()
    eventually(lambda: any("-task" in line for line in world.leftovers(subject)), "its Jobs and its task")
    with place.proxy.unreachable():
        world.until_reachable(place.name, reachable=False)
        place.stand_in.part(subject.key, never_start=False)
        eventually(lambda: undone(world, subject, place), "the run goes through without the operator")
    assert subject.until_run()["verdict"] == "Passed"
    subject.until(lambda s: not s.finalized, "the finalizer goes")
    assert counted(world.tallies(subject, place.name))["injected"] == 1


@tales.story
def out_of_reach_while_the_fault_is_on_and_beyond_the_deadline(world: World) -> None:
    place = place_of(world)
    subject = world.subject(chaos("check", place.name, timeout="14s"))
    place.stand_in.part(subject.key, hold=1000, deaf=True)
    subject.create()
    until_fault(world, subject)
    with place.proxy.unreachable():
        # The guardian needs nobody's help.
        eventually(lambda: not world.markers(subject), "the guardian undoes it at the deadline")
        status = subject.until_run(within=200)
        assert (status["verdict"], status["clusters"][0]["reason"]) == ("Inconclusive", "TargetUnreachable")
        assert subject.condition("Complete")[0] == "True"
        assert not settled(subject)
        never(lambda: not subject.finalized, "the finalizer goes though nobody has seen the undoing", during=3)
    subject.until(settled, "it is seen undone")
    assert subject.condition("RecoveryVerified") == ("Unknown", "UndoneNotProbed"), "no probe has confirmed it"
    subject.until(lambda s: not s.finalized, "the finalizer goes")
    assert subject.status["verdict"] == "Inconclusive", "what was seen later does not make a verdict better"
    assert len(subject.runs()) == 1
    assert [tally.undone_by for tally in world.tallies(subject, place.name)] == ["guardian"]


@tales.story
def deleted_while_out_of_reach_it_stays_until_it_is_seen_undone(world: World) -> None:
    place = place_of(world)
    subject = world.subject(chaos("check", place.name, timeout="20s"))
    place.stand_in.part(subject.key, hold=1000)
    subject.create()
    until_fault(world, subject)
    with place.proxy.unreachable():
        world.until_reachable(place.name, reachable=False)
        subject.delete()
        eventually(lambda: not world.markers(subject), "it is undone by its own clock")
        never(lambda: subject.read() is None, "it goes though nobody has seen the undoing", during=3)
    subject.until_gone()
    assert counted(world.tallies(subject, place.name))["injected"] == 1


@tales.story
def out_of_reach_after_the_end(world: World) -> None:
    place = place_of(world)
    subject = world.subject(chaos("check", place.name)).create()
    subject.until_run()
    subject.until(lambda s: not s.finalized, "the finalizer goes")
    with place.proxy.unreachable():
        world.until_reachable(place.name, reachable=False)
        subject.delete()
        subject.until_gone()
    world.until_reachable(place.name)
    eventually(lambda: not world.leftovers(subject), "what it left is removed when the target is back")


@tales.story
def credentials_that_are_revoked(world: World) -> None:
    place = place_of(world)
    subject = world.subject(chaos("check", place.name))
    place.stand_in.part(subject.key, hold=3)
    subject.create()
    until_fault(world, subject)
    world.set_credentials(place.name, token="revoked")
    world.until_reachable(place.name, reachable=False, within=150)
    condition = world.hub.get(paths.firedrill("targetclusters", name=place.name))["status"]["conditions"][0]
    assert condition["reason"] == "Unreachable"
    assert "401" in condition["message"]
    eventually(lambda: undone(world, subject, place), "the run goes through without the operator")
    world.set_credentials(place.name)
    assert subject.until_run(within=200)["verdict"] == "Passed"
    subject.until(lambda s: not s.finalized, "the finalizer goes")


@tales.story
def credentials_that_no_library_can_read_hold_up_no_other(world: World) -> None:
    bad, good = place_of(world), place_of(world)
    for data, says in UNREADABLE.items():
        world.set_secret(bad.name, json.loads(data))
        eventually(lambda says=says: says in reachable_message(world, bad.name), f"it says: {says}")  # type: ignore[misc]
        assert world.subject(drift("check", good.name)).create().until_run()["verdict"] == "Passed"
    world.hub.merge(
        paths.firedrill("targetclusters", name=bad.name), {"spec": {"policy": {"maxFaultDuration": "9" * 30 + "h"}}}
    )
    eventually(lambda: "spec.policy.maxFaultDuration" in reachable_message(world, bad.name), "it names the field")
    assert world.subject(drift("check", good.name)).create().until_run()["verdict"] == "Passed"
    world.reset_target(bad.name)
    world.hub.merge(paths.firedrill("targetclusters", name=bad.name), {"spec": {"policy": {"maxFaultDuration": "10m"}}})
    world.until_reachable(bad.name)


@tales.story
def a_token_with_the_line_break_of_its_file(world: World) -> None:
    place = place_of(world)
    token = world.finance.token(place.namespace, "firedrill-operator")
    for argo in (True, False):
        world.set_credentials(place.name, token=token + "\n", argo=argo)
        time.sleep(1)
        world.until_reachable(place.name)
    assert world.subject(drift("check", place.name)).create().until_run()["verdict"] == "Passed"


@tales.story
def a_record_that_somebody_deletes_is_no_proof(world: World) -> None:
    """Neither runner nor guardian is left to write it again: only a person can say that nothing is left."""
    place = place_of(world)
    subject = world.subject(chaos("check", place.name, timeout="14s"))
    place.stand_in.part(subject.key, hold=1000)
    subject.create()
    until_fault(world, subject)
    job = subject.status["clusters"][0]["job"].partition("/")[2]
    place.cluster.delete(paths.configmaps(place.namespace, f"{job}-record"))
    status = subject.until_run(within=200)
    assert status["clusters"][0]["reason"] == "UndoNotVerified"
    assert not settled(subject)
    assert f"the record {job}-record is gone" in status["message"]
    assert f"annotate with {ANNOTATION_SETTLED}={status['lastRun']['id']}" in status["message"]
    assert place.cluster.find(paths.configmaps(place.namespace, f"{job}-record")) is None, "the operator made it up"
    subject.annotate(settled="another-run")
    never(lambda: not subject.finalized, "the finalizer goes though nobody has seen the undoing", during=3)
    subject.annotate(settled=status["lastRun"]["id"])
    subject.until(lambda s: not s.finalized, "the finalizer goes")
    assert ("Warning", "SettledByHand") in subject.events()
    assert subject.condition("RecoveryVerified")[0] != "True"
    place.cluster.delete(paths.configmaps(FAULTS, f"{place.name}-{job}"))


@tales.story
def a_secret_that_is_gone_is_named(world: World) -> None:
    place = place_of(world)
    world.hub.apply(target(place.name, secret="nowhere", namespace=place.namespace))
    world.until_reachable(place.name, reachable=False)
    condition = world.hub.get(paths.firedrill("targetclusters", name=place.name))["status"]["conditions"][0]
    assert condition["reason"] == "CredentialsInvalid"
    assert condition["message"] == f"spec.secretRef: no Secret nowhere in namespace {HUB_NAMESPACE}"


@tales.story
def a_target_whose_credentials_lead_elsewhere(world: World) -> None:
    """The Secret of one is swapped for that of another: what is there is not taken for its own."""
    place, other = place_of(world), place_of(world)
    subject = world.subject(chaos("check", place.name, timeout="30s"))
    place.stand_in.part(subject.key, hold=1000)
    subject.create()
    until_fault(world, subject)
    where = paths.firedrill("targetclusters", name=place.name)
    world.hub.delete(where)
    world.hub.apply(target(place.name, secret=other.name, namespace=other.namespace))
    subject.until_run(within=200)
    eventually(lambda: undone(world, subject, place), "the run goes through without the operator")
    never(lambda: world.markers(subject), "it is injected elsewhere", during=3)
    assert not settled(subject), "what another target shows is no proof"
    world.hub.delete(where)
    world.reset_target(place.name)
    subject.until(settled, "it is seen undone in its own target")
    subject.until(lambda s: not s.finalized, "the finalizer goes")
    assert counted(world.tallies(subject, place.name))["injected"] == 1
    assert counted(world.tallies(subject, other.name))["injected"] == 0


@tales.story
def one_that_hangs_holds_up_no_other(world: World) -> None:
    good, bad = place_of(world), place_of(world)
    operator = next(operator for operator in world.operators if operator.alive)
    with bad.proxy.hanging():
        both = world.subject(drift("both", good.name, bad.name)).create()
        stuck = [world.subject(drift(f"stuck-{number}", bad.name)).create() for number in range(12)]
        others = [world.subject(chaos(f"other-{number}", good.name)).create() for number in range(6)]
        eventually(lambda: counted(world.tallies(both, good.name))["injected"] == 1, "the run in the other is done")
        for subject in others:
            assert subject.until_run()["verdict"] == "Passed"
        world.until_reachable(bad.name, reachable=False)
        assert world.reachable(good.name) == "True"
        assert operator.ready() == "ok"
        both.until(lambda s: s.status["clusters"][0].get("verdict") == "Passed", "the other target's verdict")
        assert "verdict" not in both.status["clusters"][1]
    assert both.until_run(within=200)["verdict"] == "Passed"
    for subject in stuck:
        subject.until_run(within=200)


@tales.story
def one_that_refuses_writes_holds_up_no_other(world: World) -> None:
    """It answers all reads, so it counts as reachable."""
    good, bad = place_of(world), place_of(world)
    with bad.proxy.fault(Answer(403, "Forbidden"), lambda r: r.mutating):
        both = world.subject(chaos("both", bad.name, good.name, timeout="20s")).create()
        eventually(lambda: undone(world, both, good), "the run in the other target is done")
        status = both.until_run(within=200)
        verdicts = {entry["name"]: entry["verdict"] for entry in status["clusters"]}
        assert verdicts == {good.name: "Passed", bad.name: "Error"}
        assert both.condition("Complete")[0] == "True"
        assert both.finalized, "whether anything was begun there is not known"
    both.until(settled, "that nothing was begun there is seen in the end")
    both.until(lambda s: not s.finalized, "the finalizer goes")
    assert counted(world.tallies(both, bad.name))["injected"] == 0


@tales.story
def a_target_that_is_deleted_while_a_fault_is_on(world: World) -> None:
    place = place_of(world)
    subject = world.subject(chaos("check", place.name, timeout="30s"))
    place.stand_in.part(subject.key, hold=1000)
    subject.create()
    until_fault(world, subject)
    world.hub.delete(paths.firedrill("targetclusters", name=place.name))
    status = subject.until_run()
    assert (status["verdict"], status["clusters"][0]["reason"]) == ("Inconclusive", "TargetGone")
    assert not settled(subject)
    eventually(lambda: not world.markers(subject), "it is undone by its own clock")
    never(lambda: not subject.finalized, "the finalizer goes though nobody has seen the undoing", during=2)
    world.reset_target(place.name)
    subject.until(settled, "it is seen undone when the target is known again")
    subject.until(lambda s: not s.finalized, "the finalizer goes")
    assert counted(world.tallies(subject, place.name))["injected"] == 1


@tales.story
def a_broken_watch_is_no_news_of_the_target(world: World) -> None:
    """A load balancer that cuts every watch once a minute must not cost a write each time."""
    place = place_of(world)
    since = time.monotonic()
    for how in ("cut", "truncated", "gone"):
        eventually(lambda: place.proxy.watches() >= 2, "both watches are open")
        assert place.proxy.break_watches(how) >= 2
    eventually(lambda: place.proxy.watches() >= 2, "both watches are open again")
    assert [write.label for write in world.proxy.written(place.name, since)] == []
    assert world.subject(chaos("check", place.name)).create().until_run()["verdict"] == "Passed"


@tales.parametrize()
def test_story(name: str, world: World, operator: OperatorProcess) -> None:
    tales.tell(name, world)
