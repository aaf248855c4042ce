"""Where a simulation stands in a target: its namespace, and its marks in the runner namespace."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from firedrill.api.errors import InvalidInput
from firedrill.api.meta import LABEL_OPT_IN, LABEL_ROLE, LABEL_UID
from firedrill.clusters import paths
from firedrill.clusters.errors import Conflict, NotFound
from firedrill.runner.context import RunContext
from firedrill.runner.ports import Object
from firedrill.runner.retry import retry

log = logging.getLogger(__name__)

#: UID of the Simulation that a namespace was created for.
LABEL_SIMULATION: Final = "firedrill.dev/simulation"
#: namespace/name of that Simulation on its hub.
ANNOTATION_OF: Final = "firedrill.dev/simulation-of"
_POLL_SECONDS: Final = 1.0
_CLOSING: Final = timedelta(seconds=10)


async def claim(context: RunContext, namespace: str) -> Object:
    """The namespace, created now or earlier by this Simulation.

    One of that name that is being deleted is waited for, whosever it was. Raises InvalidInput where it is somebody
    else's: what is in it could not be taken away again; and Busy where one that is being deleted does not go in time.
    """
    task = context.task
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": namespace,
            "labels": {
                LABEL_SIMULATION: task.uid,
                LABEL_OPT_IN: "enabled",
                # Faults of the network bring a container with NET_ADMIN; the simulation's own pods are restricted.
                "pod-security.kubernetes.io/enforce": "privileged",
                "pod-security.kubernetes.io/warn": "restricted",
            },
            "annotations": {ANNOTATION_OF: f"{task.namespace}/{task.name}"},
        },
    }

    async def create_or_get() -> Object | None:
        try:
            return await context.client.create(paths.namespaces(), body)
        except Conflict:
            log.info("namespace %s exists", namespace)
        try:
            return await context.client.get(paths.namespaces(namespace))
        except NotFound:
            return None

    while True:
        found = await retry(context.clock, create_or_get, f"creating namespace {namespace}")
        if found is not None and "deletionTimestamp" not in found["metadata"]:
            labels = found["metadata"].get("labels") or {}
            if labels.get(LABEL_SIMULATION) != task.uid:
                raise InvalidInput(
                    f"spec.namespace: namespace {namespace} exists in {task.cluster} and is not of this Simulation"
                )
            return found
        if context.clock.now() > task.deadline - _CLOSING:
            raise Busy(f"namespace {namespace} is still being deleted: see its conditions")
        log.info("waiting until the old namespace %s is gone", namespace)
        await context.clock.sleep(_POLL_SECONDS)


async def claimed(context: RunContext) -> list[Object]:
    """Namespaces that were created for this Simulation."""
    params = {"labelSelector": f"{LABEL_SIMULATION}={context.task.uid}"}
    found = await retry(context.clock, lambda: context.client.get(paths.namespaces(), params), "listing namespaces")
    items: list[Object] = found["items"]
    return items


class Busy(Exception):
    """Something earlier does not end: a pod of the same Simulation, or a namespace; the message names it."""


async def alone(context: RunContext) -> None:
    """Wait until no earlier pod of this Simulation builds or removes: two at once would undo each other's work.

    Raises Busy where one does not end in time.
    """
    task, own = context.task, context.identity.uid
    params = {"labelSelector": f"{LABEL_UID}={task.uid},{LABEL_ROLE}=runner"}
    while True:
        found = await retry(
            context.clock, lambda: context.client.get(paths.pods(task.runner_namespace), params), "listing runners"
        )
        others = earlier(found["items"], own)
        if not others:
            return
        if context.clock.now() > task.deadline - _CLOSING:
            raise Busy(f"pod {', '.join(others)} of an earlier run does not end: see its node")
        log.info("waiting for %s to end", ", ".join(others))
        await context.clock.sleep(_POLL_SECONDS)


def earlier(pods: Sequence[Object], own: str) -> list[str]:
    """Names of those that work and came before the own one; later ones wait for it."""
    order = {pod["metadata"]["uid"]: (pod["metadata"]["creationTimestamp"], pod["metadata"]["uid"]) for pod in pods}
    mine = order.get(own, ("~", ""))
    return [pod["metadata"]["name"] for pod in pods if _works(pod) and order[pod["metadata"]["uid"]] < mine]


def _works(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


async def delete_if_there(context: RunContext, path: str) -> bool:
    """Delete an object; whether it was there."""
    try:
        await retry(context.clock, lambda: context.client.delete(path), f"deleting {path}")
    except NotFound:
        return False
    return True
