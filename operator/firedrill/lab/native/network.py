"""The lab's bridge on the host, and one link from it into each cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from firedrill.lab import command
from firedrill.lab.addresses import Addresses
from firedrill.lab.errors import LabError

INSIDE = "eth0"


def bridge(lab_id: str) -> str:
    """The name of a lab's bridge (a link's name has at most 15 characters)."""
    return f"fd-{lab_id}"


def outside(lab_id: str, index: int) -> str:
    """The host's end of a cluster's link."""
    return f"fd-{lab_id}-{index}"


def _links() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(command.output(["ip", "-json", "link", "show"]))
    return found


def links(lab_id: str) -> list[str]:
    """The links of a lab on the host: its bridge first."""
    names = [link["ifname"] for link in _links() if link["ifname"].startswith(bridge(lab_id))]
    return sorted(names, key=len)


def create_bridge(lab_id: str, addresses: Addresses) -> None:
    """Make the bridge and give the host its address there, unless it is there already."""
    name = bridge(lab_id)
    if name in links(lab_id):
        return
    command.output(["ip", "link", "add", name, "type", "bridge"])
    try:
        # A host that filters bridged packets (Docker has it so) would drop those between clusters.
        for family in ("iptables", "ip6tables", "arptables"):
            switch = Path(f"/sys/class/net/{name}/bridge/nf_call_{family}")
            if switch.exists():
                switch.write_text("0", encoding="utf-8")
        prefix = addresses.nodes.rsplit("/", 1)[1]
        command.output(["ip", "address", "add", f"{addresses.host}/{prefix}", "dev", name])
        command.output(["ip", "link", "set", name, "up"])
    except (LabError, OSError):
        remove_link(name)
        raise


def connect(lab_id: str, index: int, pid: int) -> None:
    """Put a link between the bridge and the network namespace of a process."""
    name = outside(lab_id, index)
    remove_link(name)
    command.output(["ip", "link", "add", name, "type", "veth", "peer", "name", INSIDE, "netns", str(pid)])
    command.output(["ip", "link", "set", name, "master", bridge(lab_id), "up"])


def remove_link(name: str) -> None:
    """Remove a link if it is there. One that vanishes meanwhile (its namespace ended) is fine too."""
    if not Path(f"/sys/class/net/{name}").exists():
        return
    try:
        command.output(["ip", "link", "delete", name])
    except LabError:
        if Path(f"/sys/class/net/{name}").exists():
            raise


def remove(lab_id: str) -> None:
    """Remove every link of a lab from the host."""
    for name in reversed(links(lab_id)):
        remove_link(name)


def setup_commands(addresses: Addresses, index: int, *, nodes: bool) -> list[list[str]]:
    """What process 1 runs inside a cluster's namespaces before anything else.

    Pods reach other clusters and the host through the node's address; between pods and to Services
    nothing is rewritten here.
    """
    prefix = addresses.nodes.rsplit("/", 1)[1]
    pods = addresses.pods(index)
    masquerade = (
        "table ip firedrill-lab { chain out { type nat hook postrouting priority 100 ; "
        f"ip saddr {pods} ip daddr != {pods} masquerade ; }} ; }}"
    )
    commands = [
        ["ip", "link", "set", "lo", "up"],
        ["ip", "address", "add", f"{addresses.node(index)}/{prefix}", "dev", INSIDE],
        ["ip", "link", "set", INSIDE, "up"],
        ["ip", "route", "add", "default", "via", addresses.host],
    ]
    if nodes:
        commands.append(["nft", masquerade])
    return commands
