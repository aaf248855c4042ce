"""A pipeline that is a Job: whose template may be used, that it is started once and does not outlive its run."""

from collections.abc import Callable
from typing import Any

import pytest
from chaos_clock import VirtualClock
from chaos_cluster import World
from chaos_lab import spec, task
from chaos_process import Process

from firedrill.api.datapipelinetest import CronJobPipeline
from firedrill.api.targetcluster import TargetPolicy
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Forbidden, Unreachable
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.pipelinejob import PipelineProblem, run_cron_job
from firedrill.runner.record_store import RecordStore

Object = dict[str, Any]
ETL = CronJobPipeline(namespace="etl", cron_job="nightly", timeout="60s")
TEMPLATE = {"metadata": {"labels": {"app": "nightly"}}, "spec": {"backoffLimit": 1, "template": {"spec": {}}}}
LABELS = {"firedrill.dev/hub-namespace": "sre"}


class Etl:
    """A target with one CronJob, whose Jobs end after some seconds in the way that ``condition`` says."""

    def __init__(self, labels: Object | None = None, condition: Object | None = None, seconds: float = 20) -> None:
        self.world = World(VirtualClock())
        if labels is not None:
            body = {"metadata": {"labels": labels}, "spec": {"suspend": True, "jobTemplate": TEMPLATE}}
            self.world.put(paths.path("batch/v1", "cronjobs", "etl", "nightly"), body)
        self.process = Process(self.world, "runner")
        self._condition = condition
        self._seconds = seconds
        self.seen: list[Object] = []
        create = self.world.create

        def created(path: str, body: Object, dry_run: bool) -> Object:
            made = create(path, body, dry_run)
            stored = self.world.objects[f"{path}/{body['metadata']['name']}"]
            self.seen.append(stored)
            if condition is not None:
                self.world.later(seconds, lambda: stored.update(status={"conditions": [condition]}))
            return made

        self.world.create = created  # type: ignore[method-assign]

    async def run(self, policy: TargetPolicy | None = None, number: int = 1, timeout: str = "3m") -> float:
        of = task(spec({"podKill": {}}, timeout=timeout))
        of = of.model_copy(update={"policy": policy or of.policy.model_copy(update={"target_namespaces": ["*"]})})
        context = RunContext(
            of,
            self.process,
            RecordStore(self.process, of, self.process),
            self.process,
            Identity("pod", "uid", "firedrill", "node"),
            Stop(),
        )
        return await self.world.clock.run(run_cron_job(context, ETL, number))

    @property
    def jobs(self) -> list[str]:
        return [path for path in self.world.objects if path.startswith(paths.jobs("etl") + "/")]


COMPLETE = {"type": "Complete", "status": "True"}


async def test_the_job_is_made_of_the_template_and_its_time_is_told() -> None:
    etl = Etl(LABELS, COMPLETE, 20)
    assert 20 <= await etl.run() <= 21.5
    (job,) = etl.seen
    assert job["metadata"]["labels"]["app"] == "nightly"
    assert job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    # Later than the runner stops waiting, so that a run that takes too long is always told as that.
    assert (job["spec"]["backoffLimit"], job["spec"]["activeDeadlineSeconds"]) == (1, 90)
    assert job["spec"]["ttlSecondsAfterFinished"] > 0
    # It is kept, for those who want to read its logs.
    assert len(etl.jobs) == 1


async def test_runs_have_names_of_their_own_and_an_unsure_creation_is_not_repeated() -> None:
    etl = Etl(LABELS, COMPLETE, 5)
    await etl.run(number=1)
    await etl.run(number=2)
    assert len({job["metadata"]["name"] for job in etl.seen}) == 2
    # The Job of that name is there already: it is waited for.
    assert await etl.run(number=1) < 2
    assert len(etl.seen) == 2


@pytest.mark.parametrize(
    ("labels", "condition", "policy", "reason", "said"),
    [
        (None, None, None, "PipelineNotFound", "there is no CronJob etl/nightly"),
        ({}, None, None, "NotPermitted", "it has no label firedrill.dev/hub-namespace=sre"),
        (LABELS, None, TargetPolicy(target_namespaces=["shop"]), "NotPermitted", "targetNamespaces of the target"),
        (
            LABELS,
            {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "has reached the limit"},
            None,
            "PipelineFailed",
            "failed: has reached the limit",
        ),
        (LABELS, None, None, "PipelineTimeout", "took longer than pipeline.cronJob.timeout (60 s)"),
    ],
)
async def test_what_a_pipeline_can_do_wrong(
    labels: Object | None, condition: Object | None, policy: TargetPolicy | None, reason: str, said: str
) -> None:
    etl = Etl(labels, condition)
    with pytest.raises(PipelineProblem) as caught:
        await etl.run(policy)
    assert (caught.value.reason, said in str(caught.value)) == (reason, True), str(caught.value)
    assert caught.value.failed is (reason in ("PipelineFailed", "PipelineTimeout"))
    # What is not over is taken away.
    assert len(etl.jobs) == (1 if reason == "PipelineFailed" else 0)


async def test_a_pipeline_that_outlasts_the_test_says_nothing_of_itself_and_is_taken_away() -> None:
    etl = Etl(LABELS)
    with pytest.raises(PipelineProblem, match=r"raise spec\.timeout") as caught:
        await etl.run(timeout="50s")
    assert (caught.value.reason, caught.value.failed, caught.value.passing) == ("DeadlineReached", False, True)
    assert etl.jobs == []


@pytest.mark.parametrize(("ready", "said"), [(1, False), (0, True)])
async def test_a_pipeline_that_never_came_to_run_is_told_from_one_that_is_slow(ready: int, said: bool) -> None:
    etl = Etl(LABELS)
    etl.world.later(5, lambda: etl.seen[0].update(status={"active": 1, "ready": ready}))
    etl.world.later(9, lambda: etl.seen[0].update(status={"active": 1, "ready": 0}))
    with pytest.raises(PipelineProblem, match="took longer") as caught:
        await etl.run()
    assert ("no pod of it was seen ready" in str(caught.value)) is said


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (lambda: Forbidden(403, "Forbidden", "jobs.batch is forbidden"), "NotPermitted"),
        (lambda: Unreachable("connection refused"), "PipelineUnreachable"),
    ],
)
async def test_a_cluster_that_says_no(error: Callable[[], ClusterError], reason: str) -> None:
    etl = Etl(LABELS)
    etl.process.fail = lambda verb, _path: error() if verb == "POST" else None
    with pytest.raises(PipelineProblem) as caught:
        await etl.run()
    assert caught.value.reason == reason
