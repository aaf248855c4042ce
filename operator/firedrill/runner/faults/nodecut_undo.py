"""Undoing a cut-off node: the kernel has ended the drop, the node is back, the empty table and our pods go.

Nobody can end it before its time: a kubelet that is cut off starts no pod that could.
"""

from datetime import UTC, datetime

from firedrill.api.base import format_time
from firedrill.api.changes import NodeCutOff
from firedrill.clusters import paths
from firedrill.clusters.access import Access
from firedrill.clusters.errors import Conflict, NotFound
from firedrill.runner.faults import nodepods
from firedrill.runner.faults.asked import may_be_on_its_way
from firedrill.runner.faults.nodepods import NodePod
from firedrill.runner.undoing import Seen, UndoContext, seen, waiting


async def undo_node_cut_off(context: UndoContext, change: NodeCutOff) -> Seen:
    """One step towards its end."""
    if may_be_on_its_way(change, context.clock):
        return waiting(change, "a request to create the pod that cuts it off may still be on its way")
    injecting = await nodepods.read(context.client, change, change.inject_pod)
    undoing = await nodepods.read(context.client, change, change.undo_pod)
    if change.gone:
        return await _without_pods(context, change, injecting, undoing, change.gone)
    change = _proven_end(change, injecting)
    # A pod that somebody deleted, or a node of which only the object is gone, may drop on: nobody sees it, and the
    # kernel alone is sure to end it.
    if not _over(change, injecting, context.clock.now()):
        return waiting(change, f"the kernel of node {change.name} ends it at {format_time(_kernel_ends(change))}")
    node = await _node(context, change)
    if node is None:
        told = f"node {change.name} is gone, or is another one by now; its kernel has ended the drop"
        return await _without_pods(context, change, injecting, undoing, told, (_left(change),))
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
    context: UndoContext,
    change: NodeCutOff,
    injecting: NodePod | None,
    undoing: NodePod | None,
    told: str,
    residues: tuple[str, ...] = (),
) -> Seen:
    left = [(name, pod) for name, pod in ((change.inject_pod, injecting), (change.undo_pod, undoing)) if pod]
    for name, pod in left:
        await _delete(context, change, name, pod)
    return (
        waiting(change, f"{told}; the pods of the fault are on their way out") if left else seen(change, told, residues)
    )


def _left(change: NodeCutOff) -> str:
    return f"node {change.name}: if it runs on, the empty table inet {change.table} stays until it is started again"


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


def _proven_end(change: NodeCutOff, injecting: NodePod | None) -> NodeCutOff:
    """The change with the end that the pod's own proof tells of, where that is the earlier one."""
    proof = injecting.proof if injecting is not None and injecting.exit_code == 0 else {}
    at, seconds = proof.get("at"), proof.get("seconds")
    if change.applied_at is None or not isinstance(at, int | float) or not isinstance(seconds, int | float):
        return change
    # The node's clock is believed as far as our own allows.
    ends = nodepods.kernel_ends(max(datetime.fromtimestamp(at, UTC), change.applied_at), seconds)
    return change.model_copy(update={"expires_at": min(ends, _kernel_ends(change))})


def _over(change: NodeCutOff, injecting: NodePod | None, now: datetime) -> bool:
    """Whether nothing is dropped any more, nor can be."""
    if now >= _kernel_ends(change):
        return True
    # It has told that it did not: too late, or nft has failed.
    return injecting is not None and injecting.exit_code not in (None, 0)


def _kernel_ends(change: NodeCutOff) -> datetime:
    if change.expires_at is not None:
        return change.expires_at
    assert change.inject_by is not None  # set as applying begins, with the other, and where a record is written again
    return nodepods.kernel_ends(change.inject_by, change.seconds)


def node_cut_off_needs(change: NodeCutOff) -> list[Access]:
    """What undoing takes."""
    return [
        Access("get", "nodes"),
        *(Access(verb, "pods", change.pods_in) for verb in ("get", "create", "delete")),
    ]
