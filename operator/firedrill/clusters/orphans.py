"""What resources that are gone have left in targets: it is ended, undone, and taken away."""

import logging
from collections.abc import Callable

from firedrill.api.kinds import RUN_KINDS
from firedrill.api.meta import ANNOTATION_RESOURCE, LABEL_ROLE
from firedrill.api.record import Control
from firedrill.clusters import paths
from firedrill.clusters.cache import Key
from firedrill.clusters.control import set_control
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
                        await self._clean_run(watch, key, job, objects)

    async def _clean_run(self, watch: TargetWatch, key: Key, job: str, objects: RunObjects) -> None:
        namespace = watch.target.spec.runner_namespace
        record = objects.record
        extra = {"cluster": watch.target.name}
        kind = RUN_KINDS.get(key.kind)
        # Without a record its runner may claim it at any moment; with the Job its guardian would go as well.
        unclaimed = record is None and objects.job is not None and (kind is None or kind.mutates)
        if unclaimed or (record is not None and not record.settled):
            # Only a finalizer removed by hand leads here: the guardian still undoes, and then this returns.
            if record is None or not record.control.abort:
                self._check()
                logger.warning("run %s lost its resource before it was undone: aborting it", job, extra=extra)
                await self._abort(watch, job)
            return
        if objects.guardian is not None and objects.guardian.running:
            # It leaves by itself when nothing is left; where somebody deleted the record, only it knows what is.
            return
        for path in (
            paths.jobs(namespace, job) if objects.job else None,
            paths.jobs(namespace, naming.guardian_name(job)) if objects.guardian else None,
            paths.configmaps(namespace, naming.record_name(job)) if record else None,
            paths.configmaps(namespace, f"{job}-reaction") if objects.reaction else None,
        ):
            if path is None:
                continue
            self._check()
            try:
                await watch.client.delete(path)
                logger.info("removed %s, left by a resource that is gone", path, extra=extra)
            except NotFound:
                logger.debug("%s is gone already", path)

    @staticmethod
    async def _abort(watch: TargetWatch, job: str) -> None:
        namespace = watch.target.spec.runner_namespace
        try:
            meta = (await watch.client.get(paths.jobs(namespace, job)))["metadata"]
        except NotFound:
            meta = {}
        labels = {**meta.get("labels", {}), LABEL_ROLE: "record"}
        annotations = {ANNOTATION_RESOURCE: meta.get("annotations", {}).get(ANNOTATION_RESOURCE, "")}
        abort = Control(abort="ResourceGone")
        await set_control(watch.client, namespace, job, abort, labels, annotations, fence=True)
