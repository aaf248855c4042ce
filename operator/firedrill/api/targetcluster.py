"""TargetCluster: a cluster that runs happen in, and the policy that binds everyone who uses it."""

from typing import Annotated

from pydantic import Field

from firedrill.api.base import Duration, LenientModel, Model, parse_duration
from firedrill.api.enginepolicy import AwsFisPolicy, ChaosToolkitPolicy, LitmusPolicy
from firedrill.api.run import Name
from firedrill.api.safety import BlackoutWindow, OptOut
from firedrill.api.verdict import Condition


class SecretRef(Model):
    """A Secret in the namespace of the operator."""

    name: Name = Field(
        description="Secret with a kubeconfig key, or in the form of an Argo CD cluster Secret (server, config)."
    )


#: A name, or * for all.
Listed = Annotated[str, Field(min_length=1, max_length=253)]


class TargetPolicy(Model):
    """What may be run in this target. It is checked again at every run, so it binds GitOps and schedules too."""

    hub_namespaces: list[Listed] = Field(
        default_factory=lambda: ["*"],
        max_length=256,
        description="Namespaces of the hub whose resources may use this target; * for all.",
    )
    kinds: list[Listed] = Field(
        default_factory=lambda: ["*"], max_length=32, description="Kinds that may run here; * for all."
    )
    fault_families: list[Listed] = Field(
        default_factory=list,
        max_length=16,
        description="Fault families that may be injected, such as workload.",
    )
    target_namespaces: list[Listed] = Field(
        default_factory=lambda: ["*"],
        max_length=256,
        description="Namespaces that faults and fixes may touch, which must opt in by label as well; * for all.",
    )
    max_fault_duration: Duration = Field(default=parse_duration("10m"), description="Longest duration of a fault.")
    max_affected_percent: int = Field(
        default=50,
        ge=1,
        le=100,
        description="Largest share of the pods that a selector matches; a single pod is always allowed.",
    )
    probe_commands: list[Listed] = Field(
        default_factory=list,
        max_length=64,
        description="Programs that a command probe may start in the runner's pod, by name; none when absent.",
    )
    blackout_windows: list[BlackoutWindow] = Field(
        default_factory=list,
        max_length=32,
        description="Times in which no fault is on: none is begun in one, nor one that would reach into one.",
    )
    require_requester: bool = Field(
        default=False,
        description="Run experiments and fixes only where admission has seen who asks; the webhook must be installed.",
    )
    allow_opt_outs: list[OptOut] = Field(
        default_factory=list,
        max_length=8,
        description="Guards that an experiment may leave out by name: DisruptionBudgets, BlackoutWindows.",
    )
    chaos_toolkit: ChaosToolkitPolicy | None = Field(
        default=None, description="What experiments of Chaos Toolkit may call; none run without it."
    )
    aws_fis: AwsFisPolicy | None = Field(
        default=None, description="What AWS Fault Injection Service may be asked for; nothing without it."
    )
    sage_maker_pipelines: list[Listed] = Field(
        default_factory=list,
        max_length=64,
        description="Pipelines of SageMaker that onDrift may start by the runner's own identity; none when absent.",
    )
    litmus: LitmusPolicy | None = Field(default=None, description="What Litmus runs as; nothing without it.")


class TargetClusterSpec(Model):
    """How a target is reached, and what is allowed in it."""

    secret_ref: SecretRef | None = Field(default=None, description="Credentials; absent for the hub itself.")
    runner_namespace: Name = Field(default="firedrill", description="Namespace of Firedrill in the target.")
    suspend: bool = Field(default=False, description="Starts no new run in this target.")
    policy: TargetPolicy = Field(default_factory=TargetPolicy, description="What may be run here.")


class Capability(LenientModel):
    """Whether an identity of Firedrill may do a thing in the target."""

    name: str = Field(max_length=128, description="Such as 'create jobs.batch'.")
    allowed: bool = Field(description="What the target's API server answered.")


class TargetClusterStatus(LenientModel):
    """What was seen of the target."""

    observed_generation: int | None = Field(default=None, description="Generation that status speaks of.")
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=8,
        description="Reachable.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    version: str = Field(default="", max_length=64, description="Version of its API server.")
    cluster_uid: str = Field(
        default="", max_length=64, description="UID of its namespace kube-system, which no two clusters share."
    )
    nodes: int | None = Field(default=None, description="Number of nodes.")
    server: str = Field(default="", max_length=512, description="Address of its API server.")
    capabilities: list[Capability] = Field(
        default_factory=list, max_length=32, description="What the credentials may really do."
    )
