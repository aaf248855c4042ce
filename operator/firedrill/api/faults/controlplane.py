"""Faults of the control plane, as far as they concern one namespace."""

from typing import ClassVar, Final

from pydantic import Field

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
