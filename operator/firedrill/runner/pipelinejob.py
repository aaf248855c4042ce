"""A run of a pipeline that is a Job, made of the template of a CronJob."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from firedrill.api.datapipelinetest import CronJobPipeline
from firedrill.api.meta import ANNOTATION_RESOURCE, LABEL_HUB_NAMESPACE, LABEL_MANAGED, LABEL_RUN
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Conflict, Forbidden, Invalid, NotFound
from firedrill.runner.context import RunContext
from firedrill.runner.retry import retry

log = logging.getLogger(__name__)

Object = dict[str, Any]

POLL_SECONDS: Final = 0.5
#: Jobs are kept this long for those who want to read their logs, unless the template says otherwise.
_TTL_SECONDS: Final = 86_400


class PipelineProblem(Exception):
    """A run of the pipeline did not succeed. ``failed`` tells a run that failed from one that could not be had."""

    def __init__(self, reason: str, message: str, *, failed: bool = False, passing: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.failed = failed
        self.passing = passing


async def run_cron_job(context: RunContext, pipeline: CronJobPipeline, number: int) -> float:
    """Start the Job and wait for its end; gives its seconds, from its creation, seen to half a second.

    Its name derives from the run's, so that it is started once. One that is not over when the waiting ends, by the
    timeout or because the run is asked to end, is deleted with its pods. Raises PipelineProblem.
    """
    where = f"{pipeline.namespace}/{pipeline.cron_job}"
    template = await _template(context, pipeline, where)
    path = paths.jobs(pipeline.namespace)
    name = f"{context.task.job[:56]}-run-{number}"
    own, over = paths.jobs(pipeline.namespace, name), False
    started = context.clock.now()
    try:
        await _create(context, path, _job(context, template, name, pipeline))
        deadline = pipeline.timeout.total_seconds()
        while (seconds := (context.clock.now() - started).total_seconds()) <= deadline:
            job = await retry(context.clock, lambda: context.client.get(own), f"reading Job {name}")
            ended = _ended(job)
            if ended is not None:
                over = True
                if ended:
                    raise PipelineProblem(
                        "PipelineFailed", f"Job {pipeline.namespace}/{name} failed: {ended}", failed=True
                    )
                return seconds
            await context.clock.sleep(POLL_SECONDS)
        message = f"Job {pipeline.namespace}/{name} took longer than pipeline.cronJob.timeout ({deadline:g} s)"
        raise PipelineProblem("PipelineTimeout", message, failed=True)
    except ClusterError as error:
        raise PipelineProblem("PipelineUnreachable", f"Job {name} of {where}: {error}", passing=True) from error
    finally:
        if not over:
            await _delete(context, own)


async def _template(context: RunContext, pipeline: CronJobPipeline, where: str) -> Object:
    task = context.task
    allowed = set(task.policy.target_namespaces)
    if not {"*", pipeline.namespace} & allowed:
        message = f"policy.targetNamespaces of the target does not name {pipeline.namespace}"
        raise PipelineProblem("NotPermitted", message)
    path = paths.path("batch/v1", "cronjobs", pipeline.namespace, pipeline.cron_job)
    try:
        found = await retry(context.clock, lambda: context.client.get(path), f"reading CronJob {where}")
    except NotFound as error:
        raise PipelineProblem("PipelineNotFound", f"there is no CronJob {where}", passing=True) from error
    except Forbidden as error:
        message = f"CronJob {where} may not be read; the chart's target.pipelines.namespaces must name its namespace"
        raise PipelineProblem("NotPermitted", message) from error
    except ClusterError as error:
        raise PipelineProblem("PipelineUnreachable", f"CronJob {where}: {error}", passing=True) from error
    if (found["metadata"].get("labels") or {}).get(LABEL_HUB_NAMESPACE, "") != task.namespace:
        message = (
            f"CronJob {where} is not meant for resources of namespace {task.namespace}: it has no label "
            f"{LABEL_HUB_NAMESPACE}={task.namespace}"
        )
        raise PipelineProblem("NotPermitted", message)
    template: Object = found["spec"]["jobTemplate"]
    return template


def _job(context: RunContext, template: Object, name: str, pipeline: CronJobPipeline) -> Object:
    metadata = template.get("metadata") or {}
    spec = dict(template["spec"])
    limit = max(1, round(pipeline.timeout.total_seconds()))
    # Should nobody be left to delete it, it ends by itself.
    spec["activeDeadlineSeconds"] = min(limit, spec.get("activeDeadlineSeconds") or limit)
    spec.setdefault("ttlSecondsAfterFinished", _TTL_SECONDS)
    labels = {**(metadata.get("labels") or {}), LABEL_MANAGED: "true", LABEL_RUN: context.task.run_id}
    notes = {
        **(metadata.get("annotations") or {}),
        "cronjob.kubernetes.io/instantiate": "manual",
        ANNOTATION_RESOURCE: f"{context.task.kind}/{context.task.namespace}/{context.task.name}",
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": pipeline.namespace, "labels": labels, "annotations": notes},
        "spec": spec,
    }


async def _create(context: RunContext, path: str, job: Object) -> None:
    name = job["metadata"]["name"]
    try:
        await context.client.create(path, job)
    except Conflict as error:
        if not error.already_exists:
            raise
        # A request before this one came through although its answer did not.
        log.info("Job %s is there already", name)
    except Forbidden as error:
        raise PipelineProblem("NotPermitted", f"Job {name} may not be created: {error.message}") from error
    except Invalid as error:
        raise PipelineProblem("PipelineInvalid", f"Job {name} is refused: {error.message}") from error


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
