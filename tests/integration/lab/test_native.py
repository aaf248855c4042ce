"""The native provider on this very machine: API servers without nodes, and one cluster with a node."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firedrill.lab import LabSpec, Provider, down, residue, status, up
from firedrill.lab.client import Client, wait_until
from firedrill.lab.native import anchor
from firedrill.lab.paths import LabPaths
from firedrill.lab.residue import Snapshot

BARE = LabSpec(name="bare", provider=Provider.NATIVE, clusters=("hub", "finance"), nodes=False)

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "docker.io/firedrill/addons:dev"}]},
        },
    },
}


def init_pids(spec: LabSpec) -> list[int | None]:
    paths = LabPaths(spec.name)
    return [anchor.find(paths.init_config(name)).init for name in spec.clusters]


def api(spec: LabSpec, cluster: str) -> Client:
    return Client.of_kubeconfig(LabPaths(spec.name).kubeconfig, f"firedrill-{cluster}")


@pytest.mark.integration
def test_api_servers_come_up_twice_and_go_without_a_trace(before: Snapshot) -> None:
    state = up(BARE)
    assert [(cluster.name, cluster.ready, cluster.node) for cluster in state.clusters] == [
        ("hub", True, None),
        ("finance", True, None),
    ]
    with api(BARE, "finance") as finance:
        finance.apply(DEPLOYMENT)

        def pods() -> int:
            return len((finance.get("/api/v1/namespaces/default/pods") or {})["items"])

        wait_until(lambda: pods() == 2, 20, "the controller manager makes no pods")
    pids = init_pids(BARE)
    again = up(BARE)
    assert init_pids(BARE) == pids
    assert all(cluster.ready for cluster in again.clusters)
    seen = status(BARE.name)
    assert seen is not None
    assert seen.clusters == again.clusters
    down(BARE.name)
    assert before.difference(residue.snapshot()) == []
    assert status(BARE.name) is None
    down(BARE.name)


@pytest.mark.integration
def test_two_labs_stand_side_by_side(before: Snapshot) -> None:
    other = BARE.model_copy(update={"name": "other", "clusters": ("hub",)})
    first, second = up(BARE), up(other)
    servers = {cluster.server for cluster in [*first.clusters, *second.clusters]}
    assert len(servers) == 3
    down(BARE.name)
    left = status(other.name)
    assert left is not None
    assert left.clusters[0].ready
    down(other.name)
    assert before.difference(residue.snapshot()) == []


@pytest.mark.integration
@pytest.mark.parametrize("seconds", [0.8, 1.2, 1.6, 2.5, 5.0])
def test_a_killed_up_is_completed_and_removed(before: Snapshot, seconds: float) -> None:
    argv = [sys.executable, "-m", "firedrill.lab", "up", "--name", BARE.name, "--no-nodes"]
    with subprocess.Popen([*argv, "--provider", "native", "--clusters", "hub,finance"]) as process:
        time.sleep(seconds)
        process.kill()
    assert all(cluster.ready for cluster in up(BARE).clusters)
    down(BARE.name)
    assert before.difference(residue.snapshot()) == []


@pytest.mark.integration
@pytest.mark.parametrize("seconds", [0.8, 1.4, 4.0])
def test_down_needs_nothing_of_a_killed_up(before: Snapshot, seconds: float) -> None:
    argv = [sys.executable, "-m", "firedrill.lab", "up", "--name", BARE.name, "--no-nodes"]
    with subprocess.Popen([*argv, "--provider", "native", "--clusters", "hub,finance"]) as process:
        time.sleep(seconds)
        process.kill()
    down(BARE.name)
    assert before.difference(residue.snapshot()) == []


@pytest.mark.integration
def test_a_dead_api_server_is_started_again_and_a_dead_cluster_by_up(before: Snapshot) -> None:
    spec = BARE.model_copy(update={"clusters": ("hub",)})
    up(spec)
    pid = init_pids(spec)[0]
    assert pid is not None
    servers = [
        member
        for member in anchor.members(pid)
        if Path(f"/proc/{member}/cmdline").read_bytes().split(b"\0")[1] == b"apiserver"
    ]
    assert len(servers) == 1
    os.kill(servers[0], signal.SIGKILL)
    with api(spec, "hub") as hub:
        wait_until(lambda: not hub.ready(), 10, "the API server did not end")
        wait_until(hub.ready, 60, "the API server was not started again")
    anchor.stop(LabPaths(spec.name).init_config("hub"))
    dead = status(spec.name)
    assert dead is not None
    assert (dead.clusters[0].ready, dead.clusters[0].detail) == (False, "not running")
    assert up(spec).clusters[0].ready
    down(spec.name)
    assert before.difference(residue.snapshot()) == []


@pytest.mark.e2e
def test_a_cluster_with_a_node_runs_pods_and_goes_without_a_trace(before: Snapshot) -> None:
    spec = LabSpec(name="node", provider=Provider.NATIVE, clusters=("iot",), images=False)
    state = up(spec)
    assert state.clusters[0].ready
    assert state.clusters[0].network_policy_enforced is False
    with api(spec, "iot") as iot:
        node = iot.get("/api/v1/nodes/firedrill-iot")
        assert node is not None
        assert node["metadata"]["labels"]["firedrill.dev/industry"] == "iot"
        wait_until(
            lambda: bool((iot.get("/apis/metrics.k8s.io/v1beta1/namespaces/kube-system/pods") or {}).get("items")),
            60,
            "no pod metrics",
        )
    down(spec.name)
    assert before.difference(residue.snapshot()) == []
