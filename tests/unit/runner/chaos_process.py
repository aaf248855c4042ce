"""A process of a run: it can be killed at any of its writes, and its requests can be made to fail."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaos_cluster import REVIEWS, Object, World

from firedrill.clusters.client import MERGE_PATCH
from firedrill.clusters.errors import ClusterError
from firedrill.clusters.executing import Executed


class Killed(BaseException):
    """The process was killed by SIGKILL: no code of it runs any more."""


class Process:
    """One process: its requests and its clock, both of which stop for good when it is killed.

    ``kill_at`` is the number of a write, counted from 1; it is killed before or after that write.
    """

    def __init__(self, world: World, name: str, kill_at: int | None = None, *, after: bool = False) -> None:
        self.world = world
        self.name = name
        self.dead = False
        self.writes: list[str] = []
        self.fail: Callable[[str, str], ClusterError | None] = lambda _verb, _path: None
        self._kill_at = kill_at
        self._after = after

    # the clock

    def now(self) -> Any:
        return self.world.clock.now()

    async def sleep(self, seconds: float) -> None:
        await self.world.clock.sleep(seconds)
        self._live()

    # the cluster

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Object:
        await self._begin("GET", path)
        return self.world.get(path, params)

    async def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        return await self._write(
            "POST", path, lambda: self.world.create(path, body, dry_run), dry_run or path == REVIEWS
        )

    async def replace(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        raise AssertionError("nothing is replaced")

    async def patch(self, path: str, body: Any, *, content_type: str = MERGE_PATCH, dry_run: bool = False) -> Object:
        return await self._write("PATCH", path, lambda: self.world.patch(path, body, content_type, dry_run), dry_run)

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
        return await self._write(
            "DELETE", path, lambda: self.world.delete(path, uid, grace_seconds, resource_version, dry_run), dry_run
        )

    async def execute(self, path: str, container: str, command: Sequence[str], *, timeout: float = 30) -> Executed:
        return await self._write(
            "EXEC", path, lambda: self.world.execute(path, container, command), command[1] == "ask"
        )

    async def _begin(self, verb: str, path: str) -> None:
        self._live()
        await self.world.clock.sleep(0.01)
        self._live()
        self.world.requests.append((self.name, f"{verb} {path}"))
        error = self.fail(verb, path)
        if error:
            raise error

    async def _write(self, verb: str, path: str, action: Callable[[], Any], harmless: bool) -> Any:
        await self._begin(verb, path)
        if harmless:
            return action()
        self.writes.append(f"{verb} {path}")
        if len(self.writes) == self._kill_at and not self._after:
            self._die()
        answer = action()
        if len(self.writes) == self._kill_at:
            self._die()
        return answer

    def _die(self) -> None:
        self.dead = True
        raise Killed(self.name)

    def _live(self) -> None:
        if self.dead:
            raise Killed(self.name)
