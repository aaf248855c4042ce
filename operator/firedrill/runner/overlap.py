"""One experiment at a time on one thing: two that change the same would put back each other's fault.

Whoever has written a record looks at all others, so of two that come at once at least one sees the other. The earlier
one goes on; a fault that is on already always does.
"""

import logging
from typing import Final

from firedrill.api import meta
from firedrill.api.changes import (
    Change,
    EngineStarted,
    FisStarted,
    NodeCutOff,
    ObjectCreated,
    ObjectDeleted,
    ObjectEdited,
    PodDeleted,
    RequestsSent,
    StoreChange,
    ToolkitStarted,
)
from firedrill.api.record import Record
from firedrill.api.record_text import from_text
from firedrill.clusters import paths
from firedrill.core.naming import record_name
from firedrill.runner.context import RunContext
from firedrill.runner.ports import Object
from firedrill.runner.retry import retry

log = logging.getLogger(__name__)

_RECORDS: Final = {"labelSelector": f"{meta.LABEL_MANAGED}=true,{meta.LABEL_ROLE}=record"}


async def busy_with(context: RunContext, *, added: bool = False) -> str:
    """Which other run changes what this one is about to change, and what that is; empty where none does.

    Who has ``added`` to a record that is in use comes later than every other, whoever was first to write a record: the
    other may have looked before that.

    Raises ClusterError. A record that can not be read is somebody's whose fault nobody knows: it counts for nothing
    here, as it names nothing.
    """
    task = context.task
    where = paths.configmaps(task.runner_namespace)
    listed = await retry(context.clock, lambda: context.client.get(where, _RECORDS), "looking for other experiments")
    found: list[Object] = listed.get("items") or []
    own = next((each for each in found if each["metadata"]["name"] == record_name(task.job)), None)
    mine = _parse(own) if own is not None else None
    if own is None or mine is None:
        return ""
    things = {thing for change in mine.changes for thing in touched(change)}
    for each in found:
        record = _parse(each)
        if each is own or record is None or record.state.settled:
            continue
        common = sorted(things & {thing for change in record.changes for thing in touched(change)})
        if common and (added or record.state.begun or _order(each) < _order(own)):
            who = (each["metadata"].get("annotations") or {}).get(meta.ANNOTATION_RESOURCE, each["metadata"]["name"])
            return f"{who} (run {record.run_id}) changes {common[0]}"
    return ""


def touched(change: Change) -> set[str]:
    """What a change lays its hand on, as words that other changes of the same thing have too."""
    things = {f"uid {change.uid}"} if change.uid else set()
    match change:
        case PodDeleted():
            things.add(f"{change.owner_kind} {change.namespace}/{change.owner_name}")
            if change.deployment:
                things.add(f"Deployment {change.namespace}/{change.deployment}")
        case ObjectEdited() | ObjectDeleted() | ObjectCreated():
            things.add(f"{change.kind} {change.key}")
        case EngineStarted():
            things.add(f"experiments of {change.engine} in {change.namespace}")
        case ToolkitStarted():
            # What it changes nobody can say: two in one namespace are one too many.
            things.add(f"experiments of Chaos Toolkit in {change.namespace}")
        case FisStarted():
            things.add(f"experiments of AWS FIS by {change.name} in {change.region}")
        case NodeCutOff():
            things.add(f"Node {change.name}")
        case RequestsSent():
            things.add("the API server, by a surge of requests")
        case StoreChange():
            things.add(f"data store {change.key}")
    return things


def _order(body: Object) -> tuple[str, str]:
    return str(body["metadata"].get("creationTimestamp", "")), str(body["metadata"]["uid"])


def _parse(body: Object) -> Record | None:
    text = (body.get("data") or {}).get(meta.RECORD_KEY)
    try:
        return from_text(text) if text else None
    except ValueError as error:
        log.warning("record %s can not be read: %s", body["metadata"]["name"], error)
        return None
