"""Waiting for the guardian: nothing is changed before it has shown that it can undo it."""

from datetime import timedelta
from typing import Final

from firedrill.api.record import GuardianView
from firedrill.clusters import paths
from firedrill.core.naming import guardian_name
from firedrill.runner.context import RunContext, Stop
from firedrill.runner.ports import Object
from firedrill.runner.record_store import Aborted
from firedrill.runner.retry import retry

#: The guardian must have shown itself by then.
GUARDIAN_WAIT: Final = timedelta(seconds=60)
_POLL_SECONDS: Final = 0.5


class NotBegun(Exception):
    """A fault was not begun."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def armed(context: RunContext, stop: Stop, changes: int = 0) -> GuardianView:
    """Wait until the guardian runs and has looked at so many changes of the record; raises NotBegun, Aborted."""
    limit = context.clock.now() + GUARDIAN_WAIT
    why = "it has not written itself into the record"
    while context.clock.now() < limit:
        if stop.asked:
            raise Aborted(stop.reason)
        record, _control = await retry(context.clock, context.store.read, "waiting for the guardian")
        view = record.guardian if record else None
        if view is not None and not view.permitted:
            raise NotBegun("GuardianNotPermitted", f"the guardian could not undo the fault: {view.message}")
        if view is not None and view.changes < changes:
            why = f"it has looked at {view.changes} changes of {changes}"
        elif view is not None:
            if await _runs(context, view):
                return view
            why = f"its pod {view.pod_uid} does not run"
        await stop.sleep(context.clock, _POLL_SECONDS)
    raise NotBegun(
        "GuardianNotReady",
        f"no guardian was ready to undo the fault within {GUARDIAN_WAIT.total_seconds():g} s: {why}",
    )


async def _runs(context: RunContext, view: GuardianView) -> bool:
    """Whether the pod that armed itself is Running, at this moment."""
    task = context.task
    query = {"labelSelector": f"batch.kubernetes.io/job-name={guardian_name(task.job)}"}
    listed = await retry(
        context.clock,
        lambda: context.client.get(paths.pods(task.runner_namespace), query),
        "looking for the guardian",
    )
    return any(_is_running(pod) for pod in listed.get("items") or () if pod["metadata"]["uid"] == view.pod_uid)


def _is_running(pod: Object) -> bool:
    """Whether a pod and all its containers run; the phase alone stays Running while a container waits to restart."""
    status = pod.get("status") or {}
    containers = [item.get("state") or {} for item in status.get("containerStatuses") or ()]
    return (
        status.get("phase") == "Running"
        and "deletionTimestamp" not in pod["metadata"]
        and all("running" in state for state in containers)
    )
