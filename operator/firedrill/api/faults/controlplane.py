"""Faults of the control plane, as far as they concern one namespace."""

from enum import StrEnum
from typing import ClassVar, Final

from pydantic import Field, field_validator

from firedrill.api.faults.about import About, Family, FaultModel, Hits
from firedrill.api.faults.config import ObjectName

_GONE: Final = "the object is deleted and seen gone"


class QuotaExhausted(FaultModel):
    """A quota that is used up."""

    about: ClassVar[About] = About(
        Family.CONTROL_PLANE,
        Hits.NAMESPACE,
        "creates a ResourceQuota of no pods: what is there stays, nothing new is admitted",
        _GONE,
        "the probe alone: a quota hurts when a pod is to be replaced",
    )


class LimitRangeBlock(FaultModel):
    """Limits that no pod can keep to."""

    about: ClassVar[About] = About(
        Family.CONTROL_PLANE,
        Hits.NAMESPACE,
        "creates a LimitRange under which no pod may have more than 1 MiB: what is there stays, nothing is added",
        _GONE,
        "the probe alone: it hurts when a pod is to be replaced",
    )


class PdbBlock(FaultModel):
    """A disruption budget that allows no eviction."""

    about: ClassVar[About] = About(
        Family.CONTROL_PLANE,
        Hits.NAMESPACE,
        "creates a PodDisruptionBudget over the target's labels that allows no eviction: drains and upgrades wait",
        _GONE,
        "an eviction by dry run that the API server refuses",
    )


class WebhookFailure(FaultModel):
    """An admission webhook that does not answer."""

    about: ClassVar[About] = About(
        Family.CONTROL_PLANE,
        Hits.NAMESPACE,
        "creates a ValidatingWebhookConfiguration for new pods of the namespace whose server does not answer",
        _GONE,
        "the probe alone: a webhook hurts when a pod is to be replaced",
        "the right to create cluster-wide webhook configurations, which comes with this family",
    )


class WebhookSlow(FaultModel):
    """An admission webhook that takes its time, and is then ignored."""

    about: ClassVar[About] = About(
        Family.CONTROL_PLANE,
        Hits.NAMESPACE,
        "creates a ValidatingWebhookConfiguration for new pods of the namespace whose server never answers and need "
        "not: each pod is admitted so much later",
        _GONE,
        "the probe alone: a webhook hurts when a pod is to be replaced",
        "the right to create cluster-wide webhook configurations, which comes with this family; an API server whose "
        "network drops packets to 192.0.2.1, which is an address of nobody",
    )

    seconds: int = Field(default=10, ge=1, le=30, description="How much later each pod is admitted.")


class RbacRevoked(FaultModel):
    """Rights that are taken away."""

    about: ClassVar[About] = About(
        Family.CONTROL_PLANE,
        Hits.NAMED,
        "takes all subjects out of a RoleBinding: who had the right to something by it has it no more",
        "the subjects are put back where there are still none",
        "the probe alone: who asks the API server by these rights shows it",
        "the right to bind that role, for runner and guardian: target.bindableRoles of the chart names it",
    )

    role_binding: ObjectName = Field(description="Name of the RoleBinding.")


class SurgeResource(StrEnum):
    """What is listed again and again."""

    PODS = "Pods"
    DEPLOYMENTS = "Deployments"
    REPLICA_SETS = "ReplicaSets"
    STATEFUL_SETS = "StatefulSets"
    DAEMON_SETS = "DaemonSets"


class SurgeScope(StrEnum):
    """Where it is listed."""

    NAMESPACE = "Namespace"
    CLUSTER = "Cluster"


class ApiSurge(FaultModel):
    """An API server that is asked too much."""

    about: ClassVar[About] = About(
        Family.CONTROL_PLANE,
        Hits.CLUSTER,
        "lists objects at the API server again and again, from a process of the runner's pod and by its identity, in "
        "bounds of rate, concurrency and size; who suffers is everybody whom the API server's priority and fairness "
        "puts at the same level, which may be nobody",
        "nothing is changed, so nothing is put back: the requests stop with the process that sends them, which the "
        "kernel ends when its time is over or the runner is gone",
        "requests that the API server refuses with 429 Too Many Requests, or requests of ours beside the surge that "
        "take longer than before it: by half, and by a rank sum test at 1 %",
        "the right to list it, which the chart gives in target.namespaces, or everywhere where that is empty",
    )

    resource: SurgeResource = Field(
        default=SurgeResource.PODS,
        description="What is listed: Pods, Deployments, ReplicaSets, StatefulSets or DaemonSets.",
    )
    scope: SurgeScope = Field(
        default=SurgeScope.NAMESPACE,
        description="Namespace lists those of the target's namespace, Cluster all of them, which costs more.",
    )
    rate: int = Field(default=100, ge=1, le=500, description="Requests a second, at most.")
    concurrency: int = Field(default=20, ge=1, le=100, description="How many wait for an answer at a time, at most.")
    acknowledge_cluster_wide: bool = Field(
        json_schema_extra={"enum": [True]},
        description="Must be true: others than those who take part may suffer, because they share the API server.",
    )

    @field_validator("acknowledge_cluster_wide")
    @classmethod
    def _is_acknowledged(cls, value: bool) -> bool:
        if not value:
            raise ValueError("must be true: the API server is everybody's")
        return value
