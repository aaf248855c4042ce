"""Control groups of a lab, on hosts with version 1 and version 2."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from firedrill.lab.errors import LabError

MOUNTS = Path("/proc/mounts")
V2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")


@dataclass(frozen=True)
class Hierarchies:
    """Where the host mounts its control groups."""

    version: int
    roots: tuple[Path, ...]


def parse_mounts(text: str) -> Hierarchies:
    """Read them off /proc/mounts. A hybrid host counts as version 1: its controllers are there.

    Raises LabError when none are mounted.
    """
    v1: list[Path] = []
    v2: list[Path] = []
    for line in text.splitlines():
        _, target, kind, *_ = line.split()
        if kind == "cgroup":
            v1.append(Path(target))
        elif kind == "cgroup2":
            v2.append(Path(target))
    if v1:
        return Hierarchies(1, tuple(dict.fromkeys([*v1, *v2])))
    if v2:
        return Hierarchies(2, tuple(dict.fromkeys(v2)))
    raise LabError("no control groups are mounted at /sys/fs/cgroup: the native provider cannot run pods here")


def hierarchies() -> Hierarchies:
    """Those of this host."""
    return parse_mounts(MOUNTS.read_text(encoding="utf-8"))


def group(lab_id: str) -> str:
    """The path of a lab's control group below each root."""
    return f"/firedrill-{lab_id}"


def create(lab_id: str, cluster: str) -> list[str]:
    """Make the groups of a cluster; gives the cgroup.procs files that its process 1 enters."""
    found = hierarchies()
    files = []
    for root in found.roots:
        if found.version == 1 and (root / "cgroup.controllers").exists():
            continue  # the version 2 side of a hybrid host: it controls nothing
        path = root
        for part in (f"firedrill-{lab_id}", cluster, "system"):
            _hand_down(path, found.version)
            path = path / part
            path.mkdir(exist_ok=True)
            _inherit_cpuset(path)
        files.append(str(path / "cgroup.procs"))
    return files


def _hand_down(path: Path, version: int) -> None:
    """Version 2: let the groups below use the controllers that this one has."""
    if version == 1:
        return
    available = (path / "cgroup.controllers").read_text(encoding="utf-8").split()
    control = path / "cgroup.subtree_control"
    enabled = control.read_text(encoding="utf-8").split()
    for name in V2_CONTROLLERS:
        if name in available and name not in enabled:
            control.write_text(f"+{name}", encoding="utf-8")


def _inherit_cpuset(path: Path) -> None:
    """Version 1: a new cpuset group has no processors and no memory; nothing can enter it."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = path / name
        if file.exists() and not file.read_text(encoding="utf-8").strip():
            file.write_text((path.parent / name).read_text(encoding="utf-8"), encoding="utf-8")


def remove(lab_id: str, cluster: str | None = None, patience: float = 15) -> None:
    """Remove the groups of a cluster, or of the whole lab. Their processes must have been ended.

    Raises LabError when a group stays busy.
    """
    deadline = time.monotonic() + patience
    while True:
        busy = _remove_once(lab_id, cluster)
        if not busy:
            return
        if time.monotonic() > deadline:
            raise LabError(f"these control groups are still in use: {', '.join(map(str, busy))}")
        time.sleep(0.1)


def _remove_once(lab_id: str, cluster: str | None) -> list[Path]:
    busy = []
    for root in hierarchies().roots:
        top = root / f"firedrill-{lab_id}"
        chosen = top / cluster if cluster else top
        if not chosen.exists():
            continue
        folders = [path for path in chosen.rglob("*") if path.is_dir()]
        for path in [*sorted(folders, key=lambda path: len(path.parts), reverse=True), chosen]:
            try:
                path.rmdir()
            except FileNotFoundError:
                continue
            except OSError:  # EBUSY: a process is still ending
                busy.append(path)
    return busy
