"""The pods and namespaces of a target, as far as an experiment must know them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Controllers that bring a deleted pod back and say how many are ready.
REPLACING_KINDS = ("ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController")


@dataclass(frozen=True)
class Owner:
    """The controller of a pod."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class PodView:
    """A pod."""

    namespace: str
    name: str
    uid: str
    node: str = ""
    phase: str = "Running"
    deleting: bool = False
    ready: bool = True
    host_network: bool = False
    owner: Owner | None = None
    #: All that its spec lists: of the application, of its start, and ephemeral ones.
    containers: int = field(default=1, compare=False)
    #: Not compared: a view stands for the same pod whatever its labels are.
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """namespace/name."""
        return f"{self.namespace}/{self.name}"

    @property
    def can_be_hit(self) -> bool:
        """Whether it runs and is not on its way out."""
        return self.phase == "Running" and not self.deleting


def parse_pod(body: Mapping[str, Any]) -> PodView:
    """A pod as the API server gives it."""
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    controllers = [owner for owner in metadata.get("ownerReferences") or () if owner.get("controller")]
    owner = controllers[0] if controllers else None
    conditions = status.get("conditions") or ()
    return PodView(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata["uid"],
        node=spec.get("nodeName", ""),
        phase=status.get("phase", "Unknown"),
        deleting="deletionTimestamp" in metadata,
        ready=any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions),
        host_network=bool(spec.get("hostNetwork", False)),
        containers=sum(len(spec.get(key) or ()) for key in ("containers", "initContainers", "ephemeralContainers")),
        owner=Owner(owner["kind"], owner["name"], owner["uid"]) if owner else None,
        labels=metadata.get("labels") or {},
    )
