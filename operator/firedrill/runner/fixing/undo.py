"""Undoing what a fix has changed. Runner and guardian call it, at any time, until they have seen it undone.

What a Deployment holds is told from what others have set by a mark: a label that is written together with
the template. A template that somebody else has set to the same value is theirs, and is left.

A patch of a runner that has just died may still be under way to the API server. It is guarded by the
resourceVersion that the runner has read, so one write to the Deployment is enough for it to come too late; that
write is made where a patch was begun (state Applied) but is not there. Where none was begun (state Planned), none
can come any more: the runner begins by writing Applied into the record, which an undoing refuses.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from firedrill.api.changes import ChangeState, NamespaceCreated, TemplateReplaced
from firedrill.api.meta import LABEL_MANAGED, LABEL_RUN, LABEL_UID
from firedrill.clusters import paths
from firedrill.clusters.access import Access
from firedrill.clusters.client import JSON_PATCH
from firedrill.clusters.errors import Conflict, Invalid, NotFound
from firedrill.engines.fix.patch import (
    LABEL_FIX,
    fence_patch,
    is_ours,
    mark_of,
    restore_patch,
    unmark_patch,
    withdrawn,
)
from firedrill.engines.fix.views import DeploymentView, Object, deployment_view
from firedrill.runner.undoing import Seen, UndoContext, Undoer

C = TypeVar("C", NamespaceCreated, TemplateReplaced)

#: Evidence of steps that were done and are yet to be seen.
RESTORED: Final = "the original template was set; to be seen"
SEEN_RESTORED: Final = "the original template was seen in place"
FENCED: Final = "a patch under way was fenced off; to be seen"


def is_of_run(namespace: Object, uid: str, run_id: str) -> bool:
    """Whether a namespace is the sandbox of a run."""
    found: Mapping[str, str] = namespace["metadata"].get("labels") or {}
    wanted = {LABEL_MANAGED: "true", LABEL_UID: uid, LABEL_RUN: run_id}
    return all(found.get(key) == value for key, value in wanted.items())


async def undo_namespace(context: UndoContext, change: NamespaceCreated) -> Seen:
    """Delete a sandbox, and see it gone."""
    try:
        found = await context.client.get(paths.namespaces(change.name))
    except NotFound:
        return Seen(_as(change, ChangeState.UNDONE, "the namespace was seen to be gone"))
    meta = found["metadata"]
    if (change.uid and meta["uid"] != change.uid) or not is_of_run(found, context.task.uid, context.task.run_id):
        evidence = f"the namespace (UID {meta['uid']}) is not of this run, and is left"
        return Seen(_as(change, ChangeState.UNDONE, evidence))
    if "deletionTimestamp" in meta:
        return Seen(_as(change, change.state, f"waiting for the namespace to go: {_remaining(found)}"))
    try:
        await context.client.delete(paths.namespaces(change.name), uid=meta["uid"])
    except (NotFound, Conflict):
        return Seen(_as(change, change.state, "the namespace was changed just now; looking again"))
    return Seen(_as(change, change.state, "the namespace was deleted; waiting for it to go"))


async def undo_template(context: UndoContext, change: TemplateReplaced) -> Seen:
    """Set the original template again where the Deployment still holds ours, and see it there."""
    if change.state is ChangeState.PLANNED:
        return Seen(_as(change, ChangeState.UNDONE, "was never carried out"))
    path = paths.deployments(change.namespace, change.name)
    try:
        found = deployment_view(await context.client.get(path))
    except NotFound:
        return Seen(_as(change, ChangeState.UNDONE, "the Deployment is gone"))
    if change.uid and found.uid != change.uid:
        evidence = f"the Deployment is another one now (UID {found.uid}), and is left"
        return Seen(_as(change, ChangeState.UNDONE, evidence))
    operations, evidence, residues = _next_step(change, found, mark_of(context.task.uid, context.task.run_id))
    if not operations:
        return Seen(_as(change, ChangeState.UNDONE, evidence), residues)
    try:
        await context.client.patch(path, operations, content_type=JSON_PATCH)
    except (Conflict, Invalid) as error:
        # Somebody has written the Deployment since it was read: look again, and decide anew. A template that the
        # API server refuses for another reason says so here, in every round.
        return Seen(_as(change, change.state, f"not set back yet: {error.message}"))
    return Seen(_as(change, change.state, evidence), residues)


def _next_step(
    change: TemplateReplaced, found: DeploymentView, mark: str
) -> tuple[list[dict[str, Any]], str, tuple[str, ...]]:
    """What to write, and what it means; nothing to write means undone."""
    held = found.labels.get(LABEL_FIX, "")
    where = f"Deployment {found.namespace}/{found.name}"
    if is_ours(found.labels, found.template, mark, [change.replacement]):
        return [*restore_patch(found.uid, found.resource_version, change.original)], RESTORED, ()
    if held == mark:
        residue = f"{where}: somebody has changed the template since the fix; it is left as it is"
        return [*unmark_patch(found.uid, found.resource_version)], RESTORED, (residue,)
    if held == withdrawn(mark):
        return [*unmark_patch(found.uid, found.resource_version)], RESTORED, ()
    if found.template != change.original:
        return [], "the template is neither ours nor the original: others have set it, and it is left", ()
    if change.evidence == RESTORED:
        return [], SEEN_RESTORED, ()
    # Nothing of ours is there, though a patch was begun: it may still be on its way.
    return [*fence_patch(found.uid, found.resource_version, found.labels, mark)], FENCED, ()


def _as(change: C, state: ChangeState, evidence: str) -> C:
    return change.model_copy(update={"state": state, "evidence": evidence})


def _remaining(namespace: Object) -> str:
    conditions = (namespace.get("status") or {}).get("conditions") or ()
    said = [item.get("message", "") for item in conditions if item.get("status") == "True"]
    return "; ".join(text for text in said if text)[:500] or "no reason is given"


def _namespace_needs(change: NamespaceCreated) -> tuple[Access, ...]:
    return tuple(Access(verb, "namespaces", name=change.name) for verb in ("get", "delete"))


def _template_needs(change: TemplateReplaced) -> tuple[Access, ...]:
    return tuple(
        Access(verb, "deployments", group="apps", namespace=change.namespace, name=change.name)
        for verb in ("get", "patch")
    )


NAMESPACE_CREATED: Final = Undoer(undo_namespace, _namespace_needs)
TEMPLATE_REPLACED: Final = Undoer(undo_template, _template_needs)
