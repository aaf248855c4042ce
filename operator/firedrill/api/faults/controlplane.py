"""Faults of the control plane, as far as they concern one namespace."""

from typing import ClassVar, Final

from firedrill.api.faults.about import About, Family, FaultModel, Hits

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
