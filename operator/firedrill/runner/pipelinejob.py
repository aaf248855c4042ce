"""A run of a pipeline that is a Job, made of the template of a CronJob."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from firedrill.api.datapipelinetest import CronJobPipeline
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, NotFound
from firedrill.runner.context import RunContext
from firedrill.runner.retry import retry
from firedrill.runner.starting import NotStarted, create_once, job_of, read_template

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.5
#: The Job's own limit is for one that nobody is left to delete: whose end came first would else be a matter of luck.
_SLACK: Final = timedelta(seconds=30)
#: Time that is kept before the run's deadline for ending the pipeline and for writing the result.
_CLOSING: Final = timedelta(seconds=10)


class PipelineProblem(Exception):
    """A run of the pipeline did not succeed. ``failed`` tells a run that failed from one that could not be had."""

    def __init__(self, reason: str, message: str, *, failed: bool = False, passing: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.failed = failed
        self.passing = passing


async def run_cron_job(context: RunContext, pipeline: CronJobPipeline, number: int) -> float:
    """Start the Job and wait for its end; gives its seconds, from its creation, seen to half a second.

    Its name derives from the run's, so that it is started once. One that is not over when the waiting ends, by its
    timeout, that of the run, or because the run is asked to end, is deleted with its pods. Raises PipelineProblem.
    """
    namespace = pipeline.namespace
    try:
        cron_job = await read_template(context, "batch/v1", "CronJob", "cronjobs", namespace, pipeline.cron_job)
    except NotStarted as error:
        raise _problem(error) from error
    name = f"{context.task.job[:56]}-run-{number}"
    own, over, ready = paths.jobs(namespace, name), False, False
    started = context.clock.now()
    job = job_of(context.task, cron_job, namespace, name, limit=pipeline.timeout + _SLACK)
    try:
        await create_once(context, paths.jobs(namespace), job)
        deadline = pipeline.timeout.total_seconds()
        while (seconds := (context.clock.now() - started).total_seconds()) <= deadline:
            job = await retry(context.clock, lambda: context.client.get(own), f"reading Job {name}")
            ended = _ended(job)
            if ended is not None:
                over = True
                if ended:
                    raise PipelineProblem("PipelineFailed", f"Job {namespace}/{name} failed: {ended}", failed=True)
                return seconds
            ready = ready or bool((job.get("status") or {}).get("ready"))
            if context.clock.now() >= context.task.deadline - _CLOSING:
                message = f"Job {namespace}/{name} went on after {seconds:.0f} s, when the time of the test was over"
                raise PipelineProblem("DeadlineReached", f"{message}: raise spec.timeout", passing=True)
            await context.clock.sleep(POLL_SECONDS)
        message = f"Job {namespace}/{name} took longer than pipeline.cronJob.timeout ({deadline:g} s)"
        if not ready:
            # An image, room on a node, a quota: only the Events of its namespace tell which.
            message += "; no pod of it was seen ready: the Events of its namespace say why"
        raise PipelineProblem("PipelineTimeout", message, failed=True)
    except NotStarted as error:
        raise _problem(error) from error
    except ClusterError as error:
        message = f"Job {name} of {namespace}/{pipeline.cron_job}: {error}"
        raise PipelineProblem("PipelineUnreachable", message, passing=True) from error
    finally:
        if not over:
            await _delete(context, own)


def _problem(error: NotStarted) -> PipelineProblem:
    reason = error.reason if error.reason == "NotPermitted" else f"Pipeline{error.reason}"
    return PipelineProblem(reason, str(error), passing=error.reason in ("NotFound", "Unreachable"))


def _ended(job: Mapping[str, Any]) -> str | None:
    """Why it failed; empty where it is complete, None while it goes on."""
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition.get("status") != "True":
            continue
        if condition["type"] == "Complete":
            return ""
        if condition["type"] == "Failed":
            return str(condition.get("message") or condition.get("reason") or "no reason given")
    return None


async def _delete(context: RunContext, path: str) -> None:
    try:
        await context.client.delete(path)
    except NotFound:
        return
    except ClusterError as error:
        log.warning("a Job of the pipeline could not be deleted: %s", error)
