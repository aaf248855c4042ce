"""Pods of ours in the network of a node, and what became of them."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from firedrill.api.changes import NodeCutOff
from firedrill.api.meta import LABEL_RUN
from firedrill.clusters import paths
from firedrill.clusters.errors import NotFound
from firedrill.runner.faults import ephemeral
from firedrill.runner.ports import Cluster, Object

#: The kubelet tells that the pod runs before it is cut off.
DELAY: Final = 8.0
#: From asking for the pod until its container must have put the drop in place, delay included.
STARTS_WITHIN: Final = timedelta(seconds=60)
#: Clocks of two nodes may differ by so much.
_SKEW: Final = timedelta(seconds=5)
_ENDED: Final = ("Succeeded", "Failed")


@dataclass(frozen=True)
class NodePod:
    """A pod in the network of a node; ``exit_code`` is None until its container has ended."""

    uid: str
    phase: str
    run: str
    started: bool = False
    exit_code: int | None = None
    message: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.phase in _ENDED or self.exit_code is not None

    @property
    def proof(self) -> dict[str, Any]:
        """The JSON that it left as termination message; empty where it left none."""
        try:
            parsed = json.loads(self.message)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


def kernel_ends(begun: datetime, seconds: float) -> datetime:
    """When a drop is over that was begun by then, whatever the node's clock says."""
    return begun + timedelta(seconds=seconds) + _SKEW


def injecting_pod(change: NodeCutOff, image: str, run: str) -> Object:
    """The pod that puts the table in place."""
    by = change.inject_by.timestamp() if change.inject_by else 0.0
    arguments = (
        "inject",
        "--table",
        change.table,
        "--percent",
        "100",
        "--direction",
        "out",
        "--protocol",
        "tcp",
        "--port",
        str(change.port),
        *(part for each in change.addresses for part in ("--address", each)),
        "--delay",
        f"{DELAY:g}",
        "--seconds",
        f"{change.seconds:g}",
        "--not-after",
        f"{by:.3f}",
    )
    return _pod(change, change.inject_pod, image, run, arguments)


def undoing_pod(change: NodeCutOff, image: str, run: str) -> Object:
    """The pod that removes the table."""
    return _pod(change, change.undo_pod, image, run, ("undo", "--table", change.table))


def _pod(change: NodeCutOff, name: str, image: str, run: str, arguments: tuple[str, ...]) -> Object:
    # Not by the scheduler: it must be this node, also where that takes no new pods.
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": change.pods_in, "labels": {LABEL_RUN: run}},
        "spec": {
            "nodeName": change.name,
            "hostNetwork": True,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [ephemeral.container("netfault", image, arguments)],
        },
    }


async def read(client: Cluster, change: NodeCutOff, name: str) -> NodePod | None:
    """One of our pods; None where there is none."""
    try:
        body = await client.get(paths.pods(change.pods_in, name))
    except NotFound:
        return None
    status = body.get("status") or {}
    state: Object = next((each.get("state") or {} for each in status.get("containerStatuses") or ()), {})
    ended = state.get("terminated")
    return NodePod(
        uid=body["metadata"]["uid"],
        phase=status.get("phase", "Pending"),
        run=(body["metadata"].get("labels") or {}).get(LABEL_RUN, ""),
        started="running" in state or bool(ended),
        exit_code=ended.get("exitCode", 1) if ended else None,
        message=(ended or {}).get("message") or status.get("message") or "",
    )


def ready(node: Object) -> tuple[bool, str]:
    """Whether a node is ready, and the condition in words."""
    for condition in (node.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            words = f"Ready is {condition.get('status')}, {condition.get('reason', 'without a reason')}"
            return condition.get("status") == "True", words
    return False, "it has no condition Ready"
