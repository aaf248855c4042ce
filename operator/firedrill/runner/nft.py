"""The packet-loss fault as an nft script, and what nft says about it. Pure, and the standard library alone.

The drop is gated by two sets whose elements together are all addresses, and whose elements time out: once they
have, the rule matches nothing, and no process is needed for that. Addresses come in halves because a set refuses
the prefix of length 0.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

#: Names of our tables begin so; nothing else in a pod's network namespace is touched.
PREFIX: Final = "firedrill_"
_TABLE = re.compile(r"firedrill_[a-z0-9]{1,40}")
_COUNTER: Final = "dropped"
#: Before connection tracking, so that a dropped packet leaves no trace that outlives the fault.
_PRIORITY: Final = -300


@dataclass(frozen=True)
class Loss:
    """Drop ``percent`` of the TCP packets that come in for ``port``, for ``seconds``."""

    table: str
    port: int
    percent: int
    seconds: float

    def __post_init__(self) -> None:
        if not _TABLE.fullmatch(self.table):
            raise ValueError(f"table must be {PREFIX} and letters or digits, not {self.table!r}")
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port must be 1 to 65535, not {self.port}")
        if not 1 <= self.percent <= 100:
            raise ValueError(f"percent must be 1 to 100, not {self.percent}")
        if not 0.001 <= self.seconds <= 86400:
            raise ValueError(f"seconds must be 0.001 to 86400, not {self.seconds}")


def table_name(run_id: str) -> str:
    """Name of the table of a run."""
    return PREFIX + re.sub(r"[^a-z0-9]", "", run_id.lower())[:40]


def inject_script(loss: Loss) -> str:
    """One transaction that puts the fault in place; it fails, changing nothing, where the table exists."""
    table = f"inet {loss.table}"
    timeout = f"timeout {round(loss.seconds * 1000)}ms"
    # nft refuses "mod 100 < 100", which is always true.
    share = "" if loss.percent == 100 else f"numgen random mod 100 < {loss.percent} "
    drop = f"{share}counter name {_COUNTER} drop;"
    incoming = f"add rule {table} incoming tcp dport {loss.port}"
    return "\n".join(
        (
            f"create table {table}",
            f"add counter {table} {_COUNTER}",
            f"add set {table} on4 {{ type ipv4_addr; flags interval, timeout; }}",
            f"add element {table} on4 {{ 0.0.0.0/1 {timeout}, 128.0.0.0/1 {timeout} }}",
            f"add set {table} on6 {{ type ipv6_addr; flags interval, timeout; }}",
            f"add element {table} on6 {{ ::/1 {timeout}, 8000::/1 {timeout} }}",
            f"add chain {table} incoming {{ type filter hook input priority {_PRIORITY}; policy accept; }}",
            f"{incoming} ip saddr @on4 {drop}",
            f"{incoming} ip6 saddr @on6 {drop}",
            "",
        )
    )


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
    return sum(int(counter.get("packets", 0)) for counter in counters if counter.get("name") == _COUNTER)


def live_elements(listing: str) -> int:
    """Elements of the gating sets that have not timed out, by the output of ``nft -j list table``."""
    return sum(len(item["set"].get("elem") or ()) for item in _items(listing) if "set" in item)


def rules(listing: str) -> int:
    """Rules in the output of ``nft -j list table``."""
    return sum(1 for item in _items(listing) if "rule" in item)


def _items(listing: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(listing).get("nftables", []) if listing.strip() else []
    return items
