"""What the native provider needs from the host, and what it finds there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from firedrill.lab import command
from firedrill.lab.errors import LabError

# Debian and Ubuntu name these packages alike.
PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "socat": "socat",
    "ethtool": "ethtool",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "mmdebstrap": "mmdebstrap",
}
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))
CNI_PLUGINS = ("ptp", "host-local", "loopback")
INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_WANTED = 1024


@dataclass(frozen=True)
class Missing:
    """Host packages that are not installed."""

    packages: tuple[str, ...]

    @property
    def install_command(self) -> list[str]:
        """How to install them."""
        return ["apt-get", "install", "--yes", "--no-install-recommends", *self.packages]


def cni_folder() -> Path | None:
    """Where the network plugins are installed."""
    for folder in CNI_FOLDERS:
        if all((folder / plugin).exists() for plugin in CNI_PLUGINS):
            return folder
    return None


def missing(*, nodes: bool) -> Missing:
    """Packages to install; a lab without nodes needs fewer."""
    tools = PACKAGES if nodes else {tool: PACKAGES[tool] for tool in ("ip", "unshare", "nsenter")}
    packages = {package for tool, package in tools.items() if command.find(tool) is None}
    if nodes and cni_folder() is None:
        packages.add("containernetworking-plugins")
    return Missing(tuple(sorted(packages)))


def prepare(log: Path, *, nodes: bool) -> None:
    """Check the host and install missing packages by apt.

    Raises LabError with the one thing to do when that is not possible.
    """
    if os.geteuid() != 0:
        raise LabError(
            "the native provider makes network namespaces and control groups and must run as root: "
            "`sudo -E firedrill lab up`, or install Docker and use `--provider kind`"
        )
    lacking = missing(nodes=nodes)
    if not lacking.packages:
        return
    if command.find("apt-get") is None:
        raise LabError(f"install what provides these Debian packages: {' '.join(lacking.packages)}")
    noninteractive = {"DEBIAN_FRONTEND": "noninteractive"}
    hint = f"Install them yourself: {' '.join(lacking.install_command)}"
    command.logged(["apt-get", "update"], log, hint=hint)
    command.logged(lacking.install_command, log, env=noninteractive, hint=hint)
    still = missing(nodes=nodes)
    if still.packages:
        raise LabError(f"still missing after the installation: {' '.join(still.packages)}; see {log}")


def snapshotter(folder: Path) -> str:
    """containerd's way to stack layers below this folder; overlayfs cannot be stacked on itself."""
    kind = command.output(["stat", "--file-system", "--format=%T", str(folder)]).strip()
    return "native" if kind == "overlayfs" else "overlayfs"


def networks_in_use() -> list[str]:
    """IPv4 networks that this host has an address in or a route to."""
    routes = command.output(["ip", "-4", "route", "show", "table", "all"])
    addresses = command.output(["ip", "-4", "-brief", "address", "show"])
    found = [word for line in addresses.splitlines() for word in line.split()[2:] if "/" in word]
    for line in routes.splitlines():
        words = line.split()
        if words and words[0] in ("local", "broadcast", "blackhole", "unreachable", "throw"):
            words = words[1:]
        if words and words[0] != "default":
            found.append(words[0])
    return [network for network in found if network[0].isdigit()]
