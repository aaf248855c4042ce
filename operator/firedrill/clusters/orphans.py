"""What resources that are gone have left in targets: it is ended, undone, and taken away."""

import logging
from collections.abc import Callable

from firedrill.api.meta import CONTROL_KEY
from firedrill.api.record import Control
from firedrill.clusters import paths
from firedrill.clusters.cache import Key
from firedrill.clusters.errors import NotFound
from firedrill.clusters.registry import Registry
from firedrill.clusters.target import TargetWatch
from firedrill.core import naming
from firedrill.core.observed import RunObjects

logger = logging.getLogger(__name__)


class Orphans:
    """Cleans up after resources that were deleted, or replaced by another of the same name."""

    def __init__(self, registry: Registry, check: Callable[[], None]) -> None:
        self._registry = registry
        self._check = check

    async def clean(self, key: Key, alive: str | None) -> None:
        """Remove what belongs to earlier resources of this name; ``alive`` is the UID of the present one."""
        for watch in self._registry.watches():
            if watch.problem:
                continue
            for uid, owner in watch.cache.uids().items():
                if owner == key and uid != alive:
                    for job, objects in watch.cache.of(uid).items():
                        await self._clean_run(watch, job, objects)

    async def _clean_run(self, watch: TargetWatch, job: str, objects: RunObjects) -> None:
        namespace = watch.target.spec.runner_namespace
        record = objects.record
        extra = {"cluster": watch.target.name}
        if record is not None and not record.settled:
            # Only a finalizer removed by hand leads here: the guardian still undoes, and then this returns.
            if not record.control.abort:
                self._check()
                logger.warning("run %s lost its resource before it was undone: aborting it", job, extra=extra)
                control = Control(abort="ResourceGone").model_dump_json(by_alias=True)
                await watch.client.patch(
                    paths.configmaps(namespace, naming.record_name(job)), {"data": {CONTROL_KEY: control}}
                )
            return
        for path in (
            paths.jobs(namespace, job) if objects.job else None,
            paths.configmaps(namespace, naming.record_name(job)) if record else None,
        ):
            if path is None:
                continue
            self._check()
            try:
                await watch.client.delete(path)
                logger.info("removed %s, left by a resource that is gone", path, extra=extra)
            except NotFound:
                logger.debug("%s is gone already", path)
