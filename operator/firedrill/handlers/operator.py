"""The parts of the operator and how they are wired."""

import asyncio
import logging
from typing import Any

from firedrill.clusters.cache import Key
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ClusterError
from firedrill.clusters.execute import Executor, Images
from firedrill.clusters.lease import Lease, LeaseLost
from firedrill.clusters.metrics import Metrics
from firedrill.clusters.orphans import Orphans
from firedrill.clusters.queue import WorkQueue
from firedrill.clusters.reconciler import Reconciler, run_workers
from firedrill.clusters.registry import Registry
from firedrill.clusters.resync import HubWatch
from firedrill.handlers.settings import Settings

logger = logging.getLogger(__name__)

LEASE_NAME = "firedrill-operator"
#: A queue whose oldest key waits for longer is stuck.
STUCK_AFTER = 120.0
#: Credentials of targets are read again this often, in case they were rotated.
_TARGET_RESYNC = 60.0
#: Work begins when every target has answered once; one that does not is not waited for longer.
_FIRST_LOOK = 5.0


class Operator:
    """One operator process, leading or waiting to lead."""

    def __init__(self, hub: KubeClient, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.queue: WorkQueue[Key] = WorkQueue()
        self.targets: WorkQueue[str] = WorkQueue()
        self.lease = Lease(hub, settings.namespace, LEASE_NAME, settings.identity)
        self._registry = Registry(
            hub,
            settings.namespace,
            metrics,
            on_key=self.queue.add,
            on_change=self.targets.add,
            check=self.lease.check,
            silence=settings.watch_silence,
        )
        executor = Executor(
            hub,
            self._registry,
            Images(settings.image, settings.pull_policy, settings.simulation_images),
            metrics,
            self.lease.check,
        )
        orphans = Orphans(self._registry, self.lease.check)
        self._reconciler = Reconciler(hub, settings.namespace, self._registry, executor, orphans, self.queue, metrics)
        self._hub_watch = HubWatch(
            hub, settings.namespace, self.queue, self._registry, self.targets, settings.watch_silence
        )
        self._loaded = asyncio.Event()
        metrics.queue_depth.set_function(lambda: len(self.queue))
        metrics.queue_oldest.set_function(self.queue.oldest_age)

    def saw(self, key: Key | str, meta: Any, event_type: str | None) -> None:
        """A watch of the hub has delivered a resource (by its key) or a TargetCluster (by its name)."""
        if event_type == "DELETED":
            self._hub_watch.forget(meta["uid"])
        else:
            self._hub_watch.delivered(key, meta["uid"], meta["resourceVersion"])
        if isinstance(key, Key):
            self.queue.add(key)
        else:
            self.targets.add(key)

    def problem(self) -> str:
        """Why this process is not ready; empty where it is. One dead target is no reason."""
        if not self.lease.held:
            return "waiting for the lease"
        if self.queue.oldest_age() > STUCK_AFTER:
            return f"the oldest key has waited for {self.queue.oldest_age():.0f} s"
        return self._hub_watch.problem()

    async def run(self) -> None:
        """Work until cancelled; raises LeaseLost when another may have taken over."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.lease.keep(), name="lease")
                group.create_task(self._work(), name="workers")
                group.create_task(self._follow_targets(), name="targets")
                group.create_task(self._hub_watch.run(), name="resync")
                group.create_task(self._hub_watch.watch_halt(), name="halt")
        finally:
            await self._registry.close()

    async def _work(self) -> None:
        """A target that is not known yet must not be taken for one that does not exist."""
        await self._loaded.wait()
        await run_workers(self._reconciler, self.settings.workers)

    async def _follow_targets(self) -> None:
        await self._load_targets()
        while True:
            name = await self.targets.take()
            try:
                await self._follow(name)
            finally:
                self.targets.done(name)

    async def _load_targets(self) -> None:
        while not self._loaded.is_set():
            try:
                for name in await self._registry.names():
                    await self._follow(name)
                await self._registry.first_look(_FIRST_LOOK)
                self._loaded.set()
            except ClusterError as error:
                logger.warning("targets are not known yet: %s", error)
                await asyncio.sleep(1)

    async def _follow(self, name: str) -> None:
        try:
            await self._registry.reconcile(name)
            self.targets.forget(name)
            self.targets.add_later(name, _TARGET_RESYNC)
        except ClusterError as error:
            logger.warning("target %s: %s", name, error, extra={"cluster": name})
            self.targets.retry(name)
        except LeaseLost:
            raise
        except Exception:
            # Whatever one target has in it must not hold up the others.
            logger.exception("target %s failed", name, extra={"cluster": name})
            self.targets.retry(name)
