"""What the host has that a lab could leave behind: compare a snapshot before `up` with one after `down`.

Traces of labs of other homes on the same machine are left out, as those come and go on their own.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, fields
from pathlib import Path

from firedrill.lab import command
from firedrill.lab.errors import LabError
from firedrill.lab.native import cgroups
from firedrill.lab.native.host import INOTIFY_INSTANCES
from firedrill.lab.paths import home

# Folders that Kubernetes, containerd and CNI use on a host of their own.
FOLDERS = (
    "/etc/cni",
    "/opt/cni",
    "/opt/containerd",
    "/run/containerd",
    "/run/netns",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
)
KERNEL_SETTINGS = (
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
COUNTERS = re.compile(r"counter packets \d+ bytes \d+")


@dataclass(frozen=True)
class Snapshot:
    """Everything looked at, as sets of lines."""

    processes: frozenset[str]
    mounts: frozenset[str]
    namespaces: frozenset[str]
    links: frozenset[str]
    control_groups: frozenset[str]
    firewall: frozenset[str]
    settings: frozenset[str]
    folders: frozenset[str]

    def difference(self, later: Snapshot) -> list[str]:
        """What a later snapshot has more (+) or less (-), one line each; empty when they are equal."""
        lines = []
        for field in fields(self):
            before: frozenset[str] = getattr(self, field.name)
            after: frozenset[str] = getattr(later, field.name)
            lines += [f"+ {field.name}: {line}" for line in sorted(after - before)]
            lines += [f"- {field.name}: {line}" for line in sorted(before - after)]
        return lines


def snapshot() -> Snapshot:
    """Look at the host now."""
    owners = lab_of_processes()
    ours = {pid: root for pid, root in owners.items() if root.is_relative_to(home())}
    foreign = {_lab_id(root) for pid, root in owners.items() if pid not in ours}
    return Snapshot(
        processes=frozenset(f"{pid} of {root}" for pid, root in ours.items()),
        mounts=frozenset(_mounts()),
        namespaces=frozenset(_namespaces(ours)),
        links=frozenset(line for line in _links() if not _mentions(line, foreign)),
        control_groups=frozenset(line for line in _control_groups() if not _mentions(line, foreign)),
        firewall=frozenset(_firewall()),
        settings=frozenset(_settings()),
        folders=frozenset(folder for folder in FOLDERS if Path(folder).exists()),
    )


def _lab_id(root: Path) -> str:
    return hashlib.sha256(str(root).encode()).hexdigest()[:6]


def _mentions(line: str, ids: set[str]) -> bool:
    return any(f"fd-{name}" in line or f"firedrill-{name}" in line for name in ids)


def _status(pid: int) -> dict[str, str]:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def _lab_named_by(pid: int) -> Path | None:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    for argument in arguments:
        path = Path(argument)
        if path.name == "init.json" and path.parent.parent.name == "clusters":
            return path.parent.parent.parent
    return None


def lab_of_processes() -> dict[int, Path]:
    """Every process of any lab on this machine, with the folder of its lab.

    Processes of a lab descend from its process 1, which takes over those whose parents ended.
    """
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parents[int(entry.name)] = int(_status(int(entry.name)).get("PPid", "0"))
    roots = {pid: root for pid in parents if (root := _lab_named_by(pid)) is not None}
    found = {}
    for pid in parents:
        ancestor = pid
        while ancestor and ancestor not in roots:
            ancestor = parents.get(ancestor, 0)
        if ancestor:
            found[pid] = roots[ancestor]
    return found


def _mounts() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return [line.split()[4] for line in lines]


def _namespaces(pids: dict[int, Path]) -> set[str]:
    found = set()
    for pid in pids:
        for kind in ("net", "pid", "mnt"):
            try:
                found.add(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def _links() -> list[str]:
    return [line.split(":")[1].strip().split("@")[0] for line in command.output(["ip", "-o", "link"]).splitlines()]


def _control_groups() -> list[str]:
    roots = cgroups.hierarchies().roots
    return [str(path) for root in roots for path in root.glob("*firedrill*") if path.is_dir()]


def _firewall() -> list[str]:
    lines: list[str] = []
    try:
        lines += COUNTERS.sub("counter", command.output(["nft", "list", "ruleset"])).splitlines()
    except LabError:
        lines.append("nft is not installed")
    for name in ("ip_tables_names", "ip6_tables_names"):
        legacy = Path("/proc/net", name)
        if legacy.exists():
            lines += [f"legacy table {table}" for table in legacy.read_text(encoding="utf-8").split()]
    return lines


def _settings() -> list[str]:
    paths = [*(Path("/proc/sys", name) for name in KERNEL_SETTINGS), INOTIFY_INSTANCES]
    return [f"{path}: {path.read_text(encoding='utf-8').strip()}" for path in paths if path.exists()]
