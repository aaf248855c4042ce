"""Faults of a whole workload: a change of its scale or of its pod template."""

from enum import StrEnum
from typing import ClassVar, Final

from pydantic import Field, model_validator

from firedrill.api.faults.about import About, Family, FaultModel, Hits

_UNDONE: Final = (
    "each field is put back where it still holds our value; no pod, ReplicaSet or ControllerRevision of the changed "
    "template is left"
)
_PROVEN: Final = "pods of the changed template, as the kubelet or the scheduler reports them"
_CONTAINER: Final = Field(default=None, max_length=63, description="Which container; when absent the first.")


def _template(does: str, needs: str = "", proven: str = _PROVEN) -> About:
    return About(Family.WORKLOAD, Hits.WORKLOADS, does, _UNDONE, proven, needs)


class Rollout(StrEnum):
    """How a changed template reaches the pods."""

    REPLACE = "Replace"
    ROLLING = "Rolling"


class TemplateFault(FaultModel):
    """A change of a pod template."""

    rollout: Rollout = Field(
        default=Rollout.REPLACE,
        description="Replace: a Deployment's pods are all replaced at once. Rolling: by the workload's own strategy, "
        "which may keep the old pods while the new ones fail.",
    )


class Scale(FaultModel):
    """Changes how many pods a workload is to have."""

    about: ClassVar[About] = About(
        Family.WORKLOAD,
        Hits.WORKLOADS,
        "sets the replicas of a Deployment or StatefulSet",
        "replicas are put back where they still are ours",
        "the count of its ready pods, which differs from before",
        "a workload without autoscaler: one that scales it back ends the run as Reverted",
    )

    replicas: int = Field(default=0, ge=0, le=100, description="How many pods it is to have.")


class ImageBreak(TemplateFault):
    """An image that can not be pulled."""

    about: ClassVar[About] = _template("sets a container's image to one that no registry has")

    container: str | None = _CONTAINER


class CommandBreak(TemplateFault):
    """A command that does not exist."""

    about: ClassVar[About] = _template("sets a container's command to a program that its image does not have")

    container: str | None = _CONTAINER


class CrashLoop(TemplateFault):
    """A container that exits with an error as soon as it has started."""

    about: ClassVar[About] = _template("lets a container start a program that exits with 1 at once")

    container: str | None = _CONTAINER


class InitContainerFault(StrEnum):
    """What the added init container does."""

    HANG = "Hang"
    CRASH = "Crash"


class InitContainer(TemplateFault):
    """An init container that keeps the pods from starting."""

    about: ClassVar[About] = _template("adds an init container that hangs, or exits with 1")

    mode: InitContainerFault = Field(default=InitContainerFault.HANG, description="Hang or Crash.")


class ProbeKind(StrEnum):
    """Which probe of a container."""

    READINESS = "Readiness"
    LIVENESS = "Liveness"
    STARTUP = "Startup"


class ProbeBreak(TemplateFault):
    """A probe that asks where nobody answers."""

    about: ClassVar[About] = _template("lets a probe of a container ask a port that nobody listens on")

    container: str | None = _CONTAINER
    probe: ProbeKind = Field(
        default=ProbeKind.READINESS,
        description="Readiness: pods leave their Services. Liveness, Startup: containers restart again and again.",
    )


class RolloutStuck(FaultModel):
    """A rollout whose new pods never become ready."""

    about: ClassVar[About] = _template(
        "begins a rollout by the workload's own strategy whose pods wait for a readiness gate that nobody opens"
    )


class LimitsSqueeze(TemplateFault):
    """Less processor or memory than the workload needs."""

    about: ClassVar[About] = _template(
        "lowers requests and limits of a container",
        proven="pods of the changed template; out-of-memory kills as the kubelet reports them",
    )

    container: str | None = _CONTAINER
    cpu: str | None = Field(default=None, pattern=r"^[0-9]+m?$", max_length=16, description="Such as 10m.")
    memory: str | None = Field(default=None, pattern=r"^[0-9]+(Ki|Mi|Gi)?$", max_length=16, description="Such as 8Mi.")

    @model_validator(mode="after")
    def _something(self) -> "LimitsSqueeze":
        if self.cpu is None and self.memory is None:
            raise ValueError("set cpu, memory or both")
        return self


class EnvDrift(TemplateFault):
    """A wrong environment variable."""

    about: ClassVar[About] = _template("sets an environment variable of a container to another value")

    container: str | None = _CONTAINER
    name: str = Field(min_length=1, max_length=253, description="Name of the variable.")
    value: str = Field(max_length=4096, description="The wrong value.")


class MissingVolume(TemplateFault):
    """A volume claim that does not exist."""

    about: ClassVar[About] = _template("adds a volume whose PersistentVolumeClaim does not exist: pods wait for it")


class MissingConfig(TemplateFault):
    """A ConfigMap or Secret that does not exist."""

    about: ClassVar[About] = _template("lets a container take its environment from a ConfigMap that does not exist")

    container: str | None = _CONTAINER


class MissingServiceAccount(TemplateFault):
    """A service account that does not exist."""

    about: ClassVar[About] = _template(
        "names a service account that does not exist: no pod is admitted",
        proven="the probe alone: there are no pods to look at",
    )


class DnsBreak(TemplateFault):
    """Pods that ask a name server which does not answer."""

    about: ClassVar[About] = _template("lets the pods ask a name server that does not answer")


class SecurityBreak(TemplateFault):
    """A security context that contradicts itself."""

    about: ClassVar[About] = _template("asks for a container that must not run as root and is to run as root")

    container: str | None = _CONTAINER


class PortConflict(TemplateFault):
    """A sidecar that takes the application's port."""

    about: ClassVar[About] = _template("adds a sidecar that listens on the same port: one of the two can not start")

    port: int = Field(ge=1024, le=65535, description="Port of the application.")


class Unschedulable(StrEnum):
    """Which rule no node meets."""

    NODE_SELECTOR = "NodeSelector"
    NODE_NAME = "NodeName"
    ANTI_AFFINITY = "AntiAffinity"
    REQUESTS = "Requests"


class SchedulingBlock(TemplateFault):
    """A rule of scheduling that no node meets."""

    about: ClassVar[About] = _template(
        "gives the pods a node selector, the name of a node, an anti-affinity or requests that no node meets"
    )

    rule: Unschedulable = Field(
        default=Unschedulable.ANTI_AFFINITY, description="NodeSelector, NodeName, AntiAffinity or Requests."
    )
