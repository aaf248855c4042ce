"""What the operator makes of runs that act on drift: what the next one is told, what is taken away, what people see."""

from typing import Any

import pytest

from firedrill.api.kinds import DRIFT_CHECK
from firedrill.api.ondrift import REACTED, Reacted
from firedrill.api.resource import RunResource
from firedrill.api.run import ClusterResult, HistoryEntry, RunRef, RunStatus
from firedrill.api.verdict import Condition, ConditionStatus, Finding, Verdict
from firedrill.core import naming
from firedrill.core.case import Case
from firedrill.core.observed import RunContext, RunObjects, TargetView
from firedrill.core.reacting import Known, earlier_of, told_reactions, without_reacted
from firedrill.core.refusal import refusal
from firedrill.core.summary import finish
from support.seen import T0, UID, after, resource, result, target

ON_DRIFT = {"cooldown": "24h", "actions": [{"job": {"namespace": "ml", "cronJob": "retrain"}}]}


def check(status: RunStatus | None = None, **spec: Any) -> RunResource:
    return resource(DRIFT_CHECK, status or RunStatus(), **{"onDrift": ON_DRIFT, **spec})


def known(of: RunResource, runs: dict[str, RunObjects]) -> Known:
    view = TargetView(target(), True, runs=runs)
    run = RunContext("now", T0, after(60), mutates=False)
    return earlier_of(Case(of, run, ClusterResult(name="finance"), "job", view, RunObjects(), T0))


def noted(run: str, seconds: float) -> RunObjects:
    return RunObjects(reaction=Reacted(run_id=run, at=after(seconds)))


def in_vain(of: RunResource, run: str) -> dict[str, RunObjects]:
    """The result of a run that could start nothing."""
    finding = Finding(type=REACTED, status=ConditionStatus.FALSE, reason="ActionFailed")
    told = result(run).model_copy(update={"findings": [finding]})
    return {naming.job_name("DriftCheck", of.meta.name, UID, run, "finance"): RunObjects(result=told)}


def test_a_run_is_told_of_the_last_one_that_acted_and_older_notes_go() -> None:
    found = known(check(), {"a": noted("one", 1), "b": noted("two", 2), "c": RunObjects()})
    assert found.earlier.reacted is not None
    assert (found.earlier.reacted.run_id, found.spent) == ("two", ("a-reaction",))


def test_one_that_could_start_nothing_does_not_count() -> None:
    of = check()
    found = known(of, {"a": noted("one", 1), "b": noted("two", 2), **in_vain(of, "two")})
    assert found.earlier.reacted is not None
    assert (found.earlier.reacted.run_id, found.spent) == ("one", ("b-reaction",))


@pytest.mark.parametrize(("history", "failed"), [("FFFF", 2), ("PFFF", 1), ("PP", 0), ("", 0)])
def test_the_runs_that_the_threshold_looks_at_are_counted(history: str, failed: int) -> None:
    letters = {"F": Verdict.FAILED, "P": Verdict.PASSED}
    entries = [
        HistoryEntry(id=str(n), verdict=letters[v], started_at=T0, finished_at=T0) for n, v in enumerate(history)
    ]
    of = check(RunStatus(history=entries), failureThreshold={"failures": 2, "of": 3})
    assert known(of, {}).earlier.failed == failed


def test_without_on_drift_nothing_is_told_and_nothing_taken_away() -> None:
    assert known(check(onDrift=None), {"a": noted("one", 1)}) == Known()


def entry(name: str, reason: str) -> ClusterResult:
    status = ConditionStatus.TRUE if reason == "Started" else ConditionStatus.FALSE
    findings = [Condition(type=REACTED, status=status, reason=reason, message=f"m {reason}")] if reason else []
    return ClusterResult(name=name, verdict=Verdict.FAILED, reason="DriftDetected", findings=findings)


@pytest.mark.parametrize(
    ("reasons", "status", "reason"),
    [
        (["Started"], ConditionStatus.TRUE, "Started"),
        (["NotDrifted", "Started"], ConditionStatus.TRUE, "Started"),
        (["Started", "ActionFailed"], ConditionStatus.FALSE, "ActionFailed"),
        (["Started", "PartlyStarted"], ConditionStatus.FALSE, "PartlyStarted"),
        (["CoolingDown", "NotDrifted"], ConditionStatus.FALSE, "CoolingDown"),
        ([""], ConditionStatus.FALSE, "NotReached"),
    ],
)
def test_the_condition_is_that_of_the_target_that_says_most(
    reasons: list[str], status: ConditionStatus, reason: str
) -> None:
    clusters = [entry(f"c{n}", each) for n, each in enumerate(reasons)]
    ended = finish(check(), clusters, RunRef(id="now", trigger="Spec:x", started_at=T0), "", after(5))
    (found,) = [each for each in ended.conditions if each.type == REACTED]
    assert (found.status, found.reason) == (status, reason)
    assert ended.verdict is Verdict.FAILED
    assert not [each for each in without_reacted(ended).conditions if each.type == REACTED]


def test_a_check_that_starts_nothing_has_no_such_condition() -> None:
    plain = finish(check(onDrift=None), [entry("c", "")], RunRef(id="n", trigger="t", started_at=T0), "", after(5))
    assert not [each for each in plain.conditions if each.type == REACTED]


def test_events_tell_what_was_started_and_warn_of_what_was_not() -> None:
    told = told_reactions([entry("a", "Started"), entry("b", "ActionFailed"), entry("c", "CoolingDown")])
    assert [(each.reason, each.warning) for each in told] == [("OnDriftStarted", False), ("OnDriftActionFailed", True)]


@pytest.mark.parametrize(
    ("action", "policy", "said"),
    [
        (ON_DRIFT["actions"][0], {"targetNamespaces": ["shop"]}, "does not allow namespace ml"),
        (ON_DRIFT["actions"][0], {"targetNamespaces": ["ml"]}, ""),
        (
            {"argoWorkflow": {"namespace": "ml", "workflowTemplate": "t"}},
            {"targetNamespaces": ["shop"]},
            "namespace ml",
        ),
        ({"sageMakerPipeline": {"pipelineName": "p"}}, {}, "does not allow the pipeline p"),
        ({"sageMakerPipeline": {"pipelineName": "p"}}, {"sageMakerPipelines": ["p"]}, ""),
        ({"sageMakerPipeline": {"pipelineName": "p", "secretRef": {"name": "own"}}}, {}, ""),
    ],
)
def test_what_the_policy_of_a_target_forbids_is_not_begun(action: Any, policy: dict[str, Any], said: str) -> None:
    of = check(onDrift={"actions": [action]})
    refused = refusal(of, TargetView(target(policy=policy), True), T0)
    assert said in refused.message if refused else said == "", refused
