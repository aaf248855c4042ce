"""Ephemeral containers that bring a fault into a running pod, and what became of them.

They can not be removed, restarted or changed, and their names stay taken for the life of the pod. That a name can
be taken only once is used: whoever takes the name of the injecting container first decides whether anything can
still be injected into this pod.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from firedrill.clusters import paths
from firedrill.clusters.client import STRATEGIC_PATCH
from firedrill.clusters.errors import NotFound
from firedrill.runner.container import proof_of
from firedrill.runner.ports import Cluster, Object

NETFAULT: Final = ("firedrill", "netfault")
#: By its whole path: it is also started in other containers, by way of ours.
PODFAULT: Final = "/usr/local/bin/podfault"
#: Phases of a pod whose containers, and with them its network namespace, are gone.
ENDED: Final = ("Succeeded", "Failed")


@dataclass(frozen=True)
class ContainerView:
    """An ephemeral container of a pod."""

    name: str
    command: tuple[str, ...]
    started: bool = False
    exit_code: int | None = None
    message: str = ""
    waiting: str = ""
    finished_at: datetime | None = None

    @property
    def proof(self) -> dict[str, Any]:
        """The proof that it left as termination message; empty where it left none."""
        return proof_of(self.message)

    @property
    def is_undo(self) -> bool:
        """Whether it runs the undo action, whatever its name."""
        return "undo" in self.command[: len(NETFAULT) + 1]


@dataclass(frozen=True)
class HostPod:
    """A pod as the host of ephemeral containers."""

    uid: str
    phase: str
    deleting: bool
    containers: tuple[ContainerView, ...]

    def find(self, name: str) -> ContainerView | None:
        """The ephemeral container of that name."""
        return next((container for container in self.containers if container.name == name), None)


async def read_host(client: Cluster, namespace: str, name: str, uid: str) -> HostPod | None:
    """The pod; None where it is gone or where another pod has its name."""
    try:
        body = await client.get(paths.pods(namespace, name))
    except NotFound:
        return None
    return parse_host(body) if body["metadata"]["uid"] == uid else None


def parse_host(body: Object) -> HostPod:
    """A pod as the API server gives it."""
    status = body.get("status") or {}
    statuses = {item["name"]: item for item in status.get("ephemeralContainerStatuses") or ()}
    declared = (body.get("spec") or {}).get("ephemeralContainers") or ()
    return HostPod(
        uid=body["metadata"]["uid"],
        phase=status.get("phase", "Unknown"),
        deleting="deletionTimestamp" in body["metadata"],
        containers=tuple(_parse_container(item, statuses.get(item["name"]) or {}) for item in declared),
    )


def container(name: str, image: str, arguments: Sequence[str]) -> Object:
    """An ephemeral container that runs ``firedrill netfault`` with NET_ADMIN and nothing else."""
    made = _container(name, image, (*NETFAULT, *arguments), user=0, capabilities=("NET_ADMIN",))
    return {**made, "env": [{"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}]}


def podfault(
    name: str,
    image: str,
    arguments: Sequence[str],
    *,
    user: int,
    group: int | None = None,
    capabilities: Sequence[str] = (),
    target: str = "",
) -> Object:
    """An ephemeral container that runs ``podfault``; with a target, in the process namespace of that container."""
    made = _container(name, image, (PODFAULT, *arguments), user=user, group=group, capabilities=capabilities)
    return {**made, "targetContainerName": target} if target else made


def _container(
    name: str,
    image: str,
    command: Sequence[str],
    *,
    user: int,
    group: int | None = None,
    capabilities: Sequence[str] = (),
) -> Object:
    added = {"add": list(capabilities)} if capabilities else {}
    security: Object = {
        "runAsUser": user,
        "runAsNonRoot": user != 0,
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], **added},
    }
    if group is not None:
        security["runAsGroup"] = group
    if user:
        security["seccompProfile"] = {"type": "RuntimeDefault"}
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "securityContext": security,
    }


async def add_container(
    client: Cluster, namespace: str, name: str, uid: str, spec: Object, *, dry_run: bool = False
) -> None:
    """Add an ephemeral container, as :func:`add_containers` does."""
    await add_containers(client, namespace, name, uid, [spec], dry_run=dry_run)


async def add_containers(
    client: Cluster, namespace: str, name: str, uid: str, specs: Sequence[Object], *, dry_run: bool = False
) -> None:
    """Add ephemeral containers, all or none; where there are the same ones already, nothing changes.

    The API server refuses it for another pod of that name (its uid differs) with Conflict or Invalid, and with
    Invalid where the container's name is taken by another one.
    """
    await client.patch(
        paths.pods(namespace, name, "ephemeralcontainers"),
        {"metadata": {"uid": uid}, "spec": {"ephemeralContainers": list(specs)}},
        content_type=STRATEGIC_PATCH,
        dry_run=dry_run,
    )


def _parse_container(declared: Object, status: Object) -> ContainerView:
    state = status.get("state") or {}
    ended = state.get("terminated")
    waiting = state.get("waiting") or {}
    finished = (ended or {}).get("finishedAt")
    return ContainerView(
        name=declared["name"],
        command=tuple(declared.get("command") or ()),
        started="running" in state or bool(ended),
        exit_code=ended.get("exitCode", 1) if ended else None,
        message=(ended or {}).get("message") or "",
        waiting=": ".join(part for part in (waiting.get("reason", ""), waiting.get("message", "")) if part)[:300],
        finished_at=datetime.fromisoformat(finished.replace("Z", "+00:00")) if finished else None,
    )
