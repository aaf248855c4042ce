"""Carries out the actions of a decision, each idempotent: on the hub in order, in the targets side by side."""

import asyncio
import contextlib
import itertools
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from firedrill.api.base import format_micro_time
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.kinds import RUN_KINDS
from firedrill.api.meta import (
    ANNOTATION_RESOURCE,
    API_VERSION,
    FINALIZER,
    LABEL_UID,
)
from firedrill.api.probe_resource import ResourceProbe
from firedrill.api.resource import RunResource
from firedrill.clusters import jobs, paths
from firedrill.clusters.client import JSON_PATCH, KubeClient
from firedrill.clusters.control import set_control
from firedrill.clusters.errors import ClusterError, Conflict, Invalid, NotFound
from firedrill.clusters.metrics import Metrics
from firedrill.clusters.registry import Registry
from firedrill.core.actions import (
    Action,
    AddFinalizer,
    Confirm,
    DeleteRun,
    EnsureRun,
    PublishEvent,
    RemoveFinalizer,
    SetControl,
    WriteStatus,
)

logger = logging.getLogger(__name__)

Object = dict[str, Any]
TargetAction = EnsureRun | SetControl | DeleteRun | Confirm


#: Seconds within which a watch shows what was created; after that it is looked after again.
_SHOWN_WITHIN = 2.0


class Stale(Exception):
    """The resource changed since it was read: look again."""


@dataclass(frozen=True)
class Images:
    """What runner pods are started from."""

    runner: str
    pull_policy: str = "IfNotPresent"
    #: Those of simulations, by what runs in them.
    simulation: Mapping[str, str] = field(default_factory=dict)


class Executor:
    """Carries out actions for resources of the hub. ``check`` raises when this process may not act any more."""

    def __init__(
        self, hub: KubeClient, registry: Registry, images: Images, metrics: Metrics, check: Callable[[], None]
    ) -> None:
        self._hub = hub
        self._registry = registry
        self._images = images
        self._metrics = metrics
        self._check = check
        self._ensured: dict[str, float] = {}

    async def carry_out(self, resource: RunResource, body: Object, actions: tuple[Action, ...]) -> None:
        """Carry out all actions. ``body`` is the resource as it was read.

        On the hub the first that fails ends the pass. In the targets, one that refuses or is silent holds up no
        other, nor the end of the run; what it said is raised in the end.

        Raises Stale where the resource has changed, and ClusterError where a cluster refuses or is silent.
        """
        failures: list[ClusterError] = []
        for in_targets, group in itertools.groupby(actions, lambda action: isinstance(action, TargetAction)):
            if in_targets:
                failures += await self._in_targets(resource, list(group))
                continue
            for action in group:
                self._check()
                if isinstance(action, AddFinalizer | RemoveFinalizer):
                    body = await self._set_finalizer(resource, body, present=isinstance(action, AddFinalizer))
                elif isinstance(action, WriteStatus):
                    body = await self._write_status(resource, body, action)
                elif isinstance(action, PublishEvent):
                    await self._publish(resource, action)
        if failures:
            raise failures[0]

    async def _in_targets(self, resource: RunResource, actions: Sequence[Action]) -> list[ClusterError]:
        """All targets at once; in each the actions in order, up to the first that fails."""
        by_cluster: dict[str, list[TargetAction]] = defaultdict(list)
        for action in actions:
            assert isinstance(action, TargetAction)
            by_cluster[action.cluster].append(action)
        answers = await asyncio.gather(*(self._in_target(resource, each) for each in by_cluster.values()))
        return [error for error in answers if error is not None]

    async def _in_target(self, resource: RunResource, actions: Sequence[TargetAction]) -> ClusterError | None:
        try:
            await self._registry.verify(actions[0].cluster)
            for action in actions:
                self._check()
                if isinstance(action, EnsureRun):
                    await self._ensure(resource, action)
                elif isinstance(action, SetControl):
                    await self._control(resource, action)
                elif isinstance(action, Confirm):
                    await self._registry.confirm(resource, action)
                else:
                    await self._delete(action)
        except ClusterError as error:
            return error
        return None

    def _path(self, resource: RunResource, subresource: str | None = None) -> str:
        return paths.firedrill(resource.kind.plural, resource.meta.namespace, resource.meta.name, subresource)

    async def _set_finalizer(self, resource: RunResource, body: Object, *, present: bool) -> Object:
        finalizers = list(body["metadata"].get("finalizers") or [])
        if (FINALIZER in finalizers) == present:
            return body
        wanted = [*finalizers, FINALIZER] if present else [f for f in finalizers if f != FINALIZER]
        version = body["metadata"]["resourceVersion"]
        patch: list[Object] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": "/metadata/finalizers", "value": wanted},
        ]
        try:
            return await self._hub.patch(self._path(resource), patch, content_type=JSON_PATCH)
        except NotFound:
            return body
        except (Conflict, Invalid) as error:
            # A failed test operation is answered with 422 as well as with 409.
            raise Stale(str(error)) from error

    async def _write_status(self, resource: RunResource, body: Object, action: WriteStatus) -> Object:
        try:
            written = await self._hub.replace(
                self._path(resource, "status"), {**body, "status": action.status.to_wire()}
            )
        except (Conflict, NotFound) as error:
            raise Stale(str(error)) from error
        run, before = action.status.last_run, resource.status.last_run
        if run and run.finished_at and (before is None or before.id != run.id or before.finished_at is None):
            self._metrics.run_ended(resource, action.status)
        return written

    async def _ensure(self, resource: RunResource, action: EnsureRun) -> None:
        now = time.monotonic()
        self._ensured = {job: at for job, at in self._ensured.items() if now - at < _SHOWN_WITHIN}
        if action.job in self._ensured:
            # The watches have not shown yet what was created a moment ago.
            return
        client, target = self._registry.client(action.cluster), self._registry.target(action.cluster)
        images = self._images
        plan = jobs.Plan(resource, target, action, images.runner, images.pull_policy, images.simulation)
        namespace = target.spec.runner_namespace
        # Before the run begins: by their names it would take them for what still counts.
        for spent in action.spent:
            with contextlib.suppress(NotFound):
                await client.delete(paths.configmaps(namespace, spent))
        job = await self._create_job(client, namespace, jobs.runner_job(plan), resource)
        uid = job["metadata"]["uid"]
        if resource.kind.mutates:
            await self._create_job(client, namespace, jobs.guardian_job(plan), resource)
        task = jobs.task_configmap(plan, uid, await self._checks(resource))
        try:
            await client.create(paths.configmaps(namespace), task)
        except Conflict:
            # Of a Job that was deleted: the garbage collector is about to take the old one.
            existing = await client.get(paths.configmaps(namespace, task["metadata"]["name"]))
            owners = existing["metadata"].get("ownerReferences") or []
            if uid not in [owner["uid"] for owner in owners]:
                raise ClusterError(f"{task['metadata']['name']} still belongs to a Job that was deleted") from None
        self._ensured[action.job] = time.monotonic()
        logger.info(
            "run ensured: Job %s/%s",
            namespace,
            action.job,
            extra={"resource": resource.key, "cluster": action.cluster, "run": action.run_id},
        )

    async def _checks(self, resource: RunResource) -> dict[str, Object]:
        """The specs of the resources that probes of an experiment name; what is not there is left out."""
        if not isinstance(resource.spec, ChaosExperimentSpec):
            return {}
        found: dict[str, Object] = {}
        for probe in resource.spec.all_probes:
            if isinstance(probe, ResourceProbe):
                path = paths.firedrill(RUN_KINDS[probe.kind].plural, resource.meta.namespace, probe.name)
                with contextlib.suppress(NotFound):
                    found[probe.key] = (await self._hub.get(path))["spec"]
        return found

    @staticmethod
    async def _create_job(client: KubeClient, namespace: str, job: Object, resource: RunResource) -> Object:
        try:
            return await client.create(paths.jobs(namespace), job)
        except Conflict:
            existing = await client.get(paths.jobs(namespace, job["metadata"]["name"]))
            if existing["metadata"].get("labels", {}).get(LABEL_UID) != resource.meta.uid:
                raise ClusterError(
                    f"Job {namespace}/{job['metadata']['name']} exists and is not of {resource.key}; delete it"
                ) from None
            return existing

    async def _control(self, resource: RunResource, action: SetControl) -> None:
        client, target = self._registry.client(action.cluster), self._registry.target(action.cluster)
        await set_control(
            client,
            target.spec.runner_namespace,
            action.job,
            action.control,
            jobs.run_labels(resource, action.run_id, "record"),
            {ANNOTATION_RESOURCE: resource.key},
            fence=action.fence,
        )

    async def _delete(self, action: DeleteRun) -> None:
        target = self._registry.target(action.cluster)
        try:
            await self._registry.client(action.cluster).delete(paths.jobs(target.spec.runner_namespace, action.job))
        except NotFound:
            logger.debug("Job %s is gone already", action.job)

    async def _publish(self, resource: RunResource, action: PublishEvent) -> None:
        """Events are for people: one that can not be written is logged, and holds nothing up."""
        now = format_micro_time(datetime.now(UTC))
        meta = resource.meta
        event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"generateName": f"{meta.name[:200]}-", "namespace": meta.namespace},
            "eventTime": now,
            "action": "Run",
            "reason": action.reason,
            "type": "Warning" if action.warning else "Normal",
            "note": action.message[:1024],
            "reportingController": "firedrill.dev/operator",
            "reportingInstance": "operator",
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": resource.kind.name,
                "namespace": meta.namespace,
                "name": meta.name,
                "uid": meta.uid,
            },
        }
        try:
            await self._hub.create(paths.path("events.k8s.io/v1", "events", meta.namespace), event)
        except ClusterError as error:
            logger.warning("event not published: %s", error, extra={"resource": resource.key})
