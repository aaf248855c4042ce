"""Faults that another operator in the target carries out, by an object of its own."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, field_validator

from firedrill.api.faults.about import About, Family, FaultModel, Hits
from firedrill.api.faults.engines import bounded
from firedrill.api.run import Name

_OPEN: Final[dict[str, Any]] = {"x-kubernetes-preserve-unknown-fields": True}
#: What Firedrill sets itself, what would lead out of the target, and what is run as it is given.
_NOT_IN_SPEC: Final = ("duration", "remoteCluster", "ruleData", "stressngStressors", "containerdStressors")
_NOT_IN_ENV: Final = ("_IMAGE", "_COMMAND", "NAMESPACE")


class OperatorFault(FaultModel):
    """An object that another operator makes a fault of."""


class ChaosMeshKind(StrEnum):
    """Kinds of Chaos Mesh that hit pods."""

    POD = "PodChaos"
    NETWORK = "NetworkChaos"
    STRESS = "StressChaos"
    IO = "IOChaos"
    TIME = "TimeChaos"
    DNS = "DNSChaos"
    HTTP = "HTTPChaos"
    JVM = "JVMChaos"
    KERNEL = "KernelChaos"
    BLOCK = "BlockChaos"


class ChaosMesh(OperatorFault):
    """An object of Chaos Mesh in the target's namespace. Its duration is that of the experiment."""

    about: ClassVar[About] = About(
        Family.CHAOS_MESH,
        Hits.ENGINE,
        "creates an object of Chaos Mesh; where its spec has no selector, the target's labels and mode are used",
        "it is paused until Chaos Mesh tells that all is recovered, then deleted, and seen gone with its finalizer",
        "Chaos Mesh, which tells that all is injected",
        "Chaos Mesh in the target",
    )

    kind: ChaosMeshKind = Field(description="Which kind, such as NetworkChaos.")
    spec: dict[str, Any] = Field(
        description="Its spec, as Chaos Mesh defines it, without duration; at most 64 KiB.", json_schema_extra=_OPEN
    )

    @field_validator("spec")
    @classmethod
    def _ours_is_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in _NOT_IN_SPEC:
            if name in value:
                raise ValueError(f"must not hold {name}: duration and clusters are the experiment's, code nobody's")
        return bounded(value)


class LitmusAppKind(StrEnum):
    """Kinds of workloads that Litmus knows."""

    DEPLOYMENT = "deployment"
    STATEFUL_SET = "statefulset"
    DAEMON_SET = "daemonset"


class Litmus(OperatorFault):
    """A ChaosEngine of Litmus in the target's namespace. It is stopped when the duration is over."""

    about: ClassVar[About] = About(
        Family.LITMUS,
        Hits.ENGINE,
        "creates a ChaosEngine of Litmus for the workload that has the target's labels",
        "its engineState is set to stop until Litmus tells that it has ended and its targets are reverted; then it is "
        "deleted with its ChaosResult, and seen gone",
        "Litmus, which lists the targets that it has injected",
        "Litmus in the target, its experiment in the namespace, policy.litmus.serviceAccount of the TargetCluster",
    )

    experiment: Name = Field(description="Name of the ChaosExperiment of Litmus in the target's namespace.")
    app_kind: LitmusAppKind = Field(
        default=LitmusAppKind.DEPLOYMENT,
        description="What the target's labels are of: deployment, statefulset, daemonset.",
    )
    env: dict[
        Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")],
        Annotated[str, Field(max_length=1024)],
    ] = Field(
        default_factory=dict,
        max_length=64,
        description="Its tunables. TOTAL_CHAOS_DURATION is half of the duration when absent.",
    )

    @field_validator("env")
    @classmethod
    def _nothing_to_run(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name.endswith(_NOT_IN_ENV):
                raise ValueError(f"must not hold {name}: images, commands and namespaces are not a resource's choice")
        return value
