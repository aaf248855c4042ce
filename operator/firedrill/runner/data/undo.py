"""Undoing what was done to data stores, by anyone at any time."""

from datetime import timedelta
from typing import Final

from firedrill.api.base import format_time
from firedrill.api.changes import (
    ChangeState,
    DataTouched,
    GrantsRevoked,
    GroupJoined,
    PasswordChanged,
    SessionsHeld,
    StoreChange,
)
from firedrill.api.meta import ANNOTATION_SETTLED
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Forbidden, NotFound
from firedrill.engines.chaos.faults.fields import SERVICE
from firedrill.runner.data.addressing import broker_of, database_of, uid_of_namespace
from firedrill.runner.data.stores import StoreError, Table
from firedrill.runner.faults.asked import may_be_on_its_way
from firedrill.runner.undoing import Seen, UndoContext, seen, waiting

#: After the time that a server was given to end sessions, it has ended them.
_EXPIRY_MARGIN: Final = timedelta(seconds=5)
_ON_ITS_WAY: Final = "a request to the data store may still be on its way"


async def undo_sessions_held(context: UndoContext, change: SessionsHeld) -> Seen:
    """Let go of our own, end what is left, and see the server list none."""
    await context.stores.release(change.application)
    if await _service_is_gone(context, change):
        return _without_service(context, change)
    ended = await (await database_of(context, change)).end_sessions(change.application)
    if ended:
        return waiting(change, f"{ended} sessions {change.application} were told to end")
    if may_be_on_its_way(change, context.clock):
        return waiting(change, _ON_ITS_WAY)
    return seen(change, f"the server lists no session {change.application}")


def _without_service(context: UndoContext, change: SessionsHeld) -> Seen:
    # Nobody can ask the server any more; what it was told to end by itself, it has ended, or it is gone too.
    if may_be_on_its_way(change, context.clock):
        return waiting(change, _ON_ITS_WAY)
    ends = change.expires_at or (change.not_after and change.not_after + timedelta(seconds=change.seconds))
    if ends is not None and context.clock.now() < ends + _EXPIRY_MARGIN:
        return waiting(change, f"its Service is gone; the server ends the sessions at {format_time(ends)}")
    return seen(change, "its Service is gone; the server was told to end the sessions by itself, and the time is over")


async def undo_grants_revoked(context: UndoContext, change: GrantsRevoked) -> Seen:
    """Grant again what is missing, and see it there."""
    if await _service_is_gone(context, change):
        # A database that comes back under that name has what it had, and the role is without its grants.
        return await _out_of_reach(context, change, f"grants of {change.role} on {change.table}")
    database = await database_of(context, change)
    if await database.end_sessions(change.application):
        return waiting(change, "a session that revokes was told to end")
    if may_be_on_its_way(change, context.clock):
        return waiting(change, _ON_ITS_WAY)
    label = f"role {change.role} on table {change.table}"
    found = await database.table(change.table, change.role)
    if found is None:
        return seen(change, f"{label}: the table or the role is gone")
    if found.oid != change.uid:
        return seen(change, f"{label}: the table was replaced by another of that name")
    there = {each.privilege: each.grantable for each in found.grants}
    missing = [each for each in change.grants if each.privilege not in there]
    if missing:
        await database.grant(Table(found.oid, found.name, ()), change.role, missing)
        return waiting(change, f"{label}: {len(missing)} privileges were granted again")
    others = [each.privilege for each in change.grants if there[each.privilege] != each.grantable]
    residues = tuple(f"{label}: {name} was granted otherwise by somebody else, and stays" for name in others)
    return seen(change, f"{label}: the server lists all of {', '.join(sorted(there))}", residues)


async def undo_password_changed(context: UndoContext, change: PasswordChanged) -> Seen:
    """Set the original verifier where ours still is, and see it there."""
    label = f"password of role {change.role}"
    if await _service_is_gone(context, change):
        # A database that comes back under that name may still hold our verifier.
        return await _out_of_reach(context, change, label)
    database = await database_of(context, change)
    if await database.end_sessions(change.application):
        return waiting(change, "a session that sets a password was told to end")
    if may_be_on_its_way(change, context.clock):
        return waiting(change, _ON_ITS_WAY)
    found = await database.password(change.uid, by_oid=True)
    if found is None:
        return seen(change, f"{label}: the role is gone")
    if found.verifier == change.value:
        await database.swap_password(change.uid, change.value, change.original)
        return waiting(change, f"{label}: the original was set again")
    if found.verifier != change.original:
        told = f"{label}: somebody else has set another one, which stays"
        return seen(change, told, (told,))
    return seen(change, f"{label}: the server holds the original again")


async def undo_group_joined(context: UndoContext, change: GroupJoined) -> Seen:
    """Leave, let go who is left, and see the group without us."""
    await context.stores.release(change.client)
    if await _service_is_gone(context, change):
        return seen(change, "its Service is gone: nobody of ours can reach the broker, which drops silent members")
    left = await (await broker_of(context, change)).evict(change.group, change.client)
    if left:
        return waiting(change, f"{left} members of ours were told to leave group {change.group}")
    if may_be_on_its_way(change, context.clock):
        return waiting(change, _ON_ITS_WAY)
    return seen(change, f"group {change.group} has no member {change.client}")


async def undo_data_touched(context: UndoContext, change: DataTouched) -> Seen:
    """Nothing can be undone: what stays is declared."""
    if change.state is not ChangeState.PLANNED:
        return seen(change, change.evidence, (change.residue,))
    if may_be_on_its_way(change, context.clock):
        return waiting(change, _ON_ITS_WAY)
    return seen(change, "whether it was carried out was not noted", (f"perhaps: {change.residue}",))


async def database_unready(context: UndoContext, change: SessionsHeld | GrantsRevoked | PasswordChanged) -> str:
    """Why a guardian could not undo it: it must be able to log in."""
    try:
        await (await database_of(context, change)).reach()
    except ClusterError as error:
        return f"it can not log in to {change.key}: {error}"
    return ""


async def broker_unready(context: UndoContext, change: GroupJoined) -> str:
    """Why a guardian could not undo it: it must be able to log in."""
    try:
        await (await broker_of(context, change)).reach()
    except ClusterError as error:
        return f"it can not log in to {change.key}: {error}"
    return ""


async def _out_of_reach(context: UndoContext, change: GrantsRevoked | PasswordChanged, what: str) -> Seen:
    """Without its Service nothing can be put back: for good where the namespace is gone, else for as long as it is."""
    try:
        uid = await uid_of_namespace(context, change.namespace)
    except Forbidden:
        # Its rights may have gone with the namespace, or have been taken away: that can not be told apart.
        uid = change.namespace_uid
    if uid == change.namespace_uid or (uid and not change.namespace_uid):
        return waiting(change, f"its Service is gone: {what} can not be put back. {_by_a_person(context)}")
    if may_be_on_its_way(change, context.clock):
        return waiting(change, _ON_ITS_WAY)
    told = f"namespace {change.namespace} is gone: {what} was not put back, should its data be kept elsewhere"
    return seen(change, told, (told,))


def _by_a_person(context: UndoContext) -> str:
    run = context.task.run_id
    return f"Where it does not come back, see to it, and annotate the resource {ANNOTATION_SETTLED}: {run}"


async def _service_is_gone(context: UndoContext, change: StoreChange) -> bool:
    try:
        await context.client.get(paths.path(SERVICE.api, SERVICE.plural, change.namespace, change.name))
    except NotFound:
        return True
    except Forbidden as error:
        raise StoreError(f"its Service may not be read any more: {error.message}. {_by_a_person(context)}") from error
    return False
