"""What the runner needs from outside: a cluster and a clock. Tests give it others."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from firedrill.api.meta import FIELD_MANAGER
from firedrill.clusters.client import MERGE_PATCH
from firedrill.clusters.executing import Executed

Object = dict[str, Any]

#: Of one runner or guardian: a thousand pods are to be killed in seconds, and the API server has its own fairness.
REQUESTS_PER_SECOND: Final = 200


class Cluster(Protocol):
    """The requests of :class:`firedrill.clusters.client.KubeClient` that runner and guardian make.

    Every method raises a subclass of :class:`firedrill.clusters.errors.ClusterError` and nothing else.
    """

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Object:
        """Read one object, or a list."""
        ...

    async def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        """Create an object in the collection at path."""
        ...

    async def execute(self, path: str, container: str, command: Sequence[str], *, timeout: float = 30) -> Executed:
        """Start a command in a container of the pod at path, and wait for its first line."""
        ...

    async def replace(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        """Replace an object."""
        ...

    async def patch(
        self,
        path: str,
        body: Object | list[Object],
        *,
        content_type: str = MERGE_PATCH,
        dry_run: bool = False,
        manager: str = FIELD_MANAGER,
    ) -> Object:
        """Change some fields of an object."""
        ...

    async def delete(
        self,
        path: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str = "Background",
        grace_seconds: int | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Delete an object."""
        ...


class Clock(Protocol):
    """Time and waiting."""

    def now(self) -> datetime:
        """The time in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The wall clock as of its creation, run on by the monotonic clock: a step of the wall clock in the middle
    of an experiment must not look like an outage, nor hide one."""

    def __init__(self) -> None:
        self._wall = datetime.now(UTC)
        self._monotonic = time.monotonic()

    def now(self) -> datetime:
        """The time in UTC."""
        return self._wall + timedelta(seconds=time.monotonic() - self._monotonic)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
