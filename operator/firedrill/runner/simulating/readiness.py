"""Whether workloads are ready, as their status says."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Readiness:
    """Which workloads are ready, of those that are wanted."""

    wanted: int
    waiting: Sequence[str]

    @property
    def ready(self) -> int:
        """How many are."""
        return self.wanted - len(self.waiting)


def is_ready(workload: Object) -> bool:
    """Whether all pods of the latest revision of a Deployment or StatefulSet are ready, and no older one is left."""
    spec, status = workload["spec"], workload.get("status") or {}
    wanted = spec.get("replicas", 1)
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return False
    counts = [status.get(name, 0) for name in ("readyReplicas", "updatedReplicas", "replicas")]
    return all(count == wanted for count in counts)


def readiness(wanted: Collection[str], workloads: Sequence[Object]) -> Readiness:
    """How many of these names are there and ready."""
    ready = {item["metadata"]["name"] for item in workloads if is_ready(item)}
    return Readiness(len(wanted), sorted(set(wanted) - ready))
