"""What a run that has found drift starts: once, whatever dies and however often it is tried, and what it says of it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from chaos_clock import VirtualClock
from chaos_cluster import World
from chaos_lab import task as chaos_task
from chaos_process import Killed, Process

from firedrill.api.driftcheck import DriftCheckSpec
from firedrill.api.ondrift import CronJobStart, DriftAction, Earlier, Reacted
from firedrill.api.targetcluster import TargetPolicy
from firedrill.api.task import Task
from firedrill.api.verdict import ConditionStatus, Verdict
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Forbidden, Unreachable
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.reactions.port import ActionFailed, Came, Found, Occasion, Reaction
from firedrill.runner.reactions.reacting import Reactor, only_told
from firedrill.runner.record_store import RecordStore
from firedrill.sources.context import without_secrets
from firedrill.sources.login import Login

Object = dict[str, Any]
JOB: Object = {"job": {"namespace": "ml", "cronJob": "retrain"}}
ARGO: Object = {"argoWorkflow": {"namespace": "ml", "workflowTemplate": "retrain", "parameters": {"model": "fraud"}}}
HOOK: Object = {"webhook": {"url": "https://hooks.ml/drift"}}
PIPELINE: Object = {"sageMakerPipeline": {"pipelineName": "fraud", "region": "eu-west-1"}}
CHAT: Object = {"notification": {"secretRef": {"name": "chat"}}}
LABELS = {"firedrill.dev/hub-namespace": "sre"}
DRIFTED = Found(Verdict.FAILED, "1 of 2 columns has drifted", ("amount",))


def spec(*actions: Object, **fields: Any) -> Object:
    table = {"inline": {"csv": "a\n1\n"}}
    on_drift = {"cooldown": "1h", "actions": list(actions or (JOB,))}
    return {"clusters": {"names": ["finance"]}, "reference": table, "current": table, "onDrift": on_drift, **fields}


class Ml:
    """A target with a CronJob and a WorkflowTemplate that resources of ``sre`` may use."""

    def __init__(self, labels: Object | None = None, read_login: Any = without_secrets) -> None:
        self.world = World(VirtualClock())
        self._read_login = read_login
        meta = {"labels": LABELS if labels is None else labels, "namespace": "ml"}
        template = {"metadata": {"labels": {"app": "retrain"}}, "spec": {"template": {"spec": {}}}}
        cron_job = {"metadata": dict(meta), "spec": {"suspend": True, "jobTemplate": template}}
        self.world.put(paths.path("batch/v1", "cronjobs", "ml", "retrain"), cron_job)
        argo = paths.path("argoproj.io/v1alpha1", "workflowtemplates", "ml", "retrain")
        self.world.put(argo, {"metadata": dict(meta), "spec": {}})

    def task(self, raw: Object, run: str = "run-1", **fields: Any) -> Task:
        made = chaos_task(raw, kind="DriftCheck", name="payments", runId=run, job=f"dri-payments-{run}")
        policy = TargetPolicy(target_namespaces=["*"])
        now = self.world.clock.now()
        update = {"policy": policy, "started_at": now, "deadline": now + timedelta(minutes=5)} | fields
        return made.model_copy(update=update)

    async def react(
        self, task: Task, found: Found = DRIFTED, process: Process | None = None, start: Any = None
    ) -> Reaction:
        process = process or Process(self.world, "runner")
        identity = Identity("pod", "uid", "firedrill", "node")
        context = RunContext(task, process, RecordStore(process, task, process), process, identity, Stop())
        reactor = Reactor(context, self._read_login, start)
        return await self.world.clock.run(reactor(DriftCheckSpec.model_validate(task.spec), task, found))

    def there(self, path: str) -> list[Object]:
        return [body for at, body in self.world.objects.items() if at.startswith(path + "/")]

    @property
    def jobs(self) -> list[Object]:
        return self.there(paths.jobs("ml"))

    @property
    def notes(self) -> list[Object]:
        return [each for each in self.there(paths.configmaps("firedrill")) if "reaction.json" in each.get("data", {})]


async def test_a_job_is_made_of_the_template_and_says_whose_it_is() -> None:
    ml = Ml()
    reaction = await ml.react(ml.task(spec()))
    (job,) = ml.jobs
    assert job["metadata"]["name"] == "dri-payments-run-1-on-1"
    assert job["metadata"]["annotations"]["firedrill.dev/resource"] == "DriftCheck/sre/payments"
    assert job["metadata"]["labels"] == {
        "app": "retrain",
        "firedrill.dev/managed": "true",
        "firedrill.dev/run": "run-1",
    }
    # The template's own limit alone: a training may take longer than the check.
    assert "activeDeadlineSeconds" not in job["spec"]
    finding = reaction.finding
    assert (finding.status, finding.reason) == (ConditionStatus.TRUE, "Started")
    assert finding.message == "Job from CronJob ml/retrain: started, Job ml/dri-payments-run-1-on-1"


async def test_a_workflow_refers_to_its_template() -> None:
    ml = Ml()
    assert (await ml.react(ml.task(spec(ARGO)))).reason == "Started"
    (workflow,) = ml.there(paths.path("argoproj.io/v1alpha1", "workflows", "ml"))
    assert workflow["spec"] == {
        "workflowTemplateRef": {"name": "retrain"},
        "arguments": {"parameters": [{"name": "model", "value": "fraud"}]},
    }


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", [1, 2, 3])
async def test_killed_at_every_write_the_next_try_carries_on_what_was_decided(write: int, after: bool) -> None:
    ml = Ml()
    task = ml.task(spec(JOB, ARGO))
    dying = Process(ml.world, "first", write, after=after)
    with pytest.raises(Killed):
        await ml.react(task, process=dying)
    decided = bool(ml.notes)
    # The data may look different by now: what was decided is carried on, and nothing else.
    reaction = await ml.react(task, Found(Verdict.PASSED, "no drift"))
    assert reaction.reason == ("Started" if decided else "NotDrifted")
    started = len(ml.jobs), len(ml.there(paths.path("argoproj.io/v1alpha1", "workflows", "ml")))
    assert (started, len(ml.notes)) == (((1, 1), 1) if decided else ((0, 0), 0))


async def test_no_run_acts_within_the_cool_down_of_another_even_one_that_nobody_has_heard_of() -> None:
    ml = Ml()
    with pytest.raises(Killed):
        # It has started the Job, and its result was never written; the Job of the run is deleted.
        await ml.react(ml.task(spec()), process=Process(ml.world, "first", 2, after=True))
    second = await ml.react(ml.task(spec(), "run-2"))
    assert (second.reason, "run run-1 acted" in second.message) == ("CoolingDown", True)
    await ml.world.clock.run(ml.world.clock.sleep(3600))
    assert (await ml.react(ml.task(spec(), "run-3"))).reason == "Started"
    known = Earlier(reacted=Reacted(run_id="run-3", at=ml.world.clock.now()))
    assert (await ml.react(ml.task(spec(), "run-4", earlier=known))).reason == "CoolingDown"
    assert len(ml.jobs) == 2


async def test_of_two_runs_at_once_one_acts() -> None:
    """The first was superseded a moment ago, and its pod is not gone yet."""
    ml = Ml()
    first, second = Process(ml.world, "first"), Process(ml.world, "second")
    raced: list[Reaction] = []

    async def both() -> None:
        def reacting(task: Task, process: Process) -> Any:
            context = RunContext(
                task,
                process,
                RecordStore(process, task, process),
                process,
                Identity("p", "u", "firedrill", "n"),
                Stop(),
            )
            return Reactor(context, without_secrets)(DriftCheckSpec.model_validate(task.spec), task, DRIFTED)

        tasks = ml.task(spec()), ml.task(spec(), "run-2")
        raced.extend(await asyncio.gather(reacting(tasks[0], first), reacting(tasks[1], second)))

    await ml.world.clock.run(both())
    assert sorted(each.reason for each in raced) == ["CoolingDown", "Started"]
    assert len(ml.jobs) == 1


@pytest.mark.parametrize(
    ("found", "raw", "earlier", "reason"),
    [
        (Found(Verdict.PASSED, "m"), {}, Earlier(), "NotDrifted"),
        (Found(Verdict.INCONCLUSIVE, "m"), {}, Earlier(), "NotDrifted"),
        (DRIFTED, {"failureThreshold": {"failures": 2, "of": 3}}, Earlier(), "BelowThreshold"),
        (DRIFTED, {"failureThreshold": {"failures": 2, "of": 3}}, Earlier(failed=1), "Started"),
    ],
)
async def test_what_is_not_due_is_not_noted_either(found: Found, raw: Object, earlier: Earlier, reason: str) -> None:
    ml = Ml()
    reaction = await ml.react(ml.task(spec(**raw), earlier=earlier), found)
    assert (reaction.reason, len(ml.notes)) == (reason, 1 if reason == "Started" else 0)


async def test_past_its_deadline_a_run_starts_nothing() -> None:
    ml = Ml()
    reaction = await ml.react(ml.task(spec(), deadline=ml.world.clock.now()))
    assert (reaction.reason, ml.jobs, ml.notes) == ("TooLate", [], [])


@pytest.mark.parametrize(
    ("action", "labels", "policy", "said"),
    [
        (JOB, {}, None, "CronJob ml/retrain is not meant for resources of namespace sre"),
        (ARGO, {}, None, "WorkflowTemplate ml/retrain is not meant for resources of namespace sre"),
        (JOB, None, {"target_namespaces": ["shop"]}, "policy.targetNamespaces of the target does not name ml"),
        (ARGO, None, {"target_namespaces": ["shop"]}, "policy.targetNamespaces of the target does not name ml"),
        ({"job": {"namespace": "ml", "cronJob": "other"}}, None, None, "there is no CronJob ml/other"),
        (PIPELINE, None, None, "policy.sageMakerPipelines of the target does not name fraud"),
        ({"webhook": {**HOOK["webhook"], "secretRef": {"name": "s"}}}, None, None, "secretRef: Secret s"),
        (CHAT, None, None, "message by Secret chat: failed, secretRef: Secret chat"),
    ],
)
async def test_what_may_not_be_started(action: Object, labels: Object | None, policy: Object | None, said: str) -> None:
    ml = Ml(labels)
    fields = {"policy": TargetPolicy(**policy)} if policy else {}
    reaction = await ml.react(ml.task(spec(action), **fields))
    assert (reaction.reason, reaction.finding.status) == ("ActionFailed", ConditionStatus.FALSE)
    assert said in reaction.message
    assert ml.jobs == []


async def test_a_secret_without_a_key_does_not_lend_the_runner_s_own_identity() -> None:
    async def read_login(*_: Any, **__: Any) -> Login:
        return Login(token="of the webhook")

    pipeline = {"sageMakerPipeline": {**PIPELINE["sageMakerPipeline"], "secretRef": {"name": "s"}}}
    ml = Ml(read_login=read_login)
    reaction = await ml.react(ml.task(spec(pipeline)))
    assert reaction.reason == "ActionFailed"
    assert "secretRef: Secret s holds no username and password" in reaction.message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (lambda: Forbidden(403, "Forbidden", "jobs.batch is forbidden"), "ActionFailed"),
        # It may have been created: the next run has to wait as if it had.
        (lambda: Unreachable("connection reset"), "PartlyStarted"),
    ],
)
async def test_a_cluster_that_says_no(error: Callable[[], ClusterError], reason: str) -> None:
    ml = Ml()
    process = Process(ml.world, "runner")
    process.fail = lambda verb, path: error() if (verb, path) == ("POST", paths.jobs("ml")) else None
    assert (await ml.react(ml.task(spec()), process=process)).reason == reason


async def test_what_can_not_be_noted_is_not_started() -> None:
    ml = Ml()
    process = Process(ml.world, "runner")
    process.fail = lambda verb, _path: Forbidden(403, "Forbidden", "no") if verb == "POST" else None
    reaction = await ml.react(ml.task(spec()), process=process)
    assert (reaction.reason, ml.jobs) == ("ActionFailed", [])
    assert "could not be noted" in reaction.message


async def test_one_action_that_fails_holds_up_no_other_and_each_has_a_key_of_its_own() -> None:
    ml, seen = Ml(), []

    async def start(action: DriftAction, occasion: Occasion) -> str:
        seen.append((occasion.key, len(occasion.token)))
        if action.webhook is not None and len(seen) == 1:
            raise ActionFailed("answered 500", unsure=True)
        if action.webhook is not None:
            raise RuntimeError("a bug, with the token t0ken")
        return "ok"

    reaction = await ml.react(ml.task(spec(HOOK, JOB, HOOK)), start=start)
    assert [each.came for each in reaction.actions] == [Came.UNSURE, Came.STARTED, Came.UNSURE]
    assert reaction.actions[2].detail == "it broke off: RuntimeError"
    assert seen == [("run-1.finance.1", 64), ("run-1.finance.2", 64), ("run-1.finance.3", 64)]
    assert reaction.reason == "PartlyStarted"
    assert "POST to hooks.ml: unsure, answered 500" in reaction.message


async def test_without_a_cluster_nothing_is_started_and_what_would_be_is_told() -> None:
    ml = Ml()
    task = ml.task(spec(HOOK, JOB, CHAT))
    reaction = await only_told(DriftCheckSpec.model_validate(task.spec), task, DRIFTED)
    told = "in a cluster this would be started: POST to hooks.ml; Job from CronJob ml/retrain; message by Secret chat"
    assert (reaction.reason, reaction.message) == ("NotInCluster", told)


def test_names_of_what_is_created_fit() -> None:
    task = Ml().task(spec()).model_copy(update={"job": "d" * 52})
    occasion = Occasion(task, Reacted(run_id="r", at=task.started_at), 8)
    assert len(occasion.name) <= 63
    assert CronJobStart(namespace="ml", cron_job="x").namespace == "ml"
