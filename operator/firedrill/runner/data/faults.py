"""Carrying out faults of data stores."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, assert_never

from firedrill.api.changes import (
    Change,
    ChangeState,
    DataTouched,
    GrantsRevoked,
    GroupJoined,
    PasswordChanged,
    SessionsHeld,
    StoreChange,
)
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.data import (
    CacheFlush,
    DatabaseConnections,
    DatabaseFault,
    DatabaseLock,
    DatabasePassword,
    DatabaseRevoke,
    DatabaseSlow,
    KafkaConsumerLag,
    KafkaPoisonMessage,
    StoreFault,
)
from firedrill.clusters.errors import Unreachable
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.context import RunContext
from firedrill.runner.data.addressing import broker_of, cache_of, database_of, login_of, uid_of_namespace, why_not_there
from firedrill.runner.data.stores import Database, Held, StoreError, StoreUnreachable, Table
from firedrill.runner.data.verifiers import unmatched_verifier
from firedrill.runner.faults.asked import ready_in_time, send, soon
from firedrill.runner.faults.driver import Look, NotInjected
from firedrill.runner.retry import retry
from firedrill.sources.login import CredentialsRefused

#: The server ends what is left by itself so long after the fault should have ended.
_SLACK: Final = timedelta(seconds=5)
#: No text in UTF-8, no JSON, no Avro container, and a Protobuf field of a wire type that does not exist.
POISON: Final = b"\xff\xfe\x00\x07firedrill\xc3\x28\x00"


class DataFault:
    """One fault of a data store, by a connection of our own."""

    def __init__(self, context: RunContext, spec: ChaosExperimentSpec) -> None:
        assert isinstance(spec.fault.chosen, StoreFault)
        self._clock = context.clock
        self._context = context.for_undoing
        self._fault: Any = spec.fault.chosen
        self._namespace = spec.target.namespace
        self._seconds = (spec.duration + _SLACK).total_seconds()
        self._name = f"firedrill-{context.task.run_id}"
        self._namespace_uid = ""
        self._effects: set[str] = set()

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """Log in and look, without changing anything."""
        del pods
        where = StoreChange(**self._where())
        missing = await why_not_there(self._context, where)
        if missing:
            return Refusal("NoTargets", missing)
        try:
            await login_of(self._context, where)
        except CredentialsRefused as error:
            return Refusal("NotPermitted", str(error))
        try:
            why = await retry(self._clock, lambda: self._why_not(where), "asking the data store")
        except (StoreError, StoreUnreachable) as error:
            return Refusal("NotApplicable", f"the data store can not be asked: {error}")
        return Refusal("NotApplicable", why) if why else None

    async def _why_not(self, where: StoreChange) -> str:
        fault = self._fault
        match fault:
            case DatabaseLock() | DatabaseSlow():
                return await (await database_of(self._context, where)).why_not_lockable(fault.tables)
            case DatabaseConnections():
                database = await database_of(self._context, where)
                return await database.why_not_fillable(fault.reserve, fault.max_sessions)
            case DatabaseRevoke():
                database = await database_of(self._context, where)
                found = [await database.why_not_revocable(table, fault.role) for table in fault.tables]
                return next((why for why in found if why), "")
            case DatabasePassword():
                return await (await database_of(self._context, where)).why_not_changeable(fault.role)
            case KafkaConsumerLag():
                return await (await broker_of(self._context, where)).why_not_joinable(fault.group, fault.topic)
        return ""

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """What is to be done, with what the store lists now."""
        del pods, now
        self._namespace_uid = await uid_of_namespace(self._context, self._namespace)
        if not self._namespace_uid:
            raise NotInjected(f"namespace {self._namespace} is gone")
        fault, where = self._fault, self._where()
        match fault:
            case DatabaseLock() | DatabaseSlow() | DatabaseConnections():
                return [SessionsHeld(**where, application=self._name, seconds=self._seconds)]
            case DatabaseRevoke():
                database = await database_of(self._context, StoreChange(**where))
                return [await self._revocation(await database.table(name, fault.role), name) for name in fault.tables]
            case DatabasePassword():
                return [await self._password(await database_of(self._context, StoreChange(**where)))]
            case KafkaConsumerLag():
                return [
                    GroupJoined(
                        **where,
                        group=fault.group,
                        topic=fault.topic,
                        client=self._name,
                        members=fault.members,
                        seconds=self._seconds,
                    )
                ]
            case KafkaPoisonMessage():
                residue = f"{fault.count} messages stay in topic {fault.topic} until their retention is over"
                return [DataTouched(**where, residue=residue)]
            case CacheFlush():
                keys = f"those that match {fault.pattern}" if fault.pattern else "all of them"
                return [DataTouched(**where, residue=f"keys of database {fault.database} are gone: {keys}")]
        raise AssertionError(f"nothing is planned for {type(fault).__name__}")

    async def _revocation(self, found: Table | None, name: str) -> GrantsRevoked:
        role = self._fault.role
        if found is None:
            raise NotInjected(f"there is no table {name}, or no role {role}")
        if not found.grants:
            raise NotInjected(f"role {role} was granted nothing on table {name} that could be revoked")
        return GrantsRevoked(
            **self._where(),
            uid=found.oid,
            application=self._name,
            table=found.name,
            role=role,
            grants=list(found.grants),
        )

    async def _password(self, database: Database) -> PasswordChanged:
        role = self._fault.role
        found = await database.password(role)
        if found is None:
            raise NotInjected(f"there is no role {role}")
        return PasswordChanged(
            **self._where(),
            uid=found.oid,
            application=self._name,
            role=role,
            original=found.verifier,
            value=unmatched_verifier(),
        )

    def schedule(self, change: StoreChange, now: datetime, deadline: datetime) -> Change:
        """It must be begun soon: until then, and a little longer, nobody can say that it was not."""
        scheduled = soon(change, now, deadline)
        if isinstance(scheduled, SessionsHeld):
            ends = (scheduled.not_after or now) + timedelta(seconds=scheduled.seconds)
            scheduled = scheduled.model_copy(update={"expires_at": ends})
        return scheduled  # type: ignore[return-value]

    async def apply(self, change: Any) -> Change:
        """Once: a second try of what was not answered might do it twice.

        Reading who logs in takes its time: whether it is too late is looked at when that is over.
        """
        late = f"{change.key} could not be reached in time"
        try:
            server = await ready_in_time(change, self._clock, self._server_of(change), late)
            asked_at = self._clock.now()
            evidence = await send(change, self._clock, self._do(change, server), late)
        except (StoreError, Unreachable) as error:
            raise NotInjected(f"{change.key}: {error}") from error
        update = {"state": ChangeState.APPLIED, "applied_at": asked_at, "evidence": evidence[:1000]}
        applied: Change = change.model_copy(update=update)
        return applied

    async def _server_of(self, change: StoreChange) -> Any:
        if isinstance(change, GroupJoined) or isinstance(self._fault, KafkaPoisonMessage):
            return await broker_of(self._context, change)
        if isinstance(change, DataTouched):
            return await cache_of(self._context, change)
        return await database_of(self._context, change)

    async def _do(
        self, change: SessionsHeld | GrantsRevoked | PasswordChanged | GroupJoined | DataTouched, server: Any
    ) -> str:
        match change:
            case SessionsHeld():
                self._context.stores.keep(change.application, await self._hold(change, server))
                return f"sessions {change.application} are held"
            case GrantsRevoked():
                table = Table(change.uid, change.table, tuple(change.grants))
                if await server.revoke(change.application, table, change.role):
                    self._effects.add(change.uid)
                return f"revoked {', '.join(each.privilege for each in change.grants)} on {change.table}"
            case PasswordChanged():
                return await self._change_password(change, server)
            case GroupJoined():
                held = await server.join(change.group, change.topic, change.client, change.members, change.seconds)
                self._context.stores.keep(change.client, held)
                return f"{change.members} members joined group {change.group}"
            case DataTouched():
                return await self._touch(change, server)
        assert_never(change)

    async def _change_password(self, change: PasswordChanged, database: Database) -> str:
        if not await database.swap_password(change.uid, change.original, change.value, change.application):
            raise StoreError(f"somebody else has changed the password of role {change.role} meanwhile")
        self._effects.add(change.uid)
        if not self._fault.end_sessions:
            return f"role {change.role} has a password that nobody knows; its sessions stay"
        ended = await database.end_sessions_of(change.uid)
        return f"role {change.role} has a password that nobody knows; {ended} sessions of it were ended"

    async def _hold(self, change: SessionsHeld, database: Database) -> Held:
        fault, name, seconds = self._fault, change.application, change.seconds
        if isinstance(fault, DatabaseLock):
            return await database.lock(name, fault.tables, seconds)
        if isinstance(fault, DatabaseSlow):
            pulse, every = fault.pulse.total_seconds(), fault.interval.total_seconds()
            return await database.pulse(name, fault.tables, pulse, every, seconds)
        return await database.fill(name, fault.reserve, fault.max_sessions, seconds)

    async def _touch(self, change: DataTouched, server: Any) -> str:
        fault = self._fault
        if isinstance(fault, KafkaPoisonMessage):
            places = await server.produce(fault.topic, fault.partition, [POISON] * fault.count)
            self._effects.add(change.key)
            return f"acknowledged: {', '.join(places[:10])}"
        before, after = await server.flush(fault.pattern)
        if after < before:
            self._effects.add(change.key)
        return f"{before} keys before, {after} after"

    async def look(self, change: Any) -> Look:
        """What is held says itself; revoked grants are looked up; a moment leaves nothing to look at."""
        match change:
            case SessionsHeld() | GroupJoined():
                name = change.application if isinstance(change, SessionsHeld) else change.client
                held = self._context.stores.held(name)
                if held is None:
                    return Look(reverted=False)
                alive, effect = await held.look()
                if effect:
                    self._effects.add(change.key)
                return Look(reverted=not alive, effect=effect)
            case GrantsRevoked():
                found = await (await database_of(self._context, change)).table(change.table, change.role)
                there = {each.privilege for each in found.grants} if found else set()
                back = any(each.privilege in there for each in change.grants)
                effect = f"role {change.role} may not use table {change.table}" if change.uid in self._effects else ""
                return Look(reverted=back or found is None, effect="" if back else effect)
            case PasswordChanged():
                held_by = await (await database_of(self._context, change)).password(change.uid, by_oid=True)
                ours = held_by is not None and held_by.verifier == change.value
                return Look(reverted=not ours, effect=change.evidence if ours and self.proven(change) else "")
        return Look(reverted=False, effect=change.evidence if change.key in self._effects else "")

    def ended_at(self, change: Any, undone_at: datetime) -> datetime:
        """When it was seen undone; a moment ends as it begins."""
        if isinstance(change, DataTouched):
            return change.applied_at or undone_at
        return undone_at

    def proven(self, change: Any) -> bool:
        """What the store itself said of it."""
        return change.key in self._effects or change.uid in self._effects

    def _where(self) -> dict[str, Any]:
        fault = self._fault
        where = {
            "namespace": self._namespace,
            "namespace_uid": self._namespace_uid,
            "name": fault.service,
            "port": fault.port,
            "tls": fault.tls,
            "secret": fault.secret_ref.name if fault.secret_ref else "",
        }
        if isinstance(fault, DatabaseFault):
            where |= {"database": fault.database, "username": fault.username or ""}
        if isinstance(fault, CacheFlush):
            where["database"] = str(fault.database)
        return where
