"""Faults of the network."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from firedrill.api.faults.about import About, Family, FaultModel, Hits


class PacketLoss(FaultModel):
    """Drops a share of incoming TCP packets in the pods' network namespace.

    Needs a namespace whose pod security admits NET_ADMIN in ephemeral containers. The kernel ends it by
    itself: the drop is gated by an nft set whose elements expire.
    """

    about: ClassVar[About] = About(
        family=Family.NETWORK,
        hits=Hits.PODS,
        does="drops a share of the TCP packets that come in for a port, in the pods' own network namespace",
        needs="a namespace whose pod security admits NET_ADMIN in ephemeral containers; pods with their own network",
        undone="by the kernel, when the elements of an nft set time out; the table is removed and seen gone",
        proven="packets that the kernel has counted",
    )

    percent: int = Field(default=50, ge=1, le=100, description="Share of packets dropped.")
    port: int = Field(ge=1, le=65535, description="TCP port of the pod whose incoming packets are dropped.")


class Direction(StrEnum):
    """Which traffic is denied."""

    INGRESS = "Ingress"
    EGRESS = "Egress"
    BOTH = "Both"


class NetworkDeny(FaultModel):
    """A NetworkPolicy that allows nothing."""

    about: ClassVar[About] = About(
        family=Family.NETWORK,
        hits=Hits.NAMESPACE,
        does="creates a NetworkPolicy that selects the target's labels and allows nothing",
        needs="a network that enforces policies, and no other policy that allows the same traffic",
        undone="the policy is deleted and seen gone",
        proven="the probe alone: that a policy exists says nothing",
    )

    direction: Direction = Field(default=Direction.INGRESS, description="Ingress, Egress or Both.")
