"""Undoing a cut-off node: the kernel has ended the drop, the node is back, the empty table and our pods go.

Nobody can end it before its time: a kubelet that is cut off starts no pod that could.
"""

from datetime import datetime, timedelta

from firedrill.api.base import format_time
from firedrill.api.changes import ChangeState, NodeCutOff
from firedrill.clusters import paths
from firedrill.clusters.errors import Conflict, NotFound
from firedrill.runner.faults import nodepods
from firedrill.runner.faults.asked import may_be_on_its_way
from firedrill.runner.faults.nodecut import SKEW
from firedrill.runner.faults.nodepods import NodePod
from firedrill.runner.undoing import Access, Seen, UndoContext, seen, waiting


async def undo_node_cut_off(context: UndoContext, change: NodeCutOff) -> Seen:
    """One step towards its end."""
    if may_be_on_its_way(change, context.clock):
        return waiting(change, "a request to create the pod that cuts it off may still be on its way")
    injecting = await nodepods.read(context.client, change, change.inject_pod)
    undoing = await nodepods.read(context.client, change, change.undo_pod)
    node = await _node(context, change)
    if node is None or change.gone:
        told = change.gone or f"node {change.name} is gone, and its network with it"
        return await _without_pods(context, change, injecting, undoing, told)
    if undoing is None and injecting is None and change.state is ChangeState.PLANNED:
        return seen(change, f"nothing was done to node {change.name}")
    if not _over(change, injecting, context.clock.now()):
        return waiting(change, f"the kernel of node {change.name} ends it at {format_time(_kernel_ends(change))}")
    is_ready, words = nodepods.ready(node)
    if not is_ready:
        return waiting(change, f"the drop is over; node {change.name} is not back yet: {words}")
    return await _without_table(context, change, undoing)


async def _without_table(context: UndoContext, change: NodeCutOff, undoing: NodePod | None) -> Seen:
    if undoing is None:
        body = nodepods.undoing_pod(change, context.task.image, context.task.run_id)
        try:
            await context.client.create(paths.pods(change.pods_in), body)
        except Conflict:
            return waiting(change, f"pod {change.undo_pod} was created by the other of runner and guardian")
        return waiting(change, f"pod {change.undo_pod} was created to remove the empty table")
    if not undoing.ended:
        return waiting(change, f"pod {change.undo_pod} is to remove the empty table")
    remaining = undoing.proof.get("remaining")
    if undoing.exit_code == 0 and isinstance(remaining, list) and change.table not in remaining:
        dropped = undoing.proof.get("dropped")
        counted = f" after it had dropped {dropped} packets" if dropped is not None else ""
        gone = f"node {change.name} is Ready again; table {change.table} is gone{counted}"
        return waiting(change.model_copy(update={"gone": gone}), "the pods of the fault are to go")
    # The next one is tried once this one is gone.
    await _delete(context, change, change.undo_pod, undoing)
    return waiting(change, f"pod {change.undo_pod} failed to remove the table: {undoing.message[:300]}")


async def _without_pods(
    context: UndoContext, change: NodeCutOff, injecting: NodePod | None, undoing: NodePod | None, told: str
) -> Seen:
    left = [(name, pod) for name, pod in ((change.inject_pod, injecting), (change.undo_pod, undoing)) if pod]
    for name, pod in left:
        await _delete(context, change, name, pod)
    return waiting(change, f"{told}; the pods of the fault are on their way out") if left else seen(change, told)


async def _delete(context: UndoContext, change: NodeCutOff, name: str, pod: NodePod) -> None:
    try:
        await context.client.delete(paths.pods(change.pods_in, name), uid=pod.uid, grace_seconds=0)
    except NotFound:
        return


async def _node(context: UndoContext, change: NodeCutOff) -> dict[str, object] | None:
    try:
        found = await context.client.get(paths.path("v1", "nodes", name=change.name))
    except NotFound:
        return None
    return found if found["metadata"]["uid"] == change.uid else None


def _over(change: NodeCutOff, injecting: NodePod | None, now: datetime) -> bool:
    """Whether nothing is dropped any more, nor can be."""
    if now >= _kernel_ends(change):
        return True
    # It has told that it did not: too late, or nft has failed.
    return injecting is not None and injecting.exit_code not in (None, 0)


def _kernel_ends(change: NodeCutOff) -> datetime:
    if change.expires_at is not None:
        return change.expires_at
    assert change.inject_by is not None  # set as applying begins, with the other
    return change.inject_by + timedelta(seconds=change.seconds) + SKEW


def node_cut_off_needs(change: NodeCutOff) -> list[Access]:
    """What undoing takes."""
    return [
        Access("get", "nodes"),
        *(Access(verb, "pods", change.pods_in) for verb in ("get", "create", "delete")),
    ]
