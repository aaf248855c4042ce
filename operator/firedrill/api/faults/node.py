"""Faults of nodes."""

from typing import ClassVar

from pydantic import Field

from firedrill.api.faults.about import About, Family, FaultModel, Hits


class NodeCordon(FaultModel):
    """Nodes that take no new pods."""

    about: ClassVar[About] = About(
        Family.NODE,
        Hits.NODES,
        "marks the nodes of the chosen pods unschedulable",
        "the mark is taken away where it still is ours",
        "the probe alone: a cordon hurts when a pod is to be replaced",
    )


class NodeTaint(FaultModel):
    """A taint that nobody tolerates, for new pods.

    None that evicts: it would hit all pods of a node, whatever namespace they are in and whether it takes part or not.
    """

    about: ClassVar[About] = About(
        Family.NODE,
        Hits.NODES,
        "taints the nodes of the chosen pods, so that they take no new ones",
        "the taint is taken away and seen gone",
        "the probe alone: a taint hurts when a pod is to be replaced",
    )


class NodeDrain(FaultModel):
    """Nodes that are emptied of the chosen pods, as before an upgrade.

    Pods of others on these nodes are left alone: they do not take part.
    """

    about: ClassVar[About] = About(
        Family.NODE,
        Hits.NODES,
        "marks the nodes of the chosen pods unschedulable, and then evicts the pods that match there",
        "the mark is taken away where it still is ours; the pods are seen gone, and as many ready as before",
        "the API server's answer to the eviction by uid",
        "pods of a ReplicaSet, StatefulSet, DaemonSet or ReplicationController, and budgets that allow it",
    )

    grace_period_seconds: int | None = Field(
        default=None, ge=0, le=300, description="Time that pods get to stop; their own when absent."
    )


class ExtendedResourceLoss(FaultModel):
    """A device that nodes have no more, such as a GPU."""

    about: ClassVar[About] = About(
        Family.NODE,
        Hits.NODES,
        "sets capacity and allocatable of an extended resource to 0 on the nodes of the chosen pods",
        "both are put back where they still are ours",
        "the probe alone: it hurts when a pod that asks for it is to be replaced",
        "a resource that no device plugin reports at every turn: that would put it back, and end the run as Reverted",
    )

    resource: str = Field(
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        description="Its name with its domain, such as nvidia.com/gpu.",
    )
