"""Faults of the network."""

from enum import StrEnum
from typing import ClassVar, Final

from pydantic import Field

from firedrill.api.faults.about import About, Family, FaultModel, Hits

_NEEDS: Final = "a namespace whose pod security admits NET_ADMIN in ephemeral containers; pods with their own network"
_KERNEL: Final = "by the kernel, when the elements of an nft set time out; the table is removed and seen gone"
_COUNTED: Final = "packets that the kernel has counted"


def _filtered(does: str) -> About:
    return About(Family.NETWORK, Hits.PODS, does, _KERNEL, _COUNTED, _NEEDS)


class FilterFault(FaultModel):
    """A packet filter in the network namespace of each pod. The kernel ends it by itself."""


class PacketLoss(FilterFault):
    """Drops a share of incoming TCP packets in the pods' network namespace.

    Needs a namespace whose pod security admits NET_ADMIN in ephemeral containers. The kernel ends it by
    itself: the drop is gated by an nft set whose elements expire.
    """

    about: ClassVar[About] = _filtered("drops a share of the TCP packets that come in for a port, in the pods' network")

    percent: int = Field(default=50, ge=1, le=100, description="Share of packets dropped.")
    port: int = Field(ge=1, le=65535, description="TCP port of the pod whose incoming packets are dropped.")


class Direction(StrEnum):
    """Which traffic is denied."""

    INGRESS = "Ingress"
    EGRESS = "Egress"
    BOTH = "Both"


class NetworkPartition(FilterFault):
    """Cuts the pods off."""

    about: ClassVar[About] = _filtered("drops all packets between the pods and everybody else, the kubelet included")

    direction: Direction = Field(default=Direction.BOTH, description="Ingress, Egress or Both.")


class ConnectionReset(FilterFault):
    """Answers with a reset whoever connects to a port."""

    about: ClassVar[About] = _filtered("answers TCP packets that come in for a port with a reset: nobody listens there")

    percent: int = Field(default=100, ge=1, le=100, description="Share of packets that are answered so.")
    port: int = Field(ge=1, le=65535, description="TCP port of the pod.")


class DnsFailure(FilterFault):
    """Names can not be resolved."""

    about: ClassVar[About] = _filtered("drops what the pods send to port 53, by TCP and UDP: no name can be resolved")

    percent: int = Field(default=100, ge=1, le=100, description="Share of packets dropped.")


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
