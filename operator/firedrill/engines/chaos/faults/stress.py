"""What each fault of stress takes of which container, and where that is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firedrill.api.faults.stress import (
    SMALL_BYTES,
    ConnectionExhaustion,
    CpuStress,
    DiskFill,
    MemoryStress,
    OomKill,
    StressFault,
    StressMode,
    size_in_bytes,
)
from firedrill.engines.chaos.faults.template import NotApplicable


@dataclass(frozen=True)
class Stress:
    """``container`` is where the load is started, empty for one beside the containers. ``settings`` are the load's.

    ``user`` and ``group`` are whom the container runs as, None where its image decides.
    """

    container: str
    settings: dict[str, Any]
    user: int | None = None
    group: int | None = None


def stress(fault: StressFault, pod: Mapping[str, Any]) -> Stress:
    """What a fault does to a pod; raises NotApplicable where it must not, or can not."""
    if isinstance(fault, ConnectionExhaustion):
        settings = {"mode": StressMode.CONNECTIONS.value, "port": fault.port, "count": fault.connections}
        return Stress("", settings)
    spec = pod["spec"]
    if spec.get("hostPID"):
        raise NotApplicable("the pod sees the processes of its node: a load could not be told from others")
    container = _container(fault, spec)
    limited = "memory" in ((container.get("resources") or {}).get("limits") or {})
    user = _of(spec, container, "runAsUser")
    group = _of(spec, container, "runAsGroup")
    return Stress(container["name"], _settings(fault, container["name"], limited=limited), user, group)


def _settings(fault: StressFault, name: str, *, limited: bool) -> dict[str, Any]:
    match fault:
        case CpuStress():
            return {"mode": StressMode.CPU.value, "workers": fault.workers}
        case MemoryStress():
            size = size_in_bytes(fault.size) if fault.size else 0
            if not limited and (fault.limit_percent or size > SMALL_BYTES):
                raise NotApplicable(f"container {name} has no memory limit: only a size of 256Mi at most is held there")
            return {"mode": StressMode.MEMORY.value, "bytes": size, "limitPercent": fault.limit_percent or 0}
        case OomKill():
            if not limited:
                raise NotApplicable(f"container {name} has no memory limit that could be used up")
            return {"mode": StressMode.OOM.value}
        case DiskFill():
            size = size_in_bytes(fault.size) if fault.size else 0
            share = fault.free_percent or 0
            return {"mode": StressMode.DISK.value, "path": fault.path, "bytes": size, "limitPercent": share}
    raise AssertionError(f"{type(fault).__name__} is no fault of stress")


def _container(fault: StressFault, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    containers: list[Mapping[str, Any]] = list(spec["containers"])
    wanted = getattr(fault, "container", None)
    found = [each for each in containers if wanted in (None, each["name"])]
    if not found:
        names = ", ".join(str(each["name"]) for each in containers)
        raise NotApplicable(f"the pod has no container {wanted}: there is {names}")
    return found[0]


def _of(spec: Mapping[str, Any], container: Mapping[str, Any], name: str) -> int | None:
    own = (container.get("securityContext") or {}).get(name)
    value = own if own is not None else (spec.get("securityContext") or {}).get(name)
    return None if value is None else int(value)
