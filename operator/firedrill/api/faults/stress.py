"""Faults that use up what a pod lives on. They act in the container's own cgroup, whatever is in its image."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field, model_validator

from firedrill.api.faults.about import About, Family, FaultModel, Hits

_NEEDS: Final = (
    "the right to exec; pod security baseline, or restricted where the pod names its user (runAsUser); no other "
    "user than that of the container's first process or root for what is started in it"
)
_ENDS: Final = (
    "by its own time limit, or with the process that holds it, whichever comes first; the kernel lists no process of "
    "the run in the pod any more"
)
_UNITS: Final = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
#: Of a container without a memory limit no more than this is taken from its node.
SMALL_BYTES: Final = 256 << 20
Size = Annotated[str, Field(max_length=16, pattern=r"^[1-9][0-9]{0,5}(Ki|Mi|Gi)$")]
ContainerName = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]


def size_in_bytes(text: str) -> int:
    """A size such as 64Mi, in bytes."""
    return int(text[:-2]) * _UNITS[text[-2:]]


class StressFault(FaultModel):
    """A load in the pod."""


class _InContainer(StressFault):
    container: ContainerName | None = Field(
        default=None, description="Container that is hit; the first of the pod when absent."
    )


class CpuStress(_InContainer):
    """Keeps processors busy in the container's cgroup, so that the application competes for its own limit."""

    about: ClassVar[About] = About(
        family=Family.STRESS,
        hits=Hits.PODS,
        does="keeps processors busy in a container's own cgroup",
        needs=_NEEDS,
        undone=_ENDS,
        proven="the load, seen alive in the pod while the fault was on",
    )

    workers: int = Field(default=1, ge=1, le=16, description="Processors kept busy.")


class MemoryStress(_InContainer):
    """Holds memory that the container's cgroup pays for."""

    about: ClassVar[About] = About(
        family=Family.STRESS,
        hits=Hits.PODS,
        does="holds memory that counts to a container, up to a share of its limit",
        needs=_NEEDS,
        undone=_ENDS,
        proven="the load, seen alive in the pod while the fault was on",
    )

    limit_percent: int | None = Field(
        default=None, ge=1, le=95, description="The container is brought to this share of its memory limit."
    )
    size: Size | None = Field(
        default=None, description="Memory that is held, such as 64Mi; 256Mi at most where the container has no limit."
    )

    @model_validator(mode="after")
    def _one(self) -> "MemoryStress":
        if (self.limit_percent is None) == (self.size is None):
            raise ValueError("set exactly one of limitPercent, size")
        return self


class OomKill(_InContainer):
    """Uses up the container's memory limit, so that the kernel ends its largest process."""

    about: ClassVar[About] = About(
        family=Family.STRESS,
        hits=Hits.PODS,
        does="uses up a container's memory limit with memory that is no process's own: the kernel ends the application",
        needs=f"a memory limit; {_NEEDS}",
        undone="by the kubelet, which starts the container again; the kernel lists no process of the run any more",
        proven="the container's last state OOMKilled, at a time after the fault began",
        instant=True,
    )


class DiskFill(_InContainer):
    """Fills a file system of the container with a file that has no name, which the kernel frees with the process."""

    about: ClassVar[About] = About(
        family=Family.STRESS,
        hits=Hits.PODS,
        does="fills a file system of a container; a fifth of a disk that is the node's is left free",
        needs=f"a folder that the container may write to; {_NEEDS}",
        undone=_ENDS,
        proven="the load, seen alive in the pod while the fault was on",
    )

    path: str = Field(default="/tmp", max_length=256, pattern=r"^/[^\x00]*$", description="A folder in the container.")  # noqa: S108 - of the container
    size: Size | None = Field(default=None, description="What is written, such as 512Mi.")
    free_percent: int | None = Field(
        default=None, ge=1, le=100, description="Share of the free space that is filled, of a volume of its own alone."
    )

    @model_validator(mode="after")
    def _one(self) -> "DiskFill":
        if (self.size is None) == (self.free_percent is None):
            raise ValueError("set exactly one of size, freePercent")
        return self


class ConnectionExhaustion(StressFault):
    """Holds many connections to a port of the pod that say nothing."""

    about: ClassVar[About] = About(
        family=Family.STRESS,
        hits=Hits.PODS,
        does="holds many silent connections to a port of the pod, from within its network",
        needs="the right to exec; pods with their own network",
        undone=_ENDS,
        proven="connections that were held",
    )

    port: int = Field(ge=1, le=65535, description="TCP port of the pod.")
    connections: int = Field(default=200, ge=1, le=5000, description="Connections that are held.")


class StressMode(StrEnum):
    """What a load does, in the word of the program that does it."""

    CPU = "cpu"
    MEMORY = "memory"
    OOM = "oom"
    DISK = "disk"
    CONNECTIONS = "connections"


STRESS_FAULTS: Final = (CpuStress, MemoryStress, OomKill, DiskFill, ConnectionExhaustion)
