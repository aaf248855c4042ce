"""One operator at a time: a Lease that is given up before it expires.

A lease is no mutual exclusion by itself: a paused process may wake up after its end. So every action asks
:meth:`Lease.check` first, which refuses from two thirds of the lease's time on, and writes are guarded by
resourceVersion or deterministic names besides.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any

from firedrill.api.base import format_micro_time
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ClusterError, Conflict, NotFound
from firedrill.clusters.paths import path

logger = logging.getLogger(__name__)

DURATION = 15.0
RENEW_EVERY = 4.0
#: From this age of the last renewal on nothing is done any more; the others may take over at DURATION.
SAFE = 10.0


class LeaseLost(Exception):
    """This process may not act any more; it must end, and start anew."""


class Lease:
    """The Lease ``name`` in ``namespace``, held by ``identity``."""

    def __init__(self, client: KubeClient, namespace: str, name: str, identity: str) -> None:
        self._client = client
        self._collection = path("coordination.k8s.io/v1", "leases", namespace)
        self._path = path("coordination.k8s.io/v1", "leases", namespace, name)
        self._name = name
        self.identity = identity
        self._renewed = float("-inf")
        self._seen: tuple[str, float] | None = None

    @property
    def held(self) -> bool:
        """Whether this process may act."""
        return time.monotonic() - self._renewed < SAFE

    def check(self) -> None:
        """Raise LeaseLost unless this process may act."""
        if not self.held:
            raise LeaseLost(f"{self.identity} has not renewed its lease for {SAFE:g} s")

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        while True:
            if await self._try():
                break
            await asyncio.sleep(RENEW_EVERY / 2)
        logger.info("lease acquired by %s", self.identity)

    async def keep(self) -> None:
        """Renew until it fails for too long; raises LeaseLost then."""
        while True:
            await asyncio.sleep(RENEW_EVERY)
            await self._try()
            self.check()

    async def release(self) -> None:
        """Let the next one start at once."""
        if not self.held:
            return
        self._renewed = float("-inf")
        try:
            lease = await self._client.get(self._path)
            if lease["spec"].get("holderIdentity") == self.identity:
                lease["spec"]["holderIdentity"] = ""
                await self._client.replace(self._path, lease)
        except ClusterError as error:
            logger.warning("the lease was not released, the next operator waits %g s: %s", DURATION, error)

    async def _try(self) -> bool:
        started = time.monotonic()
        try:
            lease = await self._current()
            holder = lease["spec"].get("holderIdentity") or ""
            if holder not in ("", self.identity) and not self._expired(lease):
                return False
            lease["spec"] |= self._claim(taken_over=holder != self.identity, before=lease["spec"])
            await self._client.replace(self._path, lease)
        except Conflict:
            return False
        except ClusterError as error:
            logger.warning("lease not renewed: %s", error)
            return False
        # The time before the request: the server may have counted from then.
        self._renewed = started
        return True

    async def _current(self) -> dict[str, Any]:
        try:
            return await self._client.get(self._path)
        except NotFound:
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self._name},
                "spec": {},
            }
            return await self._client.create(self._collection, body)

    def _expired(self, lease: dict[str, Any]) -> bool:
        """Expiry by our own clock since the lease last changed: clocks of machines differ."""
        version = lease["metadata"]["resourceVersion"]
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, time.monotonic())
        return time.monotonic() - self._seen[1] > DURATION

    def _claim(self, *, taken_over: bool, before: dict[str, Any]) -> dict[str, Any]:
        now = format_micro_time(datetime.now(UTC))
        claim = {"holderIdentity": self.identity, "leaseDurationSeconds": int(DURATION), "renewTime": now}
        if taken_over:
            claim["acquireTime"] = now
            claim["leaseTransitions"] = int(before.get("leaseTransitions") or 0) + 1
        return claim
