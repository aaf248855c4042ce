"""Retraining inside the target: a Job of a CronJob's template, a Workflow of Argo."""

from typing import Any, Final

from firedrill.api.ondrift import ArgoWorkflowStart, CronJobStart
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError
from firedrill.runner.context import RunContext
from firedrill.runner.reactions.port import ActionFailed, Occasion
from firedrill.runner.retry import retry
from firedrill.runner.starting import NotStarted, create_once, job_of, marked, read_template

_ARGO: Final = "argoproj.io/v1alpha1"
#: A Job that is gone was never started, for a try of the run that comes after it: it is kept so long at least.
_KEPT_SECONDS: Final = 3600


async def start_job(context: RunContext, asked: CronJobStart, occasion: Occasion) -> str:
    """Create the Job; gives where it is. Raises ActionFailed."""
    namespace, name = asked.namespace, occasion.name
    try:
        cron_job = await read_template(context, "batch/v1", "CronJob", "cronjobs", namespace, asked.cron_job)
    except NotStarted as error:
        raise ActionFailed(str(error)) from error
    left = (context.task.deadline - context.task.started_at).total_seconds()
    job = job_of(context.task, cron_job, namespace, name, kept=max(_KEPT_SECONDS, round(2 * left)))
    await _create(context, paths.jobs(namespace), job)
    return f"Job {namespace}/{name}"


async def start_workflow(context: RunContext, asked: ArgoWorkflowStart, occasion: Occasion) -> str:
    """Create the Workflow; gives where it is. Raises ActionFailed."""
    namespace, template, name = asked.namespace, asked.workflow_template, occasion.name
    try:
        await read_template(context, _ARGO, "WorkflowTemplate", "workflowtemplates", namespace, template)
    except NotStarted as error:
        raise ActionFailed(str(error)) from error
    spec: dict[str, Any] = {"workflowTemplateRef": {"name": template}}
    if asked.parameters:
        parameters = [{"name": key, "value": value} for key, value in asked.parameters.items()]
        spec["arguments"] = {"parameters": parameters}
    workflow = {
        "apiVersion": _ARGO,
        "kind": "Workflow",
        "metadata": marked(context.task, name, namespace, {}, {}),
        "spec": spec,
    }
    await _create(context, paths.path(_ARGO, "workflows", namespace), workflow)
    return f"Workflow {namespace}/{name}"


async def _create(context: RunContext, path: str, body: dict[str, Any]) -> None:
    what = f"creating {body['kind']} {body['metadata']['name']}"
    try:
        await retry(context.clock, lambda: create_once(context, path, body), what)
    except NotStarted as error:
        raise ActionFailed(str(error)) from error
    except ClusterError as error:
        raise ActionFailed(f"{what}: {error}", unsure=True) from error
