"""Faults of nodes."""

import ipaddress
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from firedrill.api.credentials import Port
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


class NodeNotReady(FaultModel):
    """A node that the control plane does not hear from."""

    about: ClassVar[About] = About(
        Family.NODE,
        Hits.NODES,
        "drops what processes of a node itself, such as its kubelet, send to the API server, by nft in the node's "
        "network from a pod in Firedrill's namespace; pods with a network of their own still reach it, and their "
        "Services drop them once the node counts as not ready",
        "the kernel ends the drop when its time is over, and nobody can end it before; then the node is seen Ready "
        "again, the empty table is removed by another pod and seen gone, and both pods are deleted and seen gone",
        "the node's condition Ready, which was seen to leave True",
        "one node that does not run the API server; target.nodeNotReady of the chart, and a namespace of Firedrill "
        "whose pod security is privileged; a duration of 90s to 240s",
        starts=70,
        settles=90,
    )

    addresses: list[Annotated[str, Field(min_length=2, max_length=45)]] = Field(
        default_factory=list,
        max_length=16,
        description="Addresses by which the kubelet reaches the API server, such as those of a load balancer, beside "
        "those that the endpoints of the Service kubernetes have.",
    )
    port: Port | None = Field(
        default=None, description="TCP port by which it reaches it; that of these endpoints when absent."
    )
    allow_evictions: bool = Field(
        default=False,
        description="Whether the duration may be longer than 240s: pods are evicted from a node that has not been "
        "ready for as long as they tolerate, mostly 300s.",
    )
    acknowledge_whole_node: bool = Field(
        json_schema_extra={"enum": [True]},
        description="Must be true: all pods of the node leave their Services, also those that do not take part.",
    )

    @field_validator("addresses")
    @classmethod
    def _are_addresses(cls, value: list[str]) -> list[str]:
        for each in value:
            found = ipaddress.ip_address(each)
            if found.is_loopback or found.is_unspecified or found.is_multicast:
                raise ValueError(f"{each} is no address of an API server")
        return value

    @field_validator("acknowledge_whole_node")
    @classmethod
    def _is_acknowledged(cls, value: bool) -> bool:
        if not value:
            raise ValueError("must be true: the node is everybody's who has a pod there")
        return value
