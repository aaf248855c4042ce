"""Undoing what another operator does: stop it, see it tell that all is recovered, delete its object, see that gone."""

from firedrill.api.changes import EngineStarted
from firedrill.clusters import paths
from firedrill.clusters.access import Access
from firedrill.clusters.errors import NotFound
from firedrill.engines.chaos.adapters.table import ADAPTERS
from firedrill.engines.chaos.adapters.view import Adapter, EngineView
from firedrill.runner.faults.asked import may_be_on_its_way, path_of
from firedrill.runner.ports import Cluster, Object
from firedrill.runner.undoing import Seen, UndoContext, seen, waiting


async def undo_engine_started(context: UndoContext, change: EngineStarted) -> Seen:
    """One step: to be recovered is noted before the object is deleted, because it says so no longer then."""
    label, adapter = f"{change.kind} {change.name}", ADAPTERS[change.engine]
    try:
        found = await context.client.get(path_of(change))
    except NotFound:
        if may_be_on_its_way(change, context.clock):
            return waiting(change, f"a request to create {label} may still be on its way")
        return await _gone(context, adapter, change, label)
    if "deletionTimestamp" in found["metadata"]:
        left = ", ".join(found["metadata"].get("finalizers") or ()) or "none"
        return waiting(change, f"{label} is on its way out; finalizers: {left}")
    if change.recovered:
        await context.client.delete(path_of(change), uid=found["metadata"]["uid"])
        return waiting(change, f"{label} is on its way out")
    view = adapter.read(found, await result_of(context.client, adapter, change))
    if view.recovered:
        update = {"recovered": view.evidence[:512], "recovered_at": context.clock.now()}
        return waiting(change.model_copy(update=update), f"{label} is recovered: {view.evidence}")
    return waiting(change, await _stop(context, adapter, change, found, view))


async def _stop(context: UndoContext, adapter: Adapter, change: EngineStarted, found: Object, view: EngineView) -> str:
    if not _holds(found, adapter.stop):
        await context.client.patch(path_of(change), adapter.stop)
    return f"{change.kind} {change.name} is asked to stop: {view.evidence}"


async def _gone(context: UndoContext, adapter: Adapter, change: EngineStarted, label: str) -> Seen:
    result = adapter.result(change.body)
    if result is not None and await result_of(context.client, adapter, change) is not None:
        kind, name = result
        await context.client.delete(paths.path(kind.api, kind.plural, change.namespace, name))
        return waiting(change, f"{label} is gone; {kind.kind} {name} is on its way out")
    if change.recovered:
        return seen(change, f"{label} is gone; before that, {change.recovered}")
    if not change.applied_at and not change.uid:
        return seen(change, f"{label} is not there")
    # Whoever deleted it: the other operator's finalizer goes when it has recovered, unless somebody forced it.
    said = f"{label} was deleted by somebody else; that it was recovered before was not seen"
    return seen(change, said, (said,))


async def result_of(client: Cluster, adapter: Adapter, change: EngineStarted) -> Object | None:
    """The object that tells what came of it; None where there is none."""
    result = adapter.result(change.body)
    if result is None:
        return None
    kind, name = result
    try:
        return await client.get(paths.path(kind.api, kind.plural, change.namespace, name))
    except NotFound:
        return None


def _holds(found: Object, wanted: Object) -> bool:
    """Whether an object has all that a merge patch would set."""
    for key, value in wanted.items():
        there = found.get(key)
        if isinstance(value, dict):
            if not isinstance(there, dict) or not _holds(there, value):
                return False
        elif there != value:
            return False
    return True


def engine_started_needs(change: EngineStarted) -> list[Access]:
    """What undoing takes."""
    group = change.api.rpartition("/")[0]
    found = [Access(verb, change.plural, change.namespace, group) for verb in ("get", "patch", "delete")]
    result = ADAPTERS[change.engine].result(change.body)
    if result is not None:
        found += [Access(verb, result[0].plural, change.namespace, group) for verb in ("get", "delete")]
    return found
