"""Waits until the guardian watches over the run: nothing is changed before it can be undone without us."""

from datetime import timedelta
from typing import Final

from firedrill.api.record import GuardianView
from firedrill.clusters import paths
from firedrill.core.naming import guardian_name
from firedrill.runner.fixing.context import POLL_SECONDS, FixContext
from firedrill.runner.fixing.ledger import inconclusive
from firedrill.runner.fixing.reading import read

ARMED_WITHIN: Final = timedelta(seconds=90)


async def wait_until_armed(context: FixContext) -> None:
    """Raise Ended where no guardian runs in time, or where it may not do its work."""
    limit = context.clock.now() + ARMED_WITHIN
    why = "it has not written itself into the record"
    while context.clock.now() < limit:
        await context.go_on()
        record, _ = await context.store.read()
        guardian = record.guardian if record else None
        if guardian is not None and not guardian.permitted:
            message = f"the guardian may not undo what would be changed: {guardian.message}"
            raise inconclusive("GuardianNotPermitted", message)
        if guardian is not None:
            if await _runs(context, guardian):
                message = guardian.message or "it may do its work"
                context.ledger.decided("wait for the guardian", "armed", message, {"node": guardian.node})
                return
            why = f"its pod {guardian.pod_uid} does not run"
        await context.pause(POLL_SECONDS / 2)
    raise inconclusive("GuardianNotReady", f"no guardian was ready within {ARMED_WITHIN.total_seconds():g} s: {why}")


async def _runs(context: FixContext, guardian: GuardianView) -> bool:
    """Whether the pod that armed itself is Running, at this moment."""
    query = {"labelSelector": f"batch.kubernetes.io/job-name={guardian_name(context.task.job)}"}
    listed = await read(context, paths.pods(context.task.runner_namespace), query)
    return any(
        pod["metadata"]["uid"] == guardian.pod_uid
        and pod.get("status", {}).get("phase") == "Running"
        and "deletionTimestamp" not in pod["metadata"]
        for pod in listed.get("items") or ()
    )
