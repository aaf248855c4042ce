"""Process 1 of a cluster: starts it, finds it again, ends it and with it everything inside.

No list of process ids is kept. A cluster's process 1 and the unshare(1) that holds it are recognised by
the path of the cluster's init.json among their arguments, which no other process has: so a lab is
found and ended even if the command that started it was killed at any moment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from firedrill.lab.command import search_path
from firedrill.lab.errors import LabError


@dataclass(frozen=True)
class Anchor:
    """The two processes that hold a cluster, as the host numbers them."""

    holder: int | None
    init: int | None

    @property
    def pids(self) -> list[int]:
        """Both, process 1 first."""
        return [pid for pid in (self.init, self.holder) if pid is not None]


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def find(config: Path) -> Anchor:
    """The processes of the cluster with this init.json, as far as they exist."""
    holder = init = None
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        arguments = _arguments(int(entry.name))
        if len(arguments) < 2 or arguments[-1] != str(config):
            continue
        if Path(arguments[0]).name == "unshare":
            # The child of unshare is itself called so until it becomes process 1.
            if _innermost_pid(int(entry.name)) == 1:
                init = int(entry.name)
            else:
                holder = int(entry.name)
        elif Path(arguments[0]).name == "init":
            init = int(entry.name)
    return Anchor(holder, init)


def _innermost_pid(pid: int) -> int | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    line = next((line for line in status.splitlines() if line.startswith("NSpid:")), "")
    return int(line.split()[-1]) if line else None


def start(init: Path, config: Path, log: Path, patience: float = 10) -> int:
    """Start process 1 in namespaces of its own, detached; gives its pid as the host sees it.

    Raises LabError when it does not appear.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    argv = ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child=SIGKILL"]
    with log.open("ab") as file:
        holder = subprocess.Popen(
            [*argv, "--mount-proc", "--", str(init), str(config)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            cwd="/",
            env={"PATH": search_path(), "HOME": "/root"},
        )
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and holder.poll() is None:
        pid = find(config).init
        if pid is not None and Path(_arguments(pid)[0] if _arguments(pid) else "").name == "init":
            return pid
        time.sleep(0.02)
    raise LabError(f"the namespaces of a cluster could not be made: see {log}")


def stop(config: Path, patience: float = 30) -> None:
    """End a cluster's process 1; the kernel ends everything else in its namespaces.

    Raises LabError when something is still there after that time.
    """
    deadline = time.monotonic() + patience
    while True:
        found = find(config)
        if not found.pids:
            return
        for pid in found.pids:
            _kill(pid, config)
        if time.monotonic() > deadline:
            raise LabError(f"processes {found.pids} of {config.parent} do not end; look at their state in ps")
        time.sleep(0.05)


def _kill(pid: int, config: Path) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # The handle pins the process; look once more that it is ours and not a successor of its number.
        if str(config) in _arguments(pid):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
    try:
        os.waitpid(pid, os.WNOHANG)  # when this very process started it
    except ChildProcessError:
        return


def inside(pid: int, argv: list[str]) -> list[str]:
    """A command line that runs in the namespaces of a cluster."""
    return ["nsenter", f"--target={pid}", "--net", "--mount", "--pid", "--ipc", "--uts", "--", *argv]


def members(pid: int) -> list[int]:
    """All processes in the process namespace of this one, as the host numbers them."""
    try:
        wanted = Path(f"/proc/{pid}/ns/pid_for_children").stat().st_ino
    except (FileNotFoundError, ProcessLookupError):
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "ns" / "pid").stat().st_ino == wanted:
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
    return sorted(found)
