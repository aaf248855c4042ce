"""The process of a pod, killed from the machine of its node: without a warning, as nothing in a cluster can."""

import os
import signal
from pathlib import Path

import pytest


def sigkill(pod_uid: str) -> None:
    """Kill it, also once the pod itself was deleted. Skips where the nodes are not on this machine."""
    pid = _process_of(pod_uid)
    if pid is None:
        pytest.skip("the processes of the nodes are not on this machine, or are not ours to kill")
    os.kill(pid, signal.SIGKILL)


def _process_of(pod_uid: str) -> int | None:
    """The first process of a pod's container, told by the environment that its Job gives it."""
    mark = f"POD_UID={pod_uid}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
        except OSError:
            continue  # it has ended, or belongs to somebody else
    return min(found, default=None)


def holders_on_this_machine(pod_uid: str) -> list[str]:
    """Command lines of the processes in a pod that a fault has brought there. Skips where the nodes are not here."""
    found, others = [], 0
    marks = (pod_uid, pod_uid.replace("-", "_"))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if not any(mark in (process / "cgroup").read_text() for mark in marks):
                continue
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except OSError:
            continue  # it has ended
        others += 1
        if "podfault" in line or line.startswith("/proc/self/exe perch"):
            found.append(line)
    if not others:
        pytest.skip("the processes of the nodes are not on this machine")
    return found
