"""Takes away everything that earlier runs of a Simulation have built, and sees that it is gone."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from firedrill.api.meta import LABEL_ROLE, LABEL_UID
from firedrill.api.verdict import Measurement, Verdict
from firedrill.clusters import paths
from firedrill.core.naming import state_name
from firedrill.runner.context import RunContext
from firedrill.runner.retry import retry
from firedrill.runner.simulating import faking, nodes, place, watch_over

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Removed:
    """What came of it."""

    verdict: Verdict
    reason: str
    message: str
    measurements: Sequence[Measurement] = ()


async def remove(context: RunContext) -> Removed:
    """Remove until nothing is left, or time is up; raises ClusterError where the target refuses."""
    began = context.clock.now()
    await _remove_conductor(context)
    await nodes.withdraw(context)
    found = await place.claimed(context)
    await faking.withdraw(context)
    for namespace in found:
        await place.delete_if_there(context, paths.namespaces(namespace["metadata"]["name"]))
    left, faked = found, await faking.left(context)
    while (left or faked) and context.clock.now() < context.task.deadline:
        await context.clock.sleep(_POLL_SECONDS)
        left, faked = await place.claimed(context), await faking.left(context)
    # Last: as long as these are there, something may be.
    state = state_name(watch_over.conductor_name(context.task))
    if not (left or faked):
        await nodes.forget(context)
        await place.delete_if_there(context, paths.configmaps(context.task.runner_namespace, state))
    seconds = (context.clock.now() - began).total_seconds()
    measured = [_none("namespaces left", len(left)), _none("faked nodes left", len(faked))]
    if left or faked:
        names = ", ".join([*(f"namespace {each['metadata']['name']}" for each in left), *(f"node {n}" for n in faked)])
        message = f"still there after {seconds:.0f} s, see the conditions: {names}"
        return Removed(Verdict.INCONCLUSIVE, "NotGone", message, measured)
    return Removed(Verdict.PASSED, "Removed", f"everything was removed within {seconds:.0f} s", measured)


def _none(name: str, count: int) -> Measurement:
    return Measurement(name=name, value=count, unit="count", limit="= 0", passed=not count, detail="seen by a list")


async def _remove_conductor(context: RunContext) -> None:
    task = context.task
    name, namespace = watch_over.conductor_name(task), task.runner_namespace
    rbac = "rbac.authorization.k8s.io/v1"
    for path in (
        paths.deployments(namespace, name),
        paths.path(rbac, "rolebindings", namespace, name),
        paths.path(rbac, "roles", namespace, name),
    ):
        await place.delete_if_there(context, path)
    params = {"labelSelector": f"{LABEL_UID}={task.uid},{LABEL_ROLE}={watch_over.ROLE}"}
    while True:
        found = await retry(context.clock, lambda: context.client.get(paths.pods(namespace), params), "listing pods")
        if not found["items"]:
            return
        await context.clock.sleep(_POLL_SECONDS)
