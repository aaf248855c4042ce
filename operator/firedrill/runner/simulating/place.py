"""Where a simulation stands in a target: its namespace, and its marks in the runner namespace."""

import asyncio
import logging
from typing import Final

from firedrill.api.errors import InvalidInput
from firedrill.api.meta import LABEL_OPT_IN, LABEL_ROLE, LABEL_UID
from firedrill.api.task import Task
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


async def claim(context: RunContext, namespace: str) -> Object:
    """The namespace, created now or earlier by this Simulation.

    Raises InvalidInput where it is somebody else's: what is in it could not be taken away again.
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

    async def create_or_get() -> Object:
        try:
            return await context.client.create(paths.namespaces(), body)
        except Conflict:
            return await context.client.get(paths.namespaces(namespace))

    while True:
        found = await retry(context.clock, create_or_get, f"creating namespace {namespace}")
        labels = found["metadata"].get("labels") or {}
        if labels.get(LABEL_SIMULATION) != task.uid:
            raise InvalidInput(
                f"spec.namespace: namespace {namespace} exists in {task.cluster} and is not of this Simulation"
            )
        if "deletionTimestamp" not in found["metadata"]:
            return found
        log.info("waiting until the old namespace %s is gone", namespace)
        await context.clock.sleep(_POLL_SECONDS)


async def claimed(context: RunContext) -> list[Object]:
    """Namespaces that were created for this Simulation."""
    params = {"labelSelector": f"{LABEL_SIMULATION}={context.task.uid}"}
    found = await retry(context.clock, lambda: context.client.get(paths.namespaces(), params), "listing namespaces")
    items: list[Object] = found["items"]
    return items


async def alone(context: RunContext) -> None:
    """Wait until no other pod of this Simulation builds or removes: two at once would undo each other's work."""
    task, own = context.task, context.identity.uid
    params = {"labelSelector": f"{LABEL_UID}={task.uid},{LABEL_ROLE}=runner"}
    while True:
        found = await retry(
            context.clock, lambda: context.client.get(paths.pods(task.runner_namespace), params), "listing runners"
        )
        others = [pod["metadata"]["name"] for pod in found["items"] if _works(pod) and pod["metadata"]["uid"] != own]
        if not others:
            return
        log.info("waiting for %s to end", ", ".join(others))
        await asyncio.sleep(_POLL_SECONDS)


def _works(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


async def delete_if_there(context: RunContext, path: str) -> bool:
    """Delete an object; whether it was there."""
    try:
        await retry(context.clock, lambda: context.client.delete(path), f"deleting {path}")
    except NotFound:
        return False
    return True


def namespace_of(task: Task, named: str | None) -> str:
    """The namespace that a Simulation is built in."""
    return named or task.name
