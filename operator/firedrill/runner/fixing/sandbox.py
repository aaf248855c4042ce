"""Tries a template out in a namespace that is cut off, and sees the namespace gone again."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from firedrill.api.changes import Change, ChangeState, NamespaceCreated
from firedrill.api.record import Record, RecordState
from firedrill.clusters import paths
from firedrill.clusters.errors import ApiError, Conflict, Forbidden, NotFound
from firedrill.engines.fix.isolation import config_maps
from firedrill.engines.fix.proposal import Proposal
from firedrill.engines.fix.sandbox import (
    POD_NAME,
    SandboxPlan,
    config_map_copy,
    namespace_object,
    network_policy,
    try_out_pod,
)
from firedrill.engines.fix.tryout import TryOut, TryOutLook, TryOutWatch, look_at
from firedrill.engines.fix.views import Object
from firedrill.runner.fixing.canary import CONNECT_SECONDS
from firedrill.runner.fixing.context import POLL_SECONDS, FixContext, guardian_acted
from firedrill.runner.fixing.ledger import inconclusive
from firedrill.runner.fixing.reading import network_policies, read
from firedrill.runner.fixing.undo import is_of_run, undo_namespace
from firedrill.runner.record_store import labels
from firedrill.runner.retry import retry
from firedrill.runner.undoing import UndoContext

#: A new namespace gets its default service account from a controller; until then pods are refused.
ACCOUNT_TRIES: Final = 20
GONE_SECONDS: Final = 120.0
#: Beside sandboxTimeout: what the pod may take before and after, until the kubelet ends it.
LIFETIME_SLACK: Final = 60


def plan_of(context: FixContext, namespace: str, proposal: Proposal, targets: tuple[str, ...]) -> SandboxPlan:
    """What the sandbox of this run is built from."""
    return SandboxPlan(
        namespace=namespace,
        labels=labels(context.task, "sandbox"),
        image=context.task.image,
        template=proposal.replacement,
        canary_targets=targets,
        canary_timeout=CONNECT_SECONDS,
        lifetime_seconds=int(context.spec.sandbox_timeout.total_seconds()) + LIFETIME_SLACK,
    )


async def read_config_maps(context: FixContext, template: Mapping[str, Any]) -> list[Object]:
    """The ConfigMaps of production that a template needs; raises Ended where one is missing."""
    found: list[Object] = []
    for need in config_maps(template):
        try:
            found.append(await read(context, paths.configmaps(context.namespace, need.name)))
        except NotFound:
            if not need.optional:
                raise inconclusive(
                    "SandboxNotPossible", f"the proposal needs ConfigMap {need.name}, which does not exist"
                ) from None
    return found


async def build(context: FixContext, plan: SandboxPlan, originals: list[Object]) -> None:
    """Create the sandbox. Raises Ended where the cluster refuses a part of it."""
    await context.store.update_unless_aborted(lambda record: _begin(record, context))
    try:
        namespace = await _create_namespace(context, plan)
        uid = namespace["metadata"]["uid"]
        record = await context.store.update(lambda found: _created(found, plan.namespace, uid))
        if record.state is not RecordState.APPLYING:
            await _withdraw(context, plan)
        await _create(context, network_policies(plan.namespace), network_policy(plan))
        for original in originals:
            await _create(context, paths.configmaps(plan.namespace), config_map_copy(plan, original))
        await _create_pod(context, plan)
    except ApiError as error:
        raise inconclusive("SandboxNotPossible", f"the sandbox could not be built: {error.message}") from error


async def try_out(context: FixContext, plan: SandboxPlan) -> tuple[TryOut, TryOutLook, float | None]:
    """Wait for the try-out: how it ended, what was seen last, and seconds until it was ready."""
    watch = TryOutWatch(context.clock.now(), context.spec.sandbox_timeout)
    while True:
        seen = look_at(await read(context, paths.pods(plan.namespace, POD_NAME)), plan.canary_targets)
        now = context.clock.now()
        watch = watch.seen(seen, now)
        conclusion = watch.conclusion(seen, now)
        if conclusion is not TryOut.WAITING:
            return conclusion, seen, watch.ready_after
        await context.go_on()
        await context.pause(POLL_SECONDS)


async def remove(context: FixContext, change: NamespaceCreated) -> None:
    """Delete the sandbox and see it gone; raises Ended where it stays."""
    gone = await _see_gone(context, change, context.go_on)
    await context.store.update(lambda record: with_change(record, gone))


async def _see_gone(
    context: FixContext, change: NamespaceCreated, between: Callable[[], Awaitable[object]]
) -> NamespaceCreated:
    undoing = UndoContext(context.client, context.task, context.clock)
    limit = context.clock.now() + timedelta(seconds=GONE_SECONDS)
    while True:
        seen = (await retry(context.clock, lambda: undo_namespace(undoing, change), "deleting the sandbox")).change
        assert isinstance(seen, NamespaceCreated)
        if seen.state is ChangeState.UNDONE:
            return seen
        if context.clock.now() >= limit:
            raise inconclusive("SandboxNotGone", f"namespace {change.name} is still there: {seen.evidence}")
        await between()
        await context.pause(POLL_SECONDS)


async def _withdraw(context: FixContext, plan: SandboxPlan) -> None:
    """The run was undone while the namespace was being created: nobody else will look for it again."""

    async def nothing() -> None:
        return None

    await _see_gone(context, NamespaceCreated(namespace="", name=plan.namespace), nothing)
    raise guardian_acted()


async def _create_namespace(context: FixContext, plan: SandboxPlan) -> Object:
    async def attempt() -> Object:
        try:
            return await context.client.create(paths.namespaces(), namespace_object(plan))
        except Conflict as error:
            if not error.already_exists:
                raise
            # An earlier try whose answer was lost, or somebody else's.
            existing = await context.client.get(paths.namespaces(plan.namespace))
            if not is_of_run(existing, context.task.uid, context.task.run_id):
                message = f"namespace {plan.namespace} exists and is not of this run"
                raise inconclusive("SandboxNotPossible", message) from error
            return existing

    return await retry(context.clock, attempt, "creating the sandbox")


async def _create(context: FixContext, path: str, body: Object) -> None:
    """Create an object once; that it exists already is an earlier try whose answer was lost."""

    async def attempt() -> None:
        try:
            await context.client.create(path, dict(body))
        except Conflict as error:
            if not error.already_exists:
                raise

    await retry(context.clock, attempt, f"creating {body['kind']}")


async def _create_pod(context: FixContext, plan: SandboxPlan) -> None:
    for left in range(ACCOUNT_TRIES - 1, -1, -1):
        try:
            await _create(context, paths.pods(plan.namespace), try_out_pod(plan))
            return
        except Forbidden as error:
            if not left or "serviceaccount" not in error.message.lower():
                raise
        await context.go_on()
        await context.pause(POLL_SECONDS / 2)


def _begin(record: Record, context: FixContext) -> Record:
    if record.state not in (RecordState.PREPARED, RecordState.APPLYING):
        raise guardian_acted()
    due = context.guardian_due(context.spec.sandbox_timeout + timedelta(seconds=GONE_SECONDS))
    return record.model_copy(update={"state": RecordState.APPLYING, "deadline": due})


def _created(record: Record, name: str, uid: str) -> Record:
    change = next(item for item in record.changes if isinstance(item, NamespaceCreated) and item.name == name)
    if change.state is ChangeState.UNDONE:
        return record
    return with_change(record, change.model_copy(update={"state": ChangeState.APPLIED, "uid": uid}))


def with_change(record: Record, change: Change) -> Record:
    """The record with one change replaced by its newer state."""
    changes = [change if (item.type, item.name) == (change.type, change.name) else item for item in record.changes]
    return record.model_copy(update={"changes": changes})
