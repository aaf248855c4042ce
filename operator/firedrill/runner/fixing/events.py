"""Events on the Deployment: what was done to it can be read where it is looked for, after the Job is gone."""

from typing import Any, Final

from firedrill.api.base import format_time
from firedrill.api.meta import LABEL_MANAGED
from firedrill.clusters.errors import ClusterError
from firedrill.core.naming import digest
from firedrill.runner.fixing.context import FixContext
from firedrill.runner.fixing.reading import events

REASON: Final = "FiredrillFix"
_NOTE_LIMIT: Final = 1000


async def publish(
    context: FixContext, deployment: str, uid: str, action: str, note: str, *, warning: bool = False
) -> None:
    """One Event. That it can not be written does not end a fix half-way; the audit says so."""
    try:
        await context.client.create(events(context.namespace), _event(context, deployment, uid, action, note, warning))
    except ClusterError as error:
        context.ledger.decided(f"publish Event {REASON}{action}", "failed", str(error))


def _event(context: FixContext, deployment: str, uid: str, action: str, note: str, warning: bool) -> dict[str, Any]:
    at = context.clock.now()
    reason = f"{REASON}{action}"
    # Named by what it tells: a repeated request does not tell it twice.
    suffix = digest(context.task.uid, context.task.run_id, reason, format_time(at), length=16)
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{deployment[:200]}.{suffix}",
            "namespace": context.namespace,
            "labels": {LABEL_MANAGED: "true"},
        },
        "eventTime": format_time(at),
        "reportingController": "firedrill.dev/autofix",
        "reportingInstance": context.ledger.actor[:128] or "firedrill",
        "action": action,
        "reason": reason,
        "type": "Warning" if warning else "Normal",
        "note": note[:_NOTE_LIMIT],
        "regarding": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "namespace": context.namespace,
            "name": deployment,
            "uid": uid,
        },
    }
