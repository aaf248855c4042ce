"""What each fault of a packet filter lets through no more."""

from dataclasses import dataclass
from typing import Final

from firedrill.api.faults.network import (
    ConnectionReset,
    Direction,
    DnsFailure,
    FilterFault,
    NetworkPartition,
    PacketLoss,
)

_DIRECTIONS: Final = {Direction.INGRESS: "in", Direction.EGRESS: "out", Direction.BOTH: "both"}
FILTER_FAULTS: Final = (PacketLoss, NetworkPartition, ConnectionReset, DnsFailure)


@dataclass(frozen=True)
class Filtered:
    """Which packets, in the words of the packet filter, and what becomes of them."""

    percent: int
    direction: str
    protocol: str
    port: int | None
    action: str


def filtered(fault: FilterFault) -> Filtered:
    """What a fault filters."""
    match fault:
        case PacketLoss():
            return Filtered(fault.percent, "in", "tcp", fault.port, "drop")
        case ConnectionReset():
            return Filtered(fault.percent, "in", "tcp", fault.port, "reset")
        case NetworkPartition():
            return Filtered(100, _DIRECTIONS[fault.direction], "any", None, "drop")
        case DnsFailure():
            return Filtered(fault.percent, "out", "dns", None, "drop")
    raise AssertionError(f"{type(fault).__name__} filters nothing")
