"""A database and a broker in memory: what is held in them goes with the process that holds it, or in time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from chaos_cluster import World
from chaos_process import Process

from firedrill.api.changes import Grant
from firedrill.runner.data.stores import RolePassword, StoreError, Stores, StoreUnreachable, Table

#: What the server checks the password of the role ``app`` by.
VERIFIER = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"
GRANTS = (Grant(privilege="INSERT"), Grant(privilege="SELECT", grantable=True))


class Server:
    """What the servers know: sessions and members by name, and the grants of the role ``app``."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.entries: list[Entry] = []
        self.grants: list[Grant] = list(GRANTS)
        self.oid = "4711"
        self.verifier = VERIFIER
        self.messages: list[bytes] = []
        self.keys = 100
        #: Whose logins are refused.
        self.closed_to: set[str] = set()
        self.away = False

    def of(self, name: str) -> "list[Entry]":
        """What lives by that name: a dead process holds no connection, and time ends what is left."""
        now = self.world.clock.now()
        self.entries = [e for e in self.entries if not e.process.dead and now < e.ends and not e.ended]
        return [e for e in self.entries if e.name == name]

    @property
    def hurts(self) -> bool:
        """Whether the application suffers."""
        for name in {entry.name for entry in self.entries}:
            if self.of(name):
                return True
        granted = {each.privilege for each in self.grants}
        return granted != {each.privilege for each in GRANTS} or self.keys == 0 or self.verifier != VERIFIER


class Entry:
    """A session or a member."""

    def __init__(self, server: Server, process: Process, name: str, ends: datetime) -> None:
        self.server = server
        self.process = process
        self.name = name
        self.ends = ends
        self.ended = False

    async def look(self) -> tuple[bool, str]:
        alive = self in self.server.of(self.name)
        return alive, "it was seen to hurt" if alive else ""

    async def close(self) -> None:
        self.ended = True


class Asked:
    """A database, a broker and a cache as one process asks them; every change is a write that it can be killed at."""

    def __init__(self, process: Process, server: Server) -> None:
        self._process = process
        self._server = server

    async def _do(self, what: str, action: Any, *, write: bool = False) -> Any:
        if self._server.away:
            raise StoreUnreachable("nobody answers")
        if self._process.name in self._server.closed_to:
            raise StoreError("who are you?")
        return await self._process._write("STORE", what, action, not write)

    async def _hold(self, name: str, seconds: float) -> Entry:
        def begin() -> Entry:
            ends = self._server.world.clock.now() + timedelta(seconds=seconds)
            self._server.entries.append(Entry(self._server, self._process, name, ends))
            return self._server.entries[-1]

        entry: Entry = await self._do("hold", begin, write=True)
        return entry

    async def _end(self, name: str) -> int:
        found = self._server.of(name)
        if found:
            await self._do("end", lambda: [setattr(each, "ended", True) for each in found], write=True)
        else:
            await self._do("look", lambda: None)
        return len(found)

    async def reach(self) -> None:
        await self._do("reach", lambda: None)

    async def why_not_lockable(self, tables: Sequence[str]) -> str:
        await self.reach()
        return "" if tables == ["orders"] else "there is no such table"

    async def lock(self, application: str, tables: Sequence[str], seconds: float) -> Entry:
        return await self._hold(application, seconds)

    async def end_sessions(self, application: str) -> int:
        return await self._end(application)

    async def why_not_revocable(self, table: str, role: str) -> str:
        await self.reach()
        return ""

    async def table(self, name: str, role: str) -> Table | None:
        grants = tuple(self._server.grants)
        return await self._do("table", lambda: Table(self._server.oid, name, grants) if self._server.oid else None)  # type: ignore[no-any-return]

    async def revoke(self, application: str, table: Table, role: str) -> bool:
        def revoke() -> bool:
            self._server.grants = [each for each in self._server.grants if each not in table.grants]
            return True

        return bool(await self._do("revoke", revoke, write=True))

    async def grant(self, table: Table, role: str, grants: Sequence[Grant]) -> None:
        await self._do("grant", lambda: self._server.grants.extend(grants), write=True)

    async def why_not_changeable(self, role: str) -> str:
        await self.reach()
        return ""

    async def password(self, role: str, *, by_oid: bool = False) -> RolePassword | None:
        def read() -> RolePassword | None:
            return RolePassword(self._server.oid, "app", self._server.verifier) if self._server.oid else None

        return await self._do("password", read)  # type: ignore[no-any-return]

    async def swap_password(self, oid: str, instead_of: str, verifier: str, application: str = "") -> bool:
        def swap() -> bool:
            if oid != self._server.oid or self._server.verifier not in (instead_of, verifier):
                return False
            self._server.verifier = verifier
            return True

        return bool(await self._do("swap", swap, write=True))

    async def end_sessions_of(self, oid: str) -> int:
        return int(await self._do("end sessions", lambda: 3, write=True))

    async def why_not_joinable(self, group: str, topic: str) -> str:
        await self.reach()
        return ""

    async def join(self, group: str, topic: str, client: str, members: int, seconds: float) -> Entry:
        return await self._hold(client, seconds)

    async def evict(self, group: str, client: str) -> int:
        return await self._end(client)

    async def produce(self, topic: str, partition: int | None, messages: Sequence[bytes]) -> list[str]:
        await self._do("produce", lambda: self._server.messages.extend(messages), write=True)
        return [f"{topic}/0@{len(self._server.messages)}"]

    async def flush(self, pattern: str | None) -> tuple[int, int]:
        before = self._server.keys

        def empty() -> None:
            self._server.keys = 0
            # The application fills it again.
            self._server.world.later(2.0, lambda: setattr(self._server, "keys", 50))

        await self._do("flush", empty, write=True)
        return before, 0


class FakeStores(Stores):
    """The stores of one process."""

    def __init__(self, process: Process, server: Server) -> None:
        super().__init__()
        self._asked: Any = Asked(process, server)

    def database(self, server: Any) -> Any:
        return self._asked

    def broker(self, server: Any) -> Any:
        return self._asked

    def cache(self, server: Any) -> Any:
        return self._asked
