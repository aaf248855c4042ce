"""What data faults need of data stores, and what a process holds open there. Tests give it others.

Every method raises StoreError, or StoreUnreachable where there is no answer, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from firedrill.api.changes import Grant
from firedrill.clusters.errors import ClusterError, Unreachable

if TYPE_CHECKING:
    from firedrill.sources.kafka import Kafka
    from firedrill.sources.postgres import Postgres
    from firedrill.sources.redis import RedisServer


class StoreError(ClusterError):
    """A data store answered with an error; the text says which, and never a credential."""


class StoreUnreachable(Unreachable):
    """A data store did not answer."""


class Held(Protocol):
    """Something that hurts as long as this process holds it."""

    async def look(self) -> tuple[bool, str]:
        """Whether it is still held, and what was seen to suffer by it, in words; empty where nothing was."""
        ...

    async def close(self) -> None:
        """Let go of it; never raises."""
        ...


@dataclass(frozen=True)
class Table:
    """A table, and what a role was granted on it by its owner."""

    oid: str
    name: str
    grants: tuple[Grant, ...]


@dataclass(frozen=True)
class RolePassword:
    """A role and what its server checks a password by; empty for a role without a password."""

    oid: str
    role: str
    verifier: str = field(repr=False)


class Database(Protocol):
    """One database of a Postgres, asked over a new connection for each question; times in seconds."""

    async def reach(self) -> None:
        """Log in, and nothing else."""
        ...

    async def why_not_lockable(self, tables: Sequence[str]) -> str:
        """Why the tables can not be locked by who logs in; empty where they can."""
        ...

    async def lock(self, application: str, tables: Sequence[str], seconds: float) -> Held:
        """Lock tables until closed; the server ends it after ``seconds``."""
        ...

    async def pulse(self, application: str, tables: Sequence[str], pulse: float, every: float, seconds: float) -> Held:
        """Lock tables for ``pulse``, again after ``every``, for ``seconds`` at most."""
        ...

    async def why_not_fillable(self, reserve: int, most: int) -> str:
        """Why not all connections can be taken; empty where they can."""
        ...

    async def fill(self, application: str, reserve: int, most: int, seconds: float) -> Held:
        """Take all connections but ``reserve``; the server ends each after ``seconds``."""
        ...

    async def end_sessions(self, application: str) -> int:
        """End all sessions of that name; how many there were."""
        ...

    async def why_not_revocable(self, table: str, role: str) -> str:
        """Why what a role was granted can not be revoked and granted again exactly; empty where it can."""
        ...

    async def table(self, name: str, role: str) -> Table | None:
        """A table by name; None where there is none, or no such role."""
        ...

    async def revoke(self, application: str, table: Table, role: str) -> bool:
        """Revoke what the table lists; whether the role can then do nothing of it any more."""
        ...

    async def grant(self, table: Table, role: str, grants: Sequence[Grant]) -> None:
        """Grant again."""
        ...

    async def why_not_changeable(self, role: str) -> str:
        """Why a role's password can not be changed and put back exactly; empty where it can."""
        ...

    async def password(self, role: str, *, by_oid: bool = False) -> RolePassword | None:
        """A role by its name, or by its OID; None where there is none."""
        ...

    async def swap_password(self, oid: str, instead_of: str, verifier: str, application: str = ...) -> bool:
        """Set the verifier of a role where another one is set now; whether it is the one that is set then."""
        ...

    async def end_sessions_of(self, oid: str) -> int:
        """End all sessions of a role; how many there were."""
        ...


class Broker(Protocol):
    """A Kafka."""

    async def reach(self) -> None:
        """Log in, and nothing else."""
        ...

    async def why_not_joinable(self, group: str, topic: str) -> str:
        """Why members of ours could not take partitions of the topic in that group; empty where they could."""
        ...

    async def join(self, group: str, topic: str, client: str, members: int, seconds: float) -> Held:
        """Join with members that do nothing, for ``seconds`` at most; the broker drops them when they are silent."""
        ...

    async def evict(self, group: str, client: str) -> int:
        """Let all members of that client leave; how many there were."""
        ...

    async def produce(self, topic: str, partition: int | None, messages: Sequence[bytes]) -> list[str]:
        """Produce messages; where each has come to, as partition and offset."""
        ...


class Cache(Protocol):
    """One numbered database of a Redis."""

    async def flush(self, pattern: str | None) -> tuple[int, int]:
        """Delete keys; how many there were in all, before and after."""
        ...


class Stores:
    """Real data stores, and what this process holds there, by its name."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def database(self, server: "Postgres") -> Database:
        """A Postgres."""
        from firedrill.runner.data.postgres import PostgresDatabase

        return PostgresDatabase(server)

    def broker(self, server: "Kafka") -> Broker:
        """A Kafka."""
        from firedrill.runner.data.kafka import KafkaBroker

        return KafkaBroker(server)

    def cache(self, server: "RedisServer") -> Cache:
        """A Redis."""
        from firedrill.runner.data.redis import RedisCache

        return RedisCache(server)

    def keep(self, name: str, held: Held) -> None:
        """Hold something until it is released."""
        self._held[name] = held

    def held(self, name: str) -> Held | None:
        """What this process holds by that name."""
        return self._held.get(name)

    async def release(self, name: str) -> None:
        """Let go of what this process holds by that name, if it does."""
        held = self._held.pop(name, None)
        if held is not None:
            await held.close()
