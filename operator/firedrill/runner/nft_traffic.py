"""Traffic that goes another way, or through a slow queue, as nft scripts. Pure, and the standard library alone.

Both are gated by the same sets as a drop: once their elements have timed out, new connections go where they went
before, and packets wait in no queue of ours.
"""

from dataclasses import dataclass
from typing import Final

from firedrill.runner import nft

#: Our queue in the traffic control of an interface, and the class in it that is slow.
QUEUE: Final = "fd1d:"
SLOW: Final = "fd1d:1"
#: Of nat, where destinations are changed.
_DSTNAT: Final = -100
#: After what others mark, before a packet is queued.
_MANGLE: Final = -150
_FAMILIES: Final = (("ip", "on4"), ("ip6", "on6"))


@dataclass(frozen=True)
class Redirect:
    """New connections to a port of the pod, or the pod's own questions to name servers, go to a proxy in the pod.

    ``port`` is the application's, None for name servers. ``user`` is whom the proxy runs as: what it asks itself
    goes its way.
    """

    table: str
    seconds: float
    to: int
    port: int | None = None
    user: int = 0

    def __post_init__(self) -> None:
        for name, value in (("to", self.to), ("port", self.port)):
            if value is not None and not 1 <= value <= 65535:
                raise ValueError(f"{name} must be 1 to 65535, not {value}")
        if self.port is None and self.user <= 0:
            raise ValueError("user must be that of the proxy where name servers are meant")


def redirect_script(wanted: Redirect) -> str:
    """One transaction; it fails, changing nothing, where the table exists."""
    table = f"inet {wanted.table}"
    lines = nft.gated(wanted.table, wanted.seconds)
    if wanted.port is not None:
        hook, address, match = "prerouting", "saddr", f'iifname != "lo" tcp dport {wanted.port}'
    else:
        hook, address = "output", "daddr"
        match = f"meta l4proto {{ tcp, udp }} th dport 53 meta skuid != {wanted.user}"
    lines.append(f"add chain {table} redirected {{ type nat hook {hook} priority {_DSTNAT}; policy accept; }}")
    lines += [
        f"add rule {table} redirected {match} {family} {address} @{on} counter name {nft.COUNTER} "
        f"redirect to :{wanted.to};"
        for family, on in _FAMILIES
    ]
    return "\n".join((*lines, ""))


def slow_script(table: str, seconds: float, port: int) -> str:
    """Packets that the pod sends from a port are given to the slow class of our queue."""
    if not 1 <= port <= 65535:
        raise ValueError(f"port must be 1 to 65535, not {port}")
    lines = nft.gated(table, seconds)
    lines.append(f"add chain inet {table} slowed {{ type filter hook output priority {_MANGLE}; policy accept; }}")
    lines += [
        f'add rule inet {table} slowed oifname != "lo" tcp sport {port} {family} daddr @{on} '
        f'counter name {nft.COUNTER} meta priority set "{SLOW}";'
        for family, on in _FAMILIES
    ]
    return "\n".join((*lines, ""))
