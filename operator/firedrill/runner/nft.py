"""Faults of a packet filter as an nft script, and what nft says about them. Pure, and the standard library alone.

The drop is gated by two sets whose elements together are all addresses, or those that are named, and whose elements
time out: once they have, the rule matches nothing, and no process is needed for that. All addresses come in halves
because a set refuses the prefix of length 0.
"""

import ipaddress
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

#: Names of our tables begin so; nothing else in a pod's network namespace is touched.
PREFIX: Final = "firedrill_"
_TABLE = re.compile(r"firedrill_[a-z0-9]{1,40}")
#: What the rules of a table have hit.
COUNTER: Final = "dropped"
DIRECTIONS: Final = ("in", "out", "both")
PROTOCOLS: Final = ("tcp", "dns", "any")
ACTIONS: Final = ("drop", "reset")
#: Of each direction: its chain, hook, and what names the interface and the other side.
_CHAINS: Final = {"in": ("incoming", "input", "iifname", "saddr"), "out": ("outgoing", "output", "oifname", "daddr")}
#: Before connection tracking, so that a dropped packet leaves no trace that outlives the fault.
_PRIORITY: Final = -300


@dataclass(frozen=True)
class Filter:
    """Drop, or answer with a reset, ``percent`` of the packets that match, for ``seconds``.

    ``direction`` is in, out or both; ``protocol`` tcp, dns (port 53 of tcp and udp) or any. ``port`` is where packets
    go to, None for all. What a pod says to itself is let through.
    """

    table: str
    percent: int
    seconds: float
    direction: str = "in"
    protocol: str = "tcp"
    port: int | None = None
    action: str = "drop"
    #: Of the other side; all where there are none.
    addresses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.port is not None and not 1 <= self.port <= 65535:
            raise ValueError(f"port must be 1 to 65535, not {self.port}")
        if not 1 <= self.percent <= 100:
            raise ValueError(f"percent must be 1 to 100, not {self.percent}")
        gated(self.table, self.seconds, self.addresses)
        for name, known in (("direction", DIRECTIONS), ("protocol", PROTOCOLS), ("action", ACTIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        if self.action == "reset" and self.protocol != "tcp":
            raise ValueError("protocol must be tcp for action reset")
        if self.port is not None and self.protocol != "tcp":
            raise ValueError("protocol must be tcp for a port")


def table_name(run_id: str) -> str:
    """Name of the table of a run."""
    return PREFIX + re.sub(r"[^a-z0-9]", "", run_id.lower())[:40]


def inject_script(wanted: Filter) -> str:
    """One transaction that puts the fault in place; it fails, changing nothing, where the table exists."""
    table = f"inet {wanted.table}"
    lines = gated(wanted.table, wanted.seconds, wanted.addresses)
    for direction, (chain, hook, interface, address) in _CHAINS.items():
        if wanted.direction not in (direction, "both"):
            continue
        lines.append(f"add chain {table} {chain} {{ type filter hook {hook} priority {_PRIORITY}; policy accept; }}")
        lines += [
            f'add rule {table} {chain} {interface} != "lo" {_match(wanted)}{family} {address} @{on} {_verdict(wanted)}'
            for family, on in (("ip", "on4"), ("ip6", "on6"))
        ]
    return "\n".join((*lines, ""))


def gated(table: str, seconds: float, addresses: Sequence[str] = ()) -> list[str]:
    """A table of ours, its counter, and the two sets that hold addresses, all of them by default, until a time is over.

    Raises ValueError for a name or a time that is out of bounds, and for what is no address.
    """
    if not _TABLE.fullmatch(table):
        raise ValueError(f"table must be {PREFIX} and letters or digits, not {table!r}")
    if not 0.001 <= seconds <= 86400:
        raise ValueError(f"seconds must be 0.001 to 86400, not {seconds}")
    timeout = f"timeout {round(seconds * 1000)}ms"
    lines = [f"create table inet {table}", f"add counter inet {table} {COUNTER}"]
    for name, kind, members in (
        ("on4", "ipv4_addr", _members(4, addresses)),
        ("on6", "ipv6_addr", _members(6, addresses)),
    ):
        lines.append(f"add set inet {table} {name} {{ type {kind}; flags interval, timeout; }}")
        if members:
            elements = ", ".join(f"{member} {timeout}" for member in members)
            lines.append(f"add element inet {table} {name} {{ {elements} }}")
    return lines


def _members(version: int, addresses: Sequence[str]) -> list[str]:
    if not addresses:
        return ["0.0.0.0/1", "128.0.0.0/1"] if version == 4 else ["::/1", "8000::/1"]
    parsed = {ipaddress.ip_address(each) for each in addresses}
    return sorted(str(each) for each in parsed if each.version == version)


def _match(wanted: Filter) -> str:
    if wanted.protocol == "dns":
        return "meta l4proto { tcp, udp } th dport 53 "
    if wanted.protocol == "any":
        return ""
    return f"tcp dport {wanted.port} " if wanted.port is not None else "meta l4proto tcp "


def _verdict(wanted: Filter) -> str:
    # nft refuses "mod 100 < 100", which is always true.
    share = "" if wanted.percent == 100 else f"numgen random mod 100 < {wanted.percent} "
    action = "reject with tcp reset" if wanted.action == "reset" else "drop"
    return f"{share}counter name {COUNTER} {action};"


def undo_script(table: str) -> str:
    """Removes the table with all that is in it."""
    if not _TABLE.fullmatch(table):
        raise ValueError(f"{table!r} is not a table of ours")
    return f"delete table inet {table}\n"


def our_tables(listing: str) -> list[str]:
    """Names of our tables in the output of ``nft -j list tables``."""
    return sorted(
        item["table"]["name"]
        for item in _items(listing)
        if "table" in item and str(item["table"].get("name", "")).startswith(PREFIX)
    )


def dropped(listing: str) -> int:
    """Packets dropped so far, by the output of ``nft -j list table``."""
    counters = [item["counter"] for item in _items(listing) if "counter" in item]
    return sum(int(counter.get("packets", 0)) for counter in counters if counter.get("name") == COUNTER)


def live_elements(listing: str) -> int:
    """Elements of the gating sets that have not timed out, by the output of ``nft -j list table``."""
    return sum(len(item["set"].get("elem") or ()) for item in _items(listing) if "set" in item)


def rules(listing: str) -> int:
    """Rules in the output of ``nft -j list table``."""
    return sum(1 for item in _items(listing) if "rule" in item)


def _items(listing: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(listing).get("nftables", []) if listing.strip() else []
    return items
