"""What every kind promises, on a real API server: what is admitted, when a run starts, how it ends, what is written."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from firedrill.api.meta import GROUP
from firedrill.api.record import RecordState
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from support.builders import chaos, drift, pipeline_test, target, without
from support.eventually import eventually, never
from support.faultproxy import Action, Answer, Drop, LoseAnswer
from support.kube import HttpError, Object, collection
from support.operator_process import OperatorProcess
from support.requests import Request
from support.stand_in import counted
from support.stories import Stories
from support.subject import Subject
from support.world import HUB_NAMESPACE, World

pytestmark = pytest.mark.integration

SAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "samples"

# -- admission -----------------------------------------------------------------------------------------------------

PROBE = {"http": {"url": "http://gateway.payments:8080/pay", "interval": "10ms"}, "window": "1s"}
PODS = {"namespace": "payments", "matchLabels": {"app": "ledger"}}
STEP = {"name": "kill", "target": PODS, "fault": {"podKill": {}}}
STEPS = without(without(without(chaos(steps=[STEP]), "spec", "target"), "spec", "fault"), "spec", "duration")


def steps(*given: Object) -> Object:
    """An experiment of several faults."""
    return {**STEPS, "spec": {**STEPS["spec"], "steps": list(given)}}


REFUSED: list[tuple[str, Object, str]] = [
    ("a zone without a schedule", drift(timeZone="UTC"), "timeZone needs a schedule"),
    ("a deadline without a schedule", drift(startingDeadlineSeconds=60), "startingDeadlineSeconds needs a schedule"),
    (
        "a threshold that can not be reached",
        drift(failureThreshold={"failures": 3, "of": 2}),
        "failureThreshold.failures can not be more than failureThreshold.of",
    ),
    ("a value without a mode", chaos(target={**PODS, "value": 2}), "target.value must be set for mode Fixed"),
    ("a mode without its value", chaos(target={**PODS, "mode": "Fixed"}), "target.value must be set for mode Fixed"),
    (
        "more than all",
        chaos(target={**PODS, "mode": "Percent", "value": 101}),
        "target.value must be at most 100 for mode Percent and Random",
    ),
    ("no fault", chaos(fault={}), "spec.fault"),
    ("two faults", chaos(fault={"podKill": {}, "packetLoss": {"port": 80}}), "spec.fault"),
    ("a fault that is not known", chaos(fault={"nuke": {}}), "spec.fault"),
    ("a packet loss of nothing", chaos(fault={"packetLoss": {"port": 80, "percent": 0}}), "spec.fault.packetLoss.perc"),
    ("a port that does not exist", chaos(fault={"packetLoss": {"port": 65536}}), "spec.fault.packetLoss.port"),
    ("no steady state", without(chaos(), "spec", "steadyState"), "spec.steadyState"),
    ("steps beside a fault", chaos(steps=[STEP]), "set target and fault, or steps"),
    ("a duration beside steps", {**STEPS, "spec": {**STEPS["spec"], "duration": "3s"}}, "each step has its own"),
    ("a step without a fault", steps(without(STEP, "fault")), "spec.steps[0].fault"),
    ("a step with a name of no name", steps({**STEP, "name": "A b"}), "spec.steps[0].name"),
    ("a step with a value without a mode", steps({**STEP, "target": {**PODS, "value": 2}}), "target.value must be set"),
    ("too many steps", steps(*({**STEP, "name": f"s{number}"} for number in range(9))), "spec.steps"),
    ("a repetition of once", chaos(repeat={"times": 1}), "spec.repeat.times"),
    ("a ramp of one stage", chaos(ramp={"stages": 1}), "spec.ramp.stages"),
    (
        "a probe that is never judged",
        chaos(probes=[{"name": "p", "when": [], "http": PROBE["http"]}]),
        "spec.probes[0].when",
    ),
    ("a condition that all failures do not meet", chaos(abort=[{"name": "a", "maxFailureRate": 1}]), "maxFailureRate"),
    ("no target", without(chaos(), "spec", "target"), "spec.target"),
    (
        "a probe that is no web address",
        chaos(steadyState={"http": {"url": "file:///etc"}}),
        "spec.steadyState.http.url",
    ),
    ("a rate above one", chaos(steadyState={**PROBE, "minSuccessRate": 1.5}), "spec.steadyState.minSuccessRate"),
    ("a rate of nothing", chaos(steadyState={**PROBE, "minSuccessRate": 0}), "spec.steadyState.minSuccessRate"),
    ("a duration in words", drift(timeout="ten minutes"), "spec.timeout"),
    ("a duration without a unit", drift(timeout="10"), "spec.timeout"),
    ("no clusters", drift(clusters={}), "spec.clusters"),
    ("too many clusters", drift(clusters={"names": [f"c{n}" for n in range(65)]}), "spec.clusters.names"),
    ("a cluster's name with blanks", drift(clusters={"names": ["a b"]}), "spec.clusters.names[0]"),
    ("a schedule that is too long", drift(schedule="0 " * 100), "spec.schedule"),
    ("too much history", drift(historyLimit=51), "spec.historyLimit"),
    ("a policy that is not known", drift(concurrencyPolicy="Allow"), "spec.concurrencyPolicy"),
    ("two places for data", drift(current={"inline": {"csv": "a"}, "file": {"path": "/x"}}), "spec.current"),
    ("no place for data", drift(current={}), "spec.current"),
    ("a window of nothing", drift(current={"window": {"column": "at", "last": "1h"}}), "spec.current"),
    (
        "an exact comparison by several workers",
        drift(scale={"mode": "Exact", "workers": 2}),
        "scale.workers must be 1 with scale.mode Exact",
    ),
    ("labels for several workers", drift(scale={"workers": 2}, target="y"), "sketches keep no rows"),
    ("sketches of dependent rows", drift(scale={"mode": "Sketch"}, rows={"dependent": True}), "sketches keep no rows"),
    ("a check that asks nothing", pipeline_test(checks=[{"name": "x"}]), "spec.checks[0]"),
    (
        "a check that asks two things",
        pipeline_test(checks=[{"nulls": {"columns": ["id"]}, "volume": {"min": 1}}]),
        "spec.checks[0]",
    ),
    ("a check of no column", pipeline_test(checks=[{"nulls": {"columns": []}}]), "spec.checks[0].nulls.columns"),
    ("a field with a typo", drift(scedule="0 * * * *"), "spec.scedule"),
    ("a command", drift(command="rm -rf /"), "spec.command"),
    ("a target without a name for its Secret", target("t", secretRef={}), "spec.secretRef.name"),
    ("a target that allows more than all", target("t", policy={"maxAffectedPercent": 101}), "maxAffectedPercent"),
]
ACCEPTED: list[tuple[str, Object]] = [
    ("a ChaosExperiment", chaos()),
    ("a DriftCheck", drift()),
    (
        "a window, and labels that come later",
        drift(
            current={
                "s3": {"bucket": "features", "prefix": "payments/"},
                "window": {"column": "at", "last": "1h", "offset": "168h"},
                "labels": {"source": {"inline": {"csv": "id,fraud\n"}}, "idColumn": "id"},
            }
        ),
    ),
    ("a DriftCheck of several workers", drift(scale={"workers": 8}, rows={"order": "at"})),
    ("an exact one with labels", drift(scale={"mode": "Exact"}, target="y", segments={"column": "z"})),
    ("a DataPipelineTest", pipeline_test(checks=[{"name": "rows", "weight": 2, "volume": {"min": 1}}])),
    ("all of a schedule", drift(schedule="0 */6 * * *", timeZone="Europe/Zurich", startingDeadlineSeconds=60)),
    ("clusters by labels", drift(clusters={"matchLabels": {"industry": "finance"}})),
    ("a packet loss", chaos(fault={"packetLoss": {"port": 8080, "percent": 100}})),
    ("half of the pods", chaos(target={**PODS, "mode": "Percent", "value": 50})),
    ("a target that is the hub", target("hub")),
    ("steps", steps(STEP, {**STEP, "name": "again", "after": ["kill"], "delay": "2s"})),
    (
        "a condition, a probe, a ramp and a repetition",
        chaos(
            target={**PODS, "mode": "All"},
            abort=[{"name": "a", "maxFailureRate": 0.5, "window": "2s"}],
            probes=[{"name": "p", "when": ["During", "Continuous"], "http": PROBE["http"]}],
            ramp={"stages": 2},
            repeat={"times": 6, "confidence": 0.95, "maxMedianRecovery": "20s"},
        ),
    ),
]


def dry_run(world: World, body: Object) -> None:
    """What `kubectl apply --dry-run=server` does: unknown fields are refused."""
    body = {**body, "metadata": {**body["metadata"], "namespace": "default"}}
    where = collection(body)
    if body["kind"] == "TargetCluster":
        del body["metadata"]["namespace"]
    world.hub.request("POST", where, body, params={"dryRun": "All", "fieldValidation": "Strict"})


@pytest.mark.parametrize(("body", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused_at_admission_with_the_name_of_the_field(world: World, body: Object, says: str) -> None:
    with pytest.raises(HttpError) as caught:
        dry_run(world, body)
    assert caught.value.status in (400, 422)
    assert says in caught.value.message


@pytest.mark.parametrize("body", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_accepted_at_admission(world: World, body: Object) -> None:
    dry_run(world, body)


def test_samples_are_accepted(world: World) -> None:
    found = [
        body
        for path in sorted(SAMPLES.rglob("*.yaml"))
        for body in yaml.safe_load_all(path.read_text())
        if body and body["apiVersion"].startswith(GROUP)
    ]
    assert found, f"no samples in {SAMPLES}"
    for body in found:
        dry_run(world, body)


# -- runs ----------------------------------------------------------------------------------------------------------

tales = Stories()


def ran_once(world: World, subject: Subject, runs: int = 1) -> None:
    """So many runs, each carried out exactly once, and nothing left."""
    tallies = world.tallies(subject)
    assert len(tallies) == runs, tallies
    assert all(tally.injected == 1 for tally in tallies), tallies
    assert world.markers(subject) == []


def until_fault(world: World, subject: Subject) -> None:
    """Wait until a fault of it is on, and status tells of it."""
    eventually(lambda: world.markers(subject), f"{subject.key}: the fault is on")
    subject.until_condition("Injected", "True")


@tales.story
def a_new_experiment_runs_at_once(world: World) -> None:
    subject = world.subject(chaos()).create()
    status = subject.until_run()
    assert {name: subject.condition(name) for name in ("Complete", "Passed", "Injected", "RecoveryVerified")} == {
        "Complete": ("True", "Finished"),
        "Passed": ("True", "Passed"),
        "Injected": ("True", "Seen"),
        "RecoveryVerified": ("True", "Seen"),
    }
    assert (status["verdict"], status["score"], status["passRate"]) == ("Passed", 100, "100%")
    assert status["lastRun"]["trigger"].startswith("Spec:")
    assert status["clusterSummary"] == "1/1"
    assert status["observedGeneration"] == 1
    subject.until(lambda s: s.events() == [("Normal", "Passed")], "its Event")
    subject.until(lambda s: not s.finalized, "the finalizer goes when all is undone")
    ran_once(world, subject)


@tales.story
def a_run_of_two_targets_is_one_run(world: World) -> None:
    subject = world.subject(drift("both", "finance", "iot")).create()
    status = subject.until_run()
    assert status["clusterSummary"] == "2/2"
    assert [entry["name"] for entry in status["clusters"]] == ["finance", "iot"]
    assert [len(world.tallies(subject, name)) for name in ("finance", "iot")] == [1, 1]


@tales.story
def a_failure_says_so(world: World) -> None:
    subject = world.subject(drift())
    world.places["finance"].stand_in.part(subject.key, verdict=Verdict.FAILED)
    status = subject.create().until_run()
    assert subject.condition("Passed") == ("False", "Failed")
    assert (status["verdict"], status["score"]) == ("Failed", 0)
    subject.until(lambda s: s.events() == [("Warning", "Failed")], "its Event")


@tales.story
def run_at_starts_one_run_for_each_new_value(world: World) -> None:
    subject = world.subject(drift()).create()
    subject.until_run()
    for number, value in enumerate(("one", "two", "x" * 300), start=2):
        subject.annotate(run_at=value)
        status = subject.until_run(number)
        assert status["lastRun"]["trigger"].startswith(f"RunAt:{value[:10]}")
    subject.annotate(run_at=None)
    subject.annotate(run_at="x" * 300)
    never(lambda: len(subject.runs()) > 4, "a value that was handled runs again", during=2)
    ran_once(world, subject, runs=4)


@tales.story
def a_held_resource_waits_to_be_asked(world: World) -> None:
    body = drift(onCreate="Hold")
    body["metadata"]["annotations"] = {"firedrill.dev/run-at": "restored from a backup"}
    subject = world.subject(body).create()
    subject.until(lambda s: s.condition("Complete") == ("False", "Held"), "it is held")
    never(lambda: subject.status.get("lastRun"), "a held resource runs", during=2)
    subject.annotate(run_at="now")
    assert subject.until_run()["lastRun"]["trigger"] == "RunAt:now"
    ran_once(world, subject)


@tales.story
def a_suspended_resource_runs_once_it_is_resumed(world: World) -> None:
    subject = world.subject(drift(suspend=True)).create()
    subject.until(lambda s: s.condition("Complete") == ("False", "Suspended"), "it is suspended")
    subject.annotate(run_at="now")
    never(lambda: subject.status.get("lastRun"), "a suspended resource runs", during=2)
    subject.change(suspend=False)
    subject.until_run()
    subject.change(suspend=True)
    subject.until(lambda s: s.status["observedGeneration"] == 3, "the change is seen")
    assert subject.condition("Complete") == ("True", "Finished")
    ran_once(world, subject)


@tales.story
def a_schedule_starts_runs_and_names_the_next(world: World) -> None:
    subject = world.subject(drift(schedule="* * * * *", timeZone="Asia/Kathmandu")).create()
    subject.until(lambda s: s.status.get("nextRun"), "the next run is named")
    assert subject.condition("Complete") == ("False", "Scheduled")
    planned = subject.status["nextRun"]
    status = subject.until_run(within=180)
    assert status["lastRun"]["trigger"] == f"Schedule:{planned}"
    assert status["nextRun"] > planned
    subject.change(suspend=True)
    subject.until(lambda s: "nextRun" not in s.status, "a suspended schedule has no next run")


@tales.story
def a_change_of_the_spec_ends_the_run_and_starts_another(world: World) -> None:
    subject = world.subject(chaos(duration="120s", timeout="10m"))
    subject.create()
    until_fault(world, subject)
    # A shorter timeout must not make the time for undoing of the run that goes on look over.
    subject.change(duration="1s", timeout="40s")
    status = subject.until_run(2)
    assert [entry["verdict"] for entry in status["history"]] == ["Passed", "Inconclusive"]
    ran_once(world, subject, runs=2)
    subject.until(lambda s: s.events() == [("Warning", "Inconclusive"), ("Normal", "Passed")], "its Events")
    first, second = status["history"][1], status["history"][0]
    assert first["finishedAt"] <= second["startedAt"]
    assert all(tally.undone == 1 for tally in world.tallies(subject))


@tales.story
def replace_ends_the_run_that_goes_on(world: World) -> None:
    subject = world.subject(chaos(duration="120s", concurrencyPolicy="Replace"))
    subject.create()
    until_fault(world, subject)
    world.places["finance"].stand_in.part(subject.key, hold=0.5)
    subject.annotate(run_at="now")
    status = subject.until_run(2)
    assert [entry["verdict"] for entry in status["history"]] == ["Passed", "Inconclusive"]
    ran_once(world, subject, runs=2)


@tales.story
def forbid_lets_the_run_that_goes_on_end(world: World) -> None:
    subject = world.subject(chaos(duration="3s"))
    subject.create()
    until_fault(world, subject)
    subject.annotate(run_at="now")
    status = subject.until_run(2)
    assert [entry["verdict"] for entry in status["history"]] == ["Passed", "Passed"]
    ran_once(world, subject, runs=2)


@tales.story
def a_check_that_does_not_start_times_out(world: World) -> None:
    subject = world.subject(drift(timeout="5s"))
    world.places["finance"].stand_in.part(subject.key, never_start=True)
    status = subject.create().until_run()
    assert (status["verdict"], status["clusters"][0]["reason"]) == ("Inconclusive", "Timeout")
    assert subject.condition("Complete")[0] == "True"


@tales.story
def an_experiment_that_does_not_start_in_time_is_fenced(world: World) -> None:
    subject = world.subject(chaos(timeout="14s"))
    stand_in = world.places["finance"].stand_in
    stand_in.part(subject.key, never_start=True)
    status = subject.create().until_run()
    assert (status["verdict"], status["clusters"][0]["reason"]) == ("Inconclusive", "Timeout")
    subject.until(lambda s: not s.finalized, "nothing needs undoing")
    stand_in.part(subject.key, never_start=False)
    eventually(lambda: world.tallies(subject), "the late pod starts")
    never(lambda: counted(world.tallies(subject))["injected"], "a late pod injects", during=2)


@tales.story
def history_is_cut_and_rated(world: World) -> None:
    subject = world.subject(drift(historyLimit=3))
    stand_in = world.places["finance"].stand_in
    subject.create().until_run()
    for number, verdict in enumerate((Verdict.FAILED, Verdict.PASSED), start=2):
        stand_in.part(subject.key, verdict=verdict)
        subject.annotate(run_at=str(number))
        subject.until_run(number)
    assert (subject.status["passRate"], subject.status["flipRate"]) == ("67%", "100%")
    last = subject.status["lastRun"]["id"]
    subject.annotate(run_at="4")
    subject.until(lambda s: s.runs()[0] != last and s.condition("Complete")[0] == "True", "a fourth run")
    assert [entry["verdict"] for entry in subject.status["history"]] == ["Passed", "Passed", "Failed"]
    assert len(set(subject.runs())) == 3


@tales.story
def one_failure_below_the_threshold_is_no_failure(world: World) -> None:
    subject = world.subject(drift(failureThreshold={"failures": 2, "of": 3}))
    world.places["finance"].stand_in.part(subject.key, verdict=Verdict.FAILED)
    subject.create().until_run()
    assert subject.condition("Passed") == ("True", "BelowThreshold")
    assert subject.status["verdict"] == "Failed"
    subject.annotate(run_at="again")
    subject.until_run(2)
    assert subject.condition("Passed") == ("False", "Failed")


@tales.story
def a_target_that_does_not_exist_is_no_pass(world: World) -> None:
    for body in (drift("named", "nowhere"), drift("labelled", clusters={"matchLabels": {"industry": "nowhere"}})):
        subject = world.subject(body).create()
        status = subject.until_run()
        assert (status["verdict"], subject.condition("Passed")) == ("Inconclusive", ("Unknown", "NoTargets"))
        assert subject.condition("Complete") == ("True", "NoTargets")
        subject.until(lambda s: ("Warning", "NoTargets") in s.events(), "its Event")


@tales.story
def a_target_that_is_created_with_its_experiment_is_found(world: World) -> None:
    """GitOps applies both at once."""
    name = "just-now"
    subject = world.subject(drift("early", name))
    world.hub.apply(target(name, secret="finance"))
    subject.create()
    assert subject.until_run()["verdict"] == "Passed"
    world.hub.delete(paths.firedrill("targetclusters", name=name))


def forbidding(rule: str, **spec: Any) -> None:
    name = rule.lower().replace(".", "-").rsplit("-", 1)[-1]

    def told(world: World) -> None:
        world.hub.apply(target(f"no-{name}", secret="finance", **spec))
        subject = world.subject(chaos("refused", f"no-{name}")).create()
        status = subject.until_run()
        assert (status["verdict"], status["clusters"][0]["reason"]) == ("Inconclusive", "NotPermitted")
        assert rule in status["message"]
        assert subject.condition("Complete")[0] == "True"
        subject.until(lambda s: not s.finalized, "no finalizer stays")
        writes = Counter(write.label for write in world.writes(subject.key))
        assert not [label for label in writes if "jobs" in label or "configmaps" in label], writes

    tales.add(f"a_target_refuses_by_{rule}", told)


forbidding("spec.policy.hubNamespaces", policy={"faultFamilies": ["workload"], "hubNamespaces": ["other"]})
forbidding("spec.policy.kinds", policy={"faultFamilies": ["workload"], "kinds": ["DriftCheck"]})
forbidding("spec.policy.faultFamilies", policy={"faultFamilies": ["network"]})
forbidding("spec.suspend", suspend=True)


@tales.story
def a_spec_that_only_we_can_refuse_is_told_in_status(world: World) -> None:
    subject = world.subject(chaos(steadyState={**PROBE, "window": "10ms"})).create()
    subject.until_condition("Complete", "True")
    assert subject.condition("Complete") == ("True", "InvalidSpec")
    assert "window must be at least 5 times http.interval" in subject.status["message"]
    assert "spec.steadyState" in subject.status["message"]
    subject.until(lambda s: s.events() == [("Warning", "InvalidSpec")], "its Event")
    subject.change(steadyState=PROBE)
    assert subject.until_run()["verdict"] == "Passed"
    assert subject.condition("Complete") == ("True", "Finished")


@tales.story
def a_resource_of_the_same_name_is_another(world: World) -> None:
    """The finalizer is taken away by force while the fault is on; then the name is used again."""
    namespace = world.namespace()
    first = world.subject(chaos(duration="120s"), namespace).create()
    until_fault(world, first)
    first.hub.merge(first.path, {"metadata": {"finalizers": None}})
    first.delete()
    first.until_gone()
    second = world.subject(drift("kill") | {"kind": "ChaosExperiment", "spec": chaos()["spec"]}, namespace).create()
    second.until_run()
    assert second.status["verdict"] == "Passed"
    eventually(lambda: not world.markers(first), "the fault of the first is undone")
    assert [(t.injected, t.undone) for t in world.tallies(second)] == [(1, 1), (1, 1)]
    eventually(lambda: len(world.jobs(second, "runner")) == 1, "the second has its Job")
    eventually(lambda: not world.leftovers(first), "the objects of the first are removed")


@tales.story
def a_resource_that_is_forced_away_before_its_run_is_claimed_injects_nothing(world: World) -> None:
    subject = world.subject(chaos(duration="120s"))
    stand_in = world.places["finance"].stand_in
    stand_in.part(subject.key, never_start=True)
    subject.create()
    eventually(lambda: world.jobs(subject, "runner") and world.jobs(subject, "guardian"), "its Jobs")
    subject.hub.merge(subject.path, {"metadata": {"finalizers": None}})
    subject.delete()
    eventually(lambda: not world.leftovers(subject), "nothing is left")
    labels = [write.label for write in world.writes(subject.key) if write.done]
    assert labels.index("POST configmaps (record)") < labels.index("DELETE jobs"), labels
    assert counted(world.tallies(subject))["injected"] == 0


@tales.story
def a_runner_that_dies_leaves_it_to_the_guardian(world: World) -> None:
    for state in (RecordState.APPLYING, RecordState.APPLIED, RecordState.UNDOING):
        subject = world.subject(chaos(f"dies-in-{state.value.lower()}"))
        world.places["finance"].stand_in.part(subject.key, die_in=state)
        status = subject.create().until_run()
        assert (status["verdict"], status["clusters"][0]["reason"]) == ("Error", "RunnerFailed")
        assert "score" not in status
        ran_once(world, subject)
        assert [tally.undone_by for tally in world.tallies(subject)] == ["guardian"]
        assert subject.condition("RecoveryVerified") == ("Unknown", "UndoneNotProbed"), "no probe has confirmed it"
        subject.until(lambda s: not s.finalized, "the finalizer goes")


@tales.story
def a_runner_that_hears_no_abort_is_overtaken_by_the_guardian(world: World) -> None:
    subject = world.subject(chaos(duration="300s"))
    world.places["finance"].stand_in.part(subject.key, deaf=True)
    subject.create()
    until_fault(world, subject)
    subject.delete()
    subject.until_gone()
    assert world.markers(subject) == []
    assert [tally.undone_by for tally in world.tallies(subject)] == ["guardian"]


@tales.story
def a_run_without_a_result_is_an_error(world: World) -> None:
    subject = world.subject(drift(timeout="10m"))
    world.places["finance"].stand_in.part(subject.key, no_result=True)
    status = subject.create().until_run()
    assert (status["verdict"], status["clusters"][0]["reason"]) == ("Error", "RunnerFailed")


@tales.story
def a_large_report_and_many_measurements_fit(world: World) -> None:
    subject = world.subject(drift())
    world.places["finance"].stand_in.part(subject.key, measurements=200, report_bytes=200_000)
    status = subject.create().until_run()
    assert status["verdict"] == "Passed"
    entry = status["clusters"][0]
    assert (len(entry["measurements"]), entry["omitted"]) == (32, 168)
    assert entry["report"].startswith("configmap:firedrill/")


# -- faults of the API ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """Something that goes wrong with the writes of one life, and how often."""

    name: str
    action: Action
    label: str
    times: float = 1
    skip: int = 0


TROUBLES = [
    Trouble("conflict_at_the_beginning", Answer(409, "Conflict"), "PUT chaosexperiments/status (run begins)"),
    Trouble("conflict_at_the_verdict", Answer(409, "Conflict"), "PUT chaosexperiments/status (verdict)", times=3),
    Trouble("conflict_at_the_finalizer", Answer(409, "Conflict"), "PATCH chaosexperiments (remove finalizer)"),
    Trouble("throttled_at_the_job", Answer(429, "TooManyRequests", retry_after=2), "POST jobs (runner)", times=2),
    Trouble("throttled_without_a_time", Answer(429, "TooManyRequests"), "POST jobs (guardian)"),
    Trouble("errors_for_a_while", Answer(500, "InternalError"), "", times=6),
    Trouble("forbidden_for_a_while", Answer(403, "Forbidden"), "POST configmaps (task)", times=2),
    Trouble("unprocessable_once", Answer(422, "Invalid"), "PATCH chaosexperiments (add finalizer)"),
    Trouble("not_found_once", Answer(404, "NotFound"), "PUT chaosexperiments/status (verdict)"),
    Trouble("job_done_but_answer_lost", LoseAnswer(), "POST jobs (runner)"),
    Trouble("guardian_done_but_answer_hangs", LoseAnswer(hang=True), "POST jobs (guardian)"),
    Trouble("verdict_done_but_answer_hangs", LoseAnswer(hang=True), "PUT chaosexperiments/status (verdict)"),
    Trouble("finalizer_done_but_answer_lost", LoseAnswer(), "PATCH chaosexperiments (add finalizer)"),
    Trouble("connections_cut", Drop(), "", times=4),
    Trouble("event_refused", Answer(403, "Forbidden"), "POST events (Passed)"),
]


def troubled(trouble: Trouble) -> Callable[[World], None]:
    def told(world: World) -> None:
        subject = world.subject(chaos())
        faults = []
        for proxy in world.proxies():

            def matches(request: Request, proxy: Any = proxy) -> bool:
                mine = (request.owner or proxy.owner_of(request.job)) == subject.key
                return mine and request.mutating and trouble.label in ("", request.label)

            faults.append((proxy, proxy.add(trouble.action, matches, times=trouble.times, skip=trouble.skip)))
        try:
            subject.create()
            status = subject.until_run()
            subject.until(lambda s: not s.finalized, "the finalizer goes")
        finally:
            for proxy, fault in faults:
                proxy.remove(fault)
        assert sum(fault.hits for _, fault in faults) >= 1, "the trouble never came"
        assert status["verdict"] == "Passed"
        assert len(subject.status["history"]) == 1
        done = Counter(write.label for write in world.writes(subject.key) if write.done)
        assert (done["POST jobs (runner)"], done["POST jobs (guardian)"]) == (1, 1)
        ran_once(world, subject)

    return told


for each in TROUBLES:
    tales.add(f"trouble: {each.name}", troubled(each))


@tales.parametrize()
def test_story(name: str, world: World, operator: OperatorProcess) -> None:
    tales.tell(name, world)


# -- what concerns all of them, once they have been told -------------------------------------------------------------

#: Writes of one run, from creation to the finalizer's going; what may be more is told in docs/testing.md.
CHAOS_WRITES = [
    "PATCH chaosexperiments (add finalizer)",
    "PUT chaosexperiments/status (run begins)",
    "POST jobs (runner)",
    "POST jobs (guardian)",
    "POST configmaps (task)",
    "PUT chaosexperiments/status (fault is on)",
    "PUT chaosexperiments/status (verdict)",
    "POST events (Passed)",
    "PATCH chaosexperiments (remove finalizer)",
]
#: Written only where the record was seen in that state before the next came.
SOMETIMES = ("PUT chaosexperiments/status (changes begin)", "PUT chaosexperiments/status (fault is undone)")
DRIFT_WRITES = [
    "PUT driftchecks/status (run begins)",
    "POST jobs (runner)",
    "POST configmaps (task)",
    "PUT driftchecks/status (verdict)",
    "POST events (Passed)",
]


@pytest.mark.parametrize(
    ("body", "expected"), [(chaos("counted"), CHAOS_WRITES), (drift("counted"), DRIFT_WRITES)], ids=["chaos", "drift"]
)
def test_writes_of_a_run(body: Object, expected: list[str], world: World, operator: OperatorProcess) -> None:
    subject = world.subject(body).create()
    subject.until_run()
    subject.until(lambda s: s.events() and not s.finalized, "all is done")
    labels = [write.label for write in world.writes(subject.key)]
    print(f"\nwrites of a run of {body['kind']}: {len(labels)}\n  " + "\n  ".join(labels))
    assert [label for label in labels if label not in SOMETIMES] == expected
    assert all(labels.count(label) <= 1 for label in SOMETIMES)


def test_a_check_that_a_probe_names_is_resolved_into_the_task(world: World, operator: OperatorProcess) -> None:
    """Also in the runner's copy it is the spec of that moment; what is not there is left to the runner to refuse."""
    namespace = world.namespace()
    check = world.subject(drift("prices", onCreate="Hold"), namespace).create()
    probes = [
        {"name": name, "when": ["Before"], "resource": {"kind": "DriftCheck", "name": name, "interval": "200ms"}}
        for name in ("prices", "gone")
    ]
    subject = world.subject(chaos("named", probes=probes), namespace).create()
    subject.until_run()
    (tally,) = world.tallies(subject)
    assert tally.task is not None
    assert tally.task.checks == {"DriftCheck/prices": check.read()["spec"]}


def test_changes_of_metadata_alone_cause_nothing(world: World, operator: OperatorProcess) -> None:
    subject = world.subject(drift("tracked")).create()
    subject.until_run()
    subject.until(lambda s: s.events(), "all is done")
    before = len(world.writes(subject.key))
    tracking = {"argocd.argoproj.io/tracking-id": "app:firedrill.dev/DriftCheck:team/tracked"}
    for number in range(3):
        subject.hub.merge(
            subject.path,
            {"metadata": {"annotations": tracking, "labels": {"app.kubernetes.io/instance": f"a{number}"}}},
        )
    never(lambda: world.writes(subject.key)[before:], "metadata alone causes a write", during=3)
    assert len(subject.runs()) == 1


def test_a_halt_undoes_everything_and_blocks_what_is_new(world: World, operator: OperatorProcess) -> None:
    going = world.subject(chaos("going", duration="300s")).create()
    until_fault(world, going)
    halt = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "firedrill-halt", "namespace": HUB_NAMESPACE},
        "data": {"reason": "incident 42"},
    }
    world.hub.apply(halt)
    try:
        going.until_run()
        assert going.condition("Complete") == ("True", "Halted")
        assert "incident 42" in going.status["message"]
        assert world.markers(going) == []
        held = world.subject(chaos("held")).create()
        held.until(lambda s: s.condition("Complete") == ("False", "Halted"), "it is held back")
        assert "incident 42" in held.status["message"]
        assert world.subject(drift("read-only")).create().until_run()["verdict"] == "Passed"
        never(lambda: held.status.get("lastRun"), "something is started during a halt", during=2)
    finally:
        world.hub.delete(paths.configmaps(HUB_NAMESPACE, "firedrill-halt"))
    held.until_run()
    assert held.status["verdict"] == "Passed"


def test_a_halt_that_comes_and_goes_holds_nothing_back_for_long(world: World, operator: OperatorProcess) -> None:
    halt = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "firedrill-halt", "namespace": HUB_NAMESPACE}}
    world.hub.apply(halt)
    try:
        held = world.subject(chaos("held")).create()
        held.until(lambda s: s.condition("Complete") == ("False", "Halted"), "it is held back")
    finally:
        world.hub.delete(paths.configmaps(HUB_NAMESPACE, "firedrill-halt"))
    assert held.until_run()["verdict"] == "Passed"


def test_where_runs_are_looked_for_can_not_be_changed(world: World, operator: OperatorProcess) -> None:
    where = paths.firedrill("targetclusters", name="finance")
    with pytest.raises(HttpError, match="runnerNamespace can not be changed"):
        world.hub.merge(where, {"spec": {"runnerNamespace": "elsewhere"}})
    world.hub.merge(where, {"spec": {"suspend": False}})


def test_idle_costs_no_writes(world: World, operator: OperatorProcess) -> None:
    """With all the resources of this module lying there. The Lease is renewed, which is counted apart."""
    resources = [
        item for kind in ("chaosexperiments", "driftchecks") for item in world.hub.items(paths.firedrill(kind))
    ]
    assert len(resources) >= 10
    eventually(lambda: quiet_for(world, 3), "it is quiet")
    since, leases, window = time.monotonic(), world.proxy.leases, 10
    never(lambda: world.writes(since=since), "something is written while nothing happens", during=window)
    renewals = world.proxy.leases - leases
    print(f"\nidle for {window} s with {len(resources)} resources: 0 writes, {renewals} renewals of the lease")
    assert renewals >= 1, "the lease is not renewed: nobody was there to write"


def quiet_for(world: World, seconds: float) -> bool:
    """Whether nothing was written for so long."""
    writes = world.writes()
    return not writes or time.monotonic() - writes[-1].at > seconds
