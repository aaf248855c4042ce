"""From a key to a pass: read the resource, gather what the targets show, step, carry out."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from firedrill.api.kinds import RUN_KINDS
from firedrill.api.resource import RunResource, parse_run_resource
from firedrill.clusters import paths
from firedrill.clusters.cache import Key
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ClusterError, NotFound, Throttled
from firedrill.clusters.execute import Executor, Stale
from firedrill.clusters.lease import LeaseLost
from firedrill.clusters.metrics import Metrics
from firedrill.clusters.orphans import Orphans
from firedrill.clusters.queue import WorkQueue
from firedrill.clusters.registry import Registry
from firedrill.clusters.stamps import Stamps
from firedrill.core import rollouts
from firedrill.core.observed import Observed, TargetView
from firedrill.core.step import step
from firedrill.core.targets import matched

logger = logging.getLogger(__name__)

HALT_CONFIGMAP = "firedrill-halt"


def _now() -> datetime:
    return datetime.now(UTC)


class Reconciler:
    """Works on keys from the queue until it is cancelled."""

    def __init__(
        self,
        hub: KubeClient,
        namespace: str,
        registry: Registry,
        executor: Executor,
        orphans: Orphans,
        queue: WorkQueue[Key],
        metrics: Metrics,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._hub = hub
        self._namespace = namespace
        self._registry = registry
        self._executor = executor
        self._orphans = orphans
        self._queue = queue
        self._metrics = metrics
        self._clock = clock
        self._stamps = Stamps(hub, namespace)
        #: UID of each resource as it was last read, to find what a resource of the same name has left.
        self.uids: dict[Key, str] = {}

    async def work(self) -> None:
        """One worker. Raises LeaseLost, which ends the process; all else is retried."""
        while True:
            key = await self._queue.take()
            try:
                await self.reconcile(key)
                self._queue.forget(key)
            except Stale:
                self._queue.retry(key)
            except LeaseLost:
                raise
            except ClusterError as error:
                delay = self._queue.retry(key, error.retry_after if isinstance(error, Throttled) else 0.0)
                self._metrics.retries.inc()
                logger.warning("%s: %s; again in %.1f s", key, error, delay, extra={"resource": str(key)})
            except Exception:
                delay = self._queue.retry(key)
                self._metrics.retries.inc()
                logger.exception("%s failed; again in %.1f s", key, delay, extra={"resource": str(key)})
            finally:
                self._queue.done(key)

    async def reconcile(self, key: Key) -> None:
        """One pass over one resource."""
        kind = RUN_KINDS.get(key.kind)
        if kind is None:
            logger.warning("a target holds objects of kind %s, which is not known here", key.kind)
            return
        try:
            body = await self._hub.get(paths.firedrill(kind.plural, key.namespace, key.name))
        except NotFound:
            self.uids.pop(key, None)
            self._registry.want(key, None)
            self._metrics.forget(key.kind, key.namespace, key.name)
            await self._orphans.clean(key, alive=None)
            return
        try:
            resource = parse_run_resource(kind, body)
        except ValidationError:
            logger.exception("%s has a status that can not be read", key)
            return
        self.uids[key] = resource.meta.uid
        await self._orphans.clean(key, alive=resource.meta.uid)
        await self._pass(key, resource, body)

    async def _pass(self, key: Key, resource: RunResource, body: dict[str, Any]) -> None:
        views = self._registry.views(resource.meta.uid)
        if lacks_targets(resource, views) and (unknown := set(await self._registry.names()) - set(views)):
            raise ClusterError(f"TargetCluster {', '.join(sorted(unknown))} is new and not followed yet")
        halted = await self._halt() if resource.kind.changes else ""
        observed = Observed(resource, views, halted, await self._stamps.requester(resource))
        workload, names = rollouts.watched(observed) or (None, ())
        self._registry.want(key, workload, names)
        observed = replace(observed, workloads=self._registry.looks(key))
        decision = step(observed, self._clock())
        self._metrics.show(resource, resource.status)
        await self._executor.carry_out(resource, body, decision.actions)
        if decision.look_again is not None:
            self._queue.add_later(key, max(0.02, decision.look_again.total_seconds()))

    async def _halt(self) -> str:
        try:
            found = await self._hub.get(paths.configmaps(self._namespace, HALT_CONFIGMAP))
        except NotFound:
            return ""
        return str((found.get("data") or {}).get("reason") or "the ConfigMap firedrill-halt exists")


def lacks_targets(resource: RunResource, views: Mapping[str, TargetView]) -> bool:
    """Whether a target that the resource means is not among the views: it is gone, or was never there, or is new."""
    wanted = {entry.name for entry in resource.status.clusters if entry.verdict is None or not entry.settled}
    if resource.spec is not None:
        wanted |= set(resource.spec.clusters.names)
        if not matched(resource.spec.clusters, views):
            return True
    return not wanted <= set(views)


async def run_workers(reconciler: Reconciler, count: int) -> None:
    """Several workers; the first error of any ends all."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(reconciler.work(), name=f"worker-{number}")
