"""Starting what a target's people have prepared: Jobs of the templates of CronJobs, Workflows of WorkflowTemplates.

A resource may use a template whose label names its namespace on the hub, in a namespace that the target's policy and
the rights of the chart admit.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from firedrill.api.meta import ANNOTATION_RESOURCE, LABEL_HUB_NAMESPACE, LABEL_MANAGED, LABEL_RUN
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Conflict, Forbidden, Invalid, NotFound
from firedrill.runner.context import RunContext
from firedrill.runner.retry import retry

log = logging.getLogger(__name__)

Object = dict[str, Any]

#: Jobs are kept this long for those who want to read their logs, unless the template says otherwise.
_TTL_SECONDS: Final = 86_400


class NotStarted(Exception):
    """``reason`` is NotPermitted, NotFound, Invalid or Unreachable."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def read_template(
    context: RunContext, api_version: str, kind: str, plural: str, namespace: str, name: str
) -> Object:
    """A template that the resource may use. Raises NotStarted."""
    task, where = context.task, f"{kind} {namespace}/{name}"
    if not {"*", namespace} & set(task.policy.target_namespaces):
        raise NotStarted("NotPermitted", f"policy.targetNamespaces of the target does not name {namespace}")
    path = paths.path(api_version, plural, namespace, name)
    try:
        found = await retry(context.clock, lambda: context.client.get(path), f"reading {where}")
    except NotFound as error:
        raise NotStarted("NotFound", f"there is no {where}") from error
    except Forbidden as error:
        message = f"{where} may not be read; the chart's target.pipelines.namespaces must name its namespace"
        raise NotStarted("NotPermitted", message) from error
    except ClusterError as error:
        raise NotStarted("Unreachable", f"{where}: {error}") from error
    if (found["metadata"].get("labels") or {}).get(LABEL_HUB_NAMESPACE, "") != task.namespace:
        message = (
            f"{where} is not meant for resources of namespace {task.namespace}: it has no label "
            f"{LABEL_HUB_NAMESPACE}={task.namespace}"
        )
        raise NotStarted("NotPermitted", message)
    return found


def job_of(
    task: Task, cron_job: Mapping[str, Any], namespace: str, name: str, *, limit: timedelta | None = None, kept: int = 0
) -> Object:
    """The Job that a CronJob's template makes. With a limit it takes no longer; once over, it is ``kept`` for so many
    seconds at least."""
    template = cron_job["spec"]["jobTemplate"]
    metadata = template.get("metadata") or {}
    spec = dict(template["spec"])
    if limit is not None:
        # Should nobody be left to delete it, it ends by itself.
        seconds = max(1, round(limit.total_seconds()))
        spec["activeDeadlineSeconds"] = min(seconds, spec.get("activeDeadlineSeconds") or seconds)
    spec["ttlSecondsAfterFinished"] = max(kept, spec.get("ttlSecondsAfterFinished", _TTL_SECONDS))
    notes = {**(metadata.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"}
    labels = metadata.get("labels") or {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": marked(task, name, namespace, labels, notes),
        "spec": spec,
    }


def marked(task: Task, name: str, namespace: str, labels: Mapping[str, str], notes: Mapping[str, str]) -> Object:
    """Metadata of an object that a run starts: people see of it whose it is."""
    return {
        "name": name,
        "namespace": namespace,
        "labels": {**labels, LABEL_MANAGED: "true", LABEL_RUN: task.run_id},
        "annotations": {**notes, ANNOTATION_RESOURCE: f"{task.kind}/{task.namespace}/{task.name}"},
    }


async def create_once(context: RunContext, path: str, body: Object) -> None:
    """Create an object whose name derives from the run's: one that is there is that of a request before this one, which
    came through although its answer did not. Raises NotStarted where it is refused, and ClusterError."""
    what = f"{body['kind']} {body['metadata']['name']}"
    try:
        await context.client.create(path, body)
    except Conflict as error:
        if not error.already_exists:
            raise
        log.info("%s is there already", what)
    except Forbidden as error:
        raise NotStarted("NotPermitted", f"{what} may not be created: {error.message}") from error
    except Invalid as error:
        raise NotStarted("Invalid", f"{what} is refused: {error.message}") from error
