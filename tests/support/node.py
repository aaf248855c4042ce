"""A node of a native cluster that loses its power: kubelet, runtime and every container end at once."""

import os
import signal
from collections import defaultdict
from pathlib import Path

import pytest

#: Parts of a node that one program plays by its first argument.
_PARTS = ("kubelet", "proxy")


def restart(lab: str, cluster: str) -> int:
    """SIGKILL to all that makes the node and all that runs on it; the cluster starts the node's own again.

    Returns how many processes were ended. Skips where the cluster is not a native one of this machine.
    """
    first = _first_process(lab, cluster)
    if first is None:
        pytest.skip("the node is not on this machine")
    children = _children()
    below = _below(first, children)
    node = [pid for pid in below if _is_of_the_node(pid)]
    doomed = {pid for one in node for pid in (one, *_below(one, children))}
    for pid in doomed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it ended with its parent
    return len(doomed)


def _first_process(lab: str, cluster: str) -> int | None:
    mark = f"labs/{lab}/clusters/{cluster}/init.json".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue  # it has ended
    return min(found, default=None)


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        found[int(fields[1])].append(int(entry.parent.name))
    return found


def _below(pid: int, children: dict[int, list[int]]) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            found.append(child)
            waiting.append(child)
    return found


def _is_of_the_node(pid: int) -> bool:
    try:
        program, part, *_ = [text.decode() for text in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")] + [
            "",
            "",
        ]
    except OSError:
        return False  # it has ended
    return Path(program).name.startswith("containerd") or part in _PARTS
