"""Undoing an experiment of Chaos Toolkit whose process is gone: its rollbacks are run until they have succeeded."""

from datetime import timedelta
from typing import Any, Final

from firedrill.api.changes import ToolkitStarted
from firedrill.clusters import paths
from firedrill.clusters.access import Access
from firedrill.engines.chaos.toolkit.document import names
from firedrill.engines.chaos.toolkit.journal import Hypothesis
from firedrill.runner.undoing import Seen, UndoContext, seen, waiting

#: Clocks of two nodes may differ by so much.
_SKEW: Final = timedelta(seconds=2)
_LIMIT: Final = timedelta(seconds=120)
_ENDED: Final = ("Succeeded", "Failed")
#: What the rollbacks that are known take; of others nobody can say it.
_NEEDS: Final[dict[str, tuple[str, str, str, str]]] = {
    "chaosk8s.deployment.actions.scale_deployment": ("patch", "deployments", "apps", ""),
    "chaosk8s.deployment.actions.rollout_deployment": ("patch", "deployments", "apps", ""),
    "chaosk8s.statefulset.actions.scale_statefulset": ("patch", "statefulsets", "apps", ""),
    "chaosk8s.node.actions.uncordon_node": ("patch", "nodes", "", "cluster"),
}


async def undo_toolkit_started(context: UndoContext, change: ToolkitStarted) -> Seen:
    """Run what rollbacks are left, once nobody else can be at it."""
    if await _may_still_run(context, change):
        return waiting(
            change, "the runner's pod is there, and its experiment may go on until its process ends by itself"
        )
    return judged(change, None) or await rolled_back(context, change, _LIMIT)


def judged(change: ToolkitStarted, verified: Hypothesis | None) -> Seen | None:
    """The change as seen undone, where every rollback has succeeded."""
    wanted = names(change.body, "rollbacks")
    if len(change.rolled_back) < len(wanted):
        return None
    if not wanted:
        done = "the experiment has ended; it declares no rollbacks, so nothing was put back"
    else:
        done = f"rollbacks succeeded: {', '.join(wanted)[:400]}"
    if verified is None:
        return seen(change, done)
    noted = change.model_copy(update={"verified": verified.met})
    return seen(noted, f"{done}; the hypothesis is {'met' if verified.met else 'not met'} after it")


async def rolled_back(context: UndoContext, change: ToolkitStarted, limit: timedelta) -> Seen:
    """Try the rollbacks that are left."""
    tried = await context.toolkit.roll_back(change.body, change.rolled_back, limit)
    noted = change.model_copy(
        update={"rolled_back": sorted(set(tried.done)), "ended_at": change.ended_at or context.clock.now()}
    )
    return judged(noted, tried.verified) or waiting(noted, f"not rolled back yet: {tried.error or 'no answer'}")


async def _may_still_run(context: UndoContext, change: ToolkitStarted) -> bool:
    last = change.ends_at or context.task.deadline
    if context.clock.now() > last + _SKEW:
        return False
    query = {"labelSelector": f"batch.kubernetes.io/job-name={context.task.job}"}
    listed = await context.client.get(paths.pods(context.task.runner_namespace), query)
    return any(
        pod["metadata"]["uid"] == change.runner_pod and (pod.get("status") or {}).get("phase") not in _ENDED
        for pod in listed.get("items") or ()
    )


def toolkit_started_needs(change: ToolkitStarted) -> list[Access]:
    """What the rollbacks take, as far as that is known."""
    found = []
    for each in change.body.get("rollbacks") or ():
        provider: dict[str, Any] = each.get("provider") or {}
        need = _NEEDS.get(f"{provider.get('module')}.{provider.get('func')}")
        if need is not None:
            verb, resource, group, where = need
            found.append(Access(verb, resource, "" if where else change.namespace, group))
    return found
