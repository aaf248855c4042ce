"""The workloads of one target whose rollouts somebody waits for: each read by name, every few seconds.

A read takes the verb get on that kind in that namespace, and nothing else; a watch would take a connection for each.
What nobody waits for is never read.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from firedrill.api.rollout import Workload
from firedrill.clusters import paths
from firedrill.clusters.cache import Key
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ApiError, ClusterError, Forbidden, NotFound, Throttled
from firedrill.core.workload import Blind, Look, Sight, sight_of

logger = logging.getLogger(__name__)

#: Seconds between two reads of a workload.
READ_EVERY = 5.0


def _now() -> datetime:
    return datetime.now(UTC)


class Workloads:
    """Reads what is waited for; ``on_key`` is told of each resource for which something has changed."""

    def __init__(
        self,
        client: KubeClient,
        cluster: str,
        on_key: Callable[[Key], None],
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._client = client
        self._cluster = cluster
        self._on_key = on_key
        self._clock = clock
        self._wanted: dict[Key, Workload] = {}
        self._looks: dict[Workload, Look] = {}
        self._due: dict[Workload, float] = {}
        self._news = asyncio.Event()

    def want(self, key: Key, workload: Workload | None) -> None:
        """A resource waits for rollouts of this, or of nothing any more."""
        if workload is None:
            self._wanted.pop(key, None)
            return
        self._wanted[key] = workload
        if workload not in self._due:
            self._due[workload] = 0.0
            self._news.set()

    def look(self, key: Key) -> Look | None:
        """What a resource waits for, as it was read last; None before that."""
        workload = self._wanted.get(key)
        return self._looks.get(workload) if workload else None

    async def run(self) -> None:
        """Read for ever."""
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            self._forget()
            while due := [each for each, at in self._due.items() if at <= loop.time()]:
                await self._read(due[0])
            pause = max(0.0, min(self._due.values()) - loop.time()) if self._due else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), pause)

    def _forget(self) -> None:
        wanted = set(self._wanted.values())
        for workload in self._due.keys() - wanted:
            del self._due[workload]
            self._looks.pop(workload, None)

    async def _read(self, workload: Workload) -> None:
        try:
            body = await self._client.get(
                paths.path("apps/v1", workload.kind.plural, workload.namespace, workload.name)
            )
            self._saw([workload], sight_of(workload.kind, body, self._clock()))
        except Throttled:
            self._later(workload)
            logger.info("%s of %s is read later: the server is busy", workload, self._cluster)
        except NotFound:
            self._saw([workload], Blind("WorkloadNotFound", f"there is no {workload} in {self._cluster}"))
        except Forbidden:
            message = (
                f"{workload} in {self._cluster} may not be read: the operator's credentials there need the verb get on "
                f"{workload.kind.plural}.apps in {workload.namespace} (target.rollouts.enabled of the chart)"
            )
            self._saw([workload], Blind("Unreadable", message))
        except ApiError as error:
            message = f"{workload} in {self._cluster} can not be read: {error.status} {error.reason}"
            self._saw([workload], Blind("Unreadable", message))
        except ClusterError:
            # It is the target that is silent: nothing else there need be waited for as long.
            self._saw(list(self._due), Blind("TargetUnreachable", f"{self._cluster} does not answer"))
        except Exception:
            logger.exception("%s of %s is not understood", workload, self._cluster)
            message = f"{workload} in {self._cluster} is not understood; the log of the operator says more"
            self._saw([workload], Blind("Unreadable", message))

    def _saw(self, workloads: Iterable[Workload], look: Look) -> None:
        for workload in workloads:
            before = self._looks.get(workload)
            self._looks[workload] = look
            self._later(workload)
            if _differs(before, look):
                for key in [key for key, wanted in self._wanted.items() if wanted == workload]:
                    self._on_key(key)

    def _later(self, workload: Workload) -> None:
        at = asyncio.get_running_loop().time() + READ_EVERY * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
        self._due[workload] = at


def _differs(before: Look | None, look: Look) -> bool:
    """Whether something is to be seen that was not before, but for the time of it."""
    if isinstance(before, Sight) and isinstance(look, Sight):
        return replace(before, at=look.at) != look
    return before != look
