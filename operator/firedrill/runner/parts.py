"""Workers of one run: they begin together, and the first of them puts their counts together.

Each writes what it has in ConfigMaps of its own, which go with the Job and which no other changes: worker 0 reads
them. They hold packed JSON, as sketches of many columns would else not fit.
"""

import base64
import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from firedrill.api.base import format_time
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Conflict, NotFound
from firedrill.runner.ports import Clock, Cluster
from firedrill.runner.record_store import labels, owner_reference
from firedrill.runner.retry import retry

_KEY: Final = "part.json.zlib"
#: A ConfigMap holds 1 MiB.
_LIMIT: Final = 900 * 1024
#: More than what is worth to be packed into that.
_UNPACKED_LIMIT: Final = 64 * 1024**2
_POLL_SECONDS: Final = 0.5
#: Between the last worker that is ready and the first request: time to hear of it.
_LEAD: Final = timedelta(seconds=2)


class WorkerMissing(Exception):
    """Another worker did not begin, or did not tell what it has."""


class PartTooLarge(Exception):
    """What a worker has does not fit into a ConfigMap."""


class PartDone(Exception):
    """This worker has done its part; the run's result is written by another."""


class Crew(Protocol):
    """The workers of a run, as one of them sees them."""

    index: int
    size: int

    async def begin_together(self, until: datetime) -> None:
        """Wait for all, then for one moment. Raises WorkerMissing."""
        ...

    async def hand_in(self, part: dict[str, Any]) -> None:
        """Leave what this worker has. Raises PartTooLarge."""
        ...

    async def collect(self, until: datetime) -> list[dict[str, Any]]:
        """What the others have left. Raises WorkerMissing."""
        ...


class Alone:
    """A crew of one."""

    index = 0
    size = 1

    async def begin_together(self, until: datetime) -> None:
        """There is nobody to wait for."""

    async def hand_in(self, part: dict[str, Any]) -> None:
        """There is nobody to leave it to."""

    async def collect(self, until: datetime) -> list[dict[str, Any]]:  # noqa: ARG002 - as all crews are asked
        """There are no others."""
        return []


class PodCrew:
    """The pods of an Indexed Job."""

    def __init__(self, client: Cluster, clock: Clock, task: Task, index: int, size: int) -> None:
        self._client = client
        self._clock = clock
        self._task = task
        self.index = index
        self.size = size

    async def begin_together(self, until: datetime) -> None:
        """Say that this one is ready, wait for the others, then until two seconds after the last."""
        await self._write("ready", self.index, {"at": format_time(self._clock.now())})
        moments = [
            datetime.fromisoformat(str((await self._read("ready", i, until))["at"])).astimezone(UTC)
            for i in range(self.size)
        ]
        wait = (max(moments) + _LEAD - self._clock.now()).total_seconds()
        await self._clock.sleep(max(wait, 0.0))

    async def hand_in(self, part: dict[str, Any]) -> None:
        """Leave what this worker has. Raises PartTooLarge."""
        await self._write("part", self.index, part)

    async def collect(self, until: datetime) -> list[dict[str, Any]]:
        """What the others have left. Raises WorkerMissing."""
        return [await self._read("part", i, until) for i in range(self.size) if i != self.index]

    def _name(self, what: str, index: int) -> str:
        return f"{self._task.job}-{what}-{index}"

    async def _write(self, what: str, index: int, data: dict[str, Any]) -> None:
        packed = zlib.compress(json.dumps(data, separators=(",", ":")).encode())
        if len(packed) > _LIMIT:
            raise PartTooLarge(f"{len(packed)} bytes are more than the {_LIMIT} that a worker may leave")
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self._name(what, index),
                "namespace": self._task.runner_namespace,
                "labels": labels(self._task, "part"),
                "ownerReferences": [owner_reference(self._task)],
            },
            "binaryData": {_KEY: base64.b64encode(packed).decode()},
        }

        async def create() -> None:
            try:
                await self._client.create(paths.configmaps(self._task.runner_namespace), body)
            except Conflict as error:
                # A pod that was replaced: what its forerunner has left counts.
                if not error.already_exists:
                    raise

        await retry(self._clock, create, f"writing {self._name(what, index)}")

    async def _read(self, what: str, index: int, until: datetime) -> dict[str, Any]:
        path = paths.configmaps(self._task.runner_namespace, self._name(what, index))
        while True:
            try:
                body = await retry(self._clock, lambda: self._client.get(path), f"reading {what} of worker {index}")
                return _unpacked(body)
            except NotFound:
                if self._clock.now() >= until:
                    word = "did not begin" if what == "ready" else "did not hand in its part"
                    raise WorkerMissing(f"worker {index} of {self.size} {word}") from None
                await self._clock.sleep(_POLL_SECONDS)
            except (ClusterError, KeyError, ValueError, zlib.error) as error:
                raise WorkerMissing(f"what worker {index} has left can not be read: {error}") from error


def _unpacked(body: dict[str, Any]) -> dict[str, Any]:
    """Raises KeyError, ValueError and zlib.error where it is not what a worker leaves."""
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(body["binaryData"][_KEY], validate=True), _UNPACKED_LIMIT)
    if not unpacker.eof:
        raise ValueError("it is cut off, or larger than any part")
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found
