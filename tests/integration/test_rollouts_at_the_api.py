"""Runs on rollouts, with real controllers that roll out, and an operator with the rights of the chart and no others."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from firedrill.clusters import paths
from support.builders import chaos, drift, target
from support.eventually import eventually, never
from support.gateway import Gateway
from support.kube import HttpError
from support.operator_process import OperatorProcess
from support.stand_in import counted
from support.stories import Stories
from support.subject import Subject
from support.world import World

pytestmark = pytest.mark.integration

#: Longer than it takes until a workload is read again.
_A_LOOK = 7.0
tales = Stories()


def gateway(world: World, kind: str = "Deployment") -> Gateway:
    return Gateway(world.finance, f"shop-{uuid.uuid4().hex[:6]}", kind).create()


def waits(subject: Subject, reason: str = "Watched") -> Subject:
    """Until it has seen the workload."""
    subject.until(lambda s: s.condition("RolloutsSeen")[1] == reason, f"it says {reason}")
    return subject


def triggers(subject: Subject, runs: int) -> str:
    """The trigger of the last of so many runs, all of which have ended, and none follows."""
    status = subject.until_run(runs)
    never(lambda: len(subject.runs()) > runs, "one more run", during=_A_LOOK)
    return str(status["lastRun"]["trigger"])


def rolled_out(kind: str) -> None:
    def told(world: World) -> None:
        there = gateway(world, kind)
        try:
            subject = waits(world.subject(drift("check", onRollout=there.asked)).create())
            assert subject.condition("Complete") == ("False", "AwaitingRollout")
            world.finance.merge(there.path, {"metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}}})
            if kind != "DaemonSet":
                there.change(replicas=3).complete()
            never(lambda: subject.status.get("lastRun"), "scaling and metadata start a run", during=_A_LOOK)
            there.roll_out()
            never(lambda: subject.status.get("lastRun"), "what is not complete starts a run", during=_A_LOOK)
            there.complete()
            assert triggers(subject, 1).startswith("Rollout:finance=")
            there.annotate(kubectl_kubernetes_io__restartedAt="now").complete()
            triggers(subject, 2)
        finally:
            there.close()

    tales.add(f"a_{kind}_is_rolled_out", told)


rolled_out("Deployment")
rolled_out("StatefulSet")
rolled_out("DaemonSet")


@tales.story
def each_target_is_run_in_once(world: World) -> None:
    """Both are in one cluster, so what is rolled out in one is in the other: it may be seen at the same time or not."""
    there = gateway(world)
    subject = waits(world.subject(drift("check", "finance", "iot", onRollout=there.asked)).create())
    there.roll_out().complete()
    eventually(lambda: world.tallies(subject) and world.tallies(subject, "iot"), "it runs in both")
    never(lambda: len(subject.runs()) > 2, "one more run", during=_A_LOOK)
    assert [len(world.tallies(subject, name)) for name in ("finance", "iot")] == [1, 1]


@tales.story
def rollouts_during_a_run_are_one_run_after_it(world: World) -> None:
    there = gateway(world)
    subject = waits(world.subject(chaos("kill", onRollout=there.asked, duration="20s")).create())
    there.roll_out().complete()
    subject.until_condition("Injected", "True")
    there.roll_out().complete()
    there.roll_out().complete()
    assert triggers(subject, 2).startswith("Rollout:finance=")
    assert counted(world.tallies(subject))["injected"] == 2
    assert world.markers(subject) == []


@tales.story
def a_fault_in_the_template_and_its_undoing_start_nothing(world: World) -> None:
    there = gateway(world)
    before = there.sight()
    subject = waits(world.subject(drift("check", onRollout=there.asked)).create())
    there.annotate(firedrill_dev__run="abc")
    there.change(template={"spec": {"containers": [{"name": "app", "image": "broken:1"}]}}).complete()
    waits(subject, "UnderFault")
    there.change(
        template={
            "metadata": {"annotations": {"firedrill.dev/run": None}},
            "spec": {"containers": [{"name": "app", "image": "gateway:1"}]},
        }
    ).complete()
    waits(subject)
    assert there.sight().template == before.template
    assert there.sight().revision != before.revision
    never(lambda: subject.status.get("lastRun"), "a fault that was undone starts a run", during=_A_LOOK)


@tales.story
def a_suspended_resource_makes_up_for_a_rollout(world: World) -> None:
    there = gateway(world)
    subject = waits(world.subject(drift("check", onRollout=there.asked)).create())
    subject.change(suspend=True)
    there.roll_out().complete()
    never(lambda: subject.status.get("lastRun"), "it runs while suspended", during=_A_LOOK)
    subject.change(suspend=False)
    assert triggers(subject, 1).startswith("Rollout:")


@tales.story
def a_workload_that_is_not_there_is_told_and_waited_for(world: World) -> None:
    namespace = f"shop-{uuid.uuid4().hex[:6]}"
    there = Gateway(world.finance, namespace)
    subject = waits(world.subject(drift("check", onRollout=there.asked)).create(), "WorkloadNotFound")
    assert subject.condition("RolloutsSeen") == ("False", "WorkloadNotFound")
    subject.until(lambda s: ("Warning", "WorkloadNotFound") in s.events(), "its Event")
    there.create()
    waits(subject)
    never(lambda: subject.status.get("lastRun"), "its coming is a rollout", during=_A_LOOK)
    there.roll_out().complete()
    triggers(subject, 1)


@tales.story
def without_the_right_to_look_it_says_what_to_do(world: World) -> None:
    """On the hub the chart was installed without target.rollouts.enabled."""
    name = f"hub-{uuid.uuid4().hex[:6]}"
    world.hub.apply(target(name, namespace="firedrill-system"))
    asked = {"kind": "Deployment", "namespace": "payments", "name": "gateway"}
    subject = waits(world.subject(drift("check", name, onRollout=asked)).create(), "Unreadable")
    found = next(c for c in subject.status["conditions"] if c["type"] == "RolloutsSeen")
    assert "verb get on deployments.apps in payments (target.rollouts.enabled of the chart)" in found["message"]


@tales.story
def where_it_may_not_run_nothing_is_read(world: World) -> None:
    name = f"closed-{uuid.uuid4().hex[:6]}"
    world.hub.apply(target(name, secret="finance", policy={"hubNamespaces": ["others"]}))
    there = gateway(world)
    subject = waits(world.subject(drift("check", name, onRollout=there.asked)).create(), "NotPermitted")
    there.roll_out().complete()
    never(lambda: subject.status.get("lastRun"), "it runs", during=_A_LOOK)


@tales.parametrize()
def test_story(name: str, world: World, operator: OperatorProcess) -> None:
    tales.tell(name, world)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"kind": "ReplicaSet"}, "spec.onRollout.kind"),
        ({"name": "a b"}, "spec.onRollout.name"),
        ({"namespace": "a.b"}, "spec.onRollout.namespace"),
        ({"delay": "soon"}, "spec.onRollout.delay"),
        ({"matchLabels": {"app": "x"}}, "spec.onRollout.matchLabels"),
    ],
)
def test_what_is_refused_at_admission(asked: dict[str, Any], says: str, world: World) -> None:
    body = drift("check", onRollout={"kind": "Deployment", "namespace": "payments", "name": "gateway", **asked})
    body["metadata"]["namespace"] = "default"
    where = paths.firedrill("driftchecks", "default")
    with pytest.raises(HttpError) as caught:
        world.hub.request("POST", where, body, params={"dryRun": "All", "fieldValidation": "Strict"})
    assert says in caught.value.message


@pytest.fixture
def stopped(world: World, operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """The operator of the module, which a test kills and starts anew."""
    yield operator
    if not operator.alive:
        operator.start().wait_ready()


def test_a_rollout_while_nobody_looks_is_found_and_run_for_once(world: World, stopped: OperatorProcess) -> None:
    there = gateway(world)
    delayed = {**there.asked, "delay": "5s"}
    subject = waits(world.subject(drift("check", onRollout=delayed)).create())
    stopped.kill()
    there.roll_out().complete()
    stopped.start().wait_ready()
    subject.until(lambda s: s.status["rollouts"][0].get("completedAt"), "it is noticed")
    # Between noticing and starting.
    stopped.kill()
    stopped.start().wait_ready()
    triggers(subject, 1)
    assert len(world.tallies(subject)) == 1
    stopped.kill()
    stopped.start().wait_ready()
    never(lambda: len(subject.runs()) > 1, "one more run", during=_A_LOOK)


def test_idle_costs_no_writes_and_new_credentials_do_not_hide_rollouts(world: World, operator: OperatorProcess) -> None:
    there = gateway(world)
    subject = waits(world.subject(drift("check", onRollout=there.asked)).create())
    before = len(world.writes(subject.key))
    never(lambda: len(world.writes(subject.key)) > before, "something is written", during=2 * _A_LOOK)
    reads = world.places["finance"].proxy.reads["GET deployments"]
    assert reads > 0
    world.set_credentials("finance", argo=True)
    there.roll_out().complete()
    triggers(subject, 1)
    eventually(lambda: world.places["finance"].proxy.reads["GET deployments"] > reads, "it is read by the new ones")
    world.reset_target("finance")
