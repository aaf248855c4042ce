"""Starts and ends one native cluster."""

from __future__ import annotations

import json
from pathlib import Path

from firedrill.lab import command
from firedrill.lab.client import Client, wait_until
from firedrill.lab.errors import LabError
from firedrill.lab.native import (
    addons,
    anchor,
    cgroups,
    components,
    host,
    identity,
    network,
    node_config,
    prepared_store,
)
from firedrill.lab.native.binaries import Binaries
from firedrill.lab.native.layout import Layout
from firedrill.lab.paths import home, remove_tree

STARTED = "started"  # a file that is written when a cluster has come up wholly


def init_config(layout: Layout, kube: Path, containerd: str, cgroup_files: list[str]) -> dict[str, object]:
    """What process 1 of the cluster reads."""
    folder = layout.folder
    mounts: list[dict[str, object]] = []
    if layout.nodes:
        mounts += node_config.private_folders(folder)
        for name in node_config.KERNEL_SETTINGS:
            if Path("/proc/sys", name).exists():
                source = folder / "sysctl" / name.replace("/", ".")
                mounts.append({"source": str(source), "target": f"/proc/sys/{name}"})
    return {
        "cgroups": cgroup_files,
        "keep": [str(home())],
        "mounts": mounts,
        "interface": network.INSIDE,
        "write": {"net/ipv4/ip_forward": "1"} if layout.nodes else {},
        "setup": network.setup_commands(layout.addresses, layout.index, nodes=layout.nodes),
        "processes": components.processes(layout, kube, containerd),
    }


def start(layout: Layout, binaries: Binaries, prepared: Path | None) -> None:
    """Start a cluster's processes, its containers on a copy of a prepared store.

    Its folder, if there is one, is made anew.

    Raises LabError when its namespaces cannot be made.
    """
    remove(layout)
    layout.folder.mkdir(parents=True, exist_ok=True)
    layout.logs.mkdir(parents=True, exist_ok=True)
    identity.create(layout)
    containerd = "containerd"
    cgroup_files: list[str] = []
    if layout.nodes:
        cni = host.cni_folder()
        if cni is None:
            raise LabError("the network plugins vanished: install containernetworking-plugins")
        if prepared is not None:
            prepared_store.copy(prepared, layout.folder / "containerd")
        node_config.write(layout, cni, host.snapshotter(layout.folder))
        containerd = command.find("containerd") or containerd
        cgroup_files = cgroups.create(layout.paths.id, layout.name)
    config = layout.paths.init_config(layout.name)
    content = init_config(layout, binaries.path("kube"), containerd, cgroup_files)
    config.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    pid = anchor.start(binaries.path("init"), config, layout.logs / "init.log")
    network.connect(layout.paths.id, layout.index, pid)


def client(layout: Layout) -> Client:
    """A client with an administrator's rights."""
    return Client.of_access(identity.access(layout))


def wait_api(layout: Layout, patience: float = 120) -> None:
    """Wait until the API server is ready and every namespace has its default service account."""
    log = layout.logs / "apiserver.log"
    with client(layout) as api:
        wait_until(api.ready, patience, f"the API server of {layout.name} is not ready, see {log}")

        def accounts() -> bool:
            return api.get("/api/v1/namespaces/default/serviceaccounts/default") is not None

        hint = f"the controller manager of {layout.name} does nothing, see {layout.logs}"
        wait_until(accounts, patience, hint)


def wait_node(layout: Layout, patience: float = 120) -> None:
    """Wait until the node is Ready."""
    log = layout.logs / "kubelet.log"
    with client(layout) as api:
        hint = f"the node of {layout.name} is not Ready, see {log}"
        wait_until(lambda: addons.node_ready(api, layout.node), patience, hint)


def mark_started(layout: Layout) -> None:
    """Record that the cluster came up wholly."""
    (layout.folder / STARTED).touch()


def was_started(layout: Layout) -> bool:
    """Whether it came up wholly and its process 1 is there."""
    return (layout.folder / STARTED).exists() and anchor.find(layout.paths.init_config(layout.name)).init is not None


def remove(layout: Layout) -> None:
    """End the cluster and remove what it had, as far as it is there."""
    anchor.stop(layout.paths.init_config(layout.name))
    network.remove_link(network.outside(layout.paths.id, layout.index))
    cgroups.remove(layout.paths.id, layout.name)
    remove_tree(layout.folder)
