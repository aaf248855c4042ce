import json
import tomllib
from pathlib import Path

import pytest
import yaml

from firedrill.lab.addresses import Addresses
from firedrill.lab.errors import LabError
from firedrill.lab.native import addons, binaries, cgroups, cluster, components, host, network, node_config
from firedrill.lab.native.layout import Layout
from firedrill.lab.paths import LabPaths

V1_HYBRID = """tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"


@pytest.fixture
def layout() -> Layout:
    return Layout(LabPaths("demo"), "finance", 1, Addresses(block=208), nodes=True)


def test_containerd_keeps_to_the_clusters_folders(layout: Layout) -> None:
    config = tomllib.loads(node_config.containerd(layout.folder, Path("/usr/lib/cni"), "overlayfs"))
    assert config["root"] == "/var/lib/containerd"
    private = {mount["target"]: mount for mount in node_config.private_folders(layout.folder)}
    assert private["/var/lib/containerd"]["source"] == f"{layout.folder}/containerd"
    assert private["/run"]["tmpfs"]
    assert config["plugins"]["io.containerd.internal.v1.opt"]["path"].startswith(str(layout.folder))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["restrict_oom_score_adj"] is True
    assert cri["cni"] == {"bin_dir": "/usr/lib/cni", "conf_dir": f"{layout.folder}/cni"}
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is False


def test_pods_get_addresses_of_their_cluster(layout: Layout) -> None:
    config = json.loads(node_config.pod_network(layout))
    assert config["plugins"][0]["ipam"]["subnet"] == "10.208.32.0/20"


def test_kubelet_and_proxy(layout: Layout) -> None:
    kubelet = node_config.kubelet(layout)
    assert kubelet["cgroupRoot"] == f"/firedrill-{layout.paths.id}/finance"
    assert kubelet["clusterDNS"] == ["10.208.240.10"]
    assert kubelet["maxPods"] == 250
    assert kubelet["failCgroupV1"] is False
    assert node_config.proxy(layout)["mode"] == "nftables"


def test_written_files_can_be_read(layout: Layout) -> None:
    node_config.write(layout, Path("/usr/lib/cni"), "overlayfs")
    assert yaml.safe_load((layout.folder / "kubelet.yaml").read_text())["kind"] == "KubeletConfiguration"
    assert (layout.folder / "sysctl" / "kernel.panic").read_text() == "10\n"


def test_a_lab_without_nodes_runs_three_processes() -> None:
    bare = Layout(LabPaths("demo"), "hub", 0, Addresses(block=208), nodes=False)
    names = [process["name"] for process in components.processes(bare, Path("/kube"), "containerd")]
    assert names == ["etcd", "apiserver", "controller-manager"]
    config = cluster.init_config(bare, Path("/kube"), "containerd", [])
    assert config["mounts"] == []
    assert not any("nft" in command for command in config["setup"])  # type: ignore[attr-defined]


def test_every_process_has_a_log_and_a_node_runs_them_all(layout: Layout) -> None:
    processes = components.processes(layout, Path("/kube"), "/usr/bin/containerd")
    assert [process["name"] for process in processes] == [
        "etcd", "apiserver", "controller-manager", "scheduler", "containerd", "kubelet", "proxy",
    ]  # fmt: skip
    assert all(str(process["log"]).startswith(str(layout.logs)) for process in processes)


def test_the_api_server_reaches_nodes_by_address(layout: Layout) -> None:
    flags = components.apiserver(layout)
    assert "--kubelet-preferred-address-types=InternalIP" in flags
    assert "--advertise-address=10.208.0.11" in flags
    assert layout.server == "https://10.208.0.11:6443"


def test_only_traffic_that_leaves_the_pods_is_masqueraded(layout: Layout) -> None:
    commands = network.setup_commands(layout.addresses, layout.index, nodes=True)
    rule = commands[-1][1]
    assert "ip saddr 10.208.32.0/20 ip daddr != 10.208.32.0/20 masquerade" in rule


def test_link_names_fit_the_kernel() -> None:
    lab_id = LabPaths("a-lab-with-a-rather-long-name").id
    assert len(network.outside(lab_id, 13)) <= 15


def test_labs_of_other_names_and_homes_have_other_ids(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ids = {LabPaths("demo").id, LabPaths("test").id}
    monkeypatch.setenv("FIREDRILL_HOME", str(tmp_path / "elsewhere"))
    ids.add(LabPaths("demo").id)
    assert len(ids) == 3


@pytest.mark.parametrize("name", ["", "Demo", "../x", "a b", "-x", "x" * 40])
def test_names_that_make_no_path_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="lab name"):
        LabPaths(name)


def test_control_groups_of_both_versions_are_recognised() -> None:
    hybrid = cgroups.parse_mounts(V1_HYBRID)
    assert hybrid.version == 1
    assert Path("/sys/fs/cgroup/memory") in hybrid.roots
    assert Path("/sys/fs/cgroup/unified") in hybrid.roots
    unified = cgroups.parse_mounts(V2)
    assert (unified.version, unified.roots) == (2, (Path("/sys/fs/cgroup"),))
    with pytest.raises(LabError, match="no control groups"):
        cgroups.parse_mounts("tmpfs /tmp tmpfs rw 0 0\n")


def test_controllers_are_handed_down_in_version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(folder: Path) -> None:
        (folder / "cgroup.controllers").write_text("cpu memory pids rdma\n")
        (folder / "cgroup.subtree_control").write_text("cpu\n")

    fill(tmp_path)
    lab = tmp_path / "firedrill-abc123"
    for folder in (lab, lab / "hub"):
        folder.mkdir()
        fill(folder)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: cgroups.Hierarchies(2, (tmp_path,)))
    files = cgroups.create("abc123", "hub")
    assert files == [str(lab / "hub" / "system" / "cgroup.procs")]
    # A plain file keeps the last write alone; the kernel's file takes them all.
    assert (lab / "hub" / "cgroup.subtree_control").read_text() == "+pids"


def test_addons_are_filled_in(layout: Layout) -> None:
    items = addons.manifests(layout)
    service = next(item for item in items if item["kind"] == "Service" and item["metadata"]["name"] == "kube-dns")
    assert service["spec"]["clusterIP"] == "10.208.240.10"
    assert "$" not in json.dumps([item for item in items if item["kind"] != "ConfigMap"])
    corefile = next(item for item in items if item["kind"] == "ConfigMap")["data"]["Corefile"]
    assert "kubernetes cluster.local" in corefile


def test_link_flags_carry_the_versions() -> None:
    flags = binaries.link_flags("v1.36.3", "v4.2.4")
    assert "-X k8s.io/component-base/version.gitVersion=v1.36.3" in flags
    assert "gitMinor=36" in flags


def test_the_module_names_its_versions() -> None:
    assert binaries.required("k8s.io/kubernetes").startswith("v1.")
    with pytest.raises(LabError, match="does not name"):
        binaries.required("example.org/nothing")


def test_missing_host_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.command, "find", lambda _: None)
    monkeypatch.setattr(host, "cni_folder", lambda: None)
    assert host.missing(nodes=False).packages == ("iproute2", "util-linux")
    command = host.missing(nodes=True).install_command
    assert command[:2] == ["apt-get", "install"]
    assert {"containerd", "runc", "containernetworking-plugins", "nftables"} <= set(command)


def test_without_root_there_is_one_clear_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(host.os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="must run as root"):
        host.prepare(tmp_path / "log", nodes=True)


def test_networks_in_use_are_read_off_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "route": "default via 192.0.2.1 dev eth0\n10.8.0.0/24 dev tun0\nlocal 192.0.2.2 dev eth0 table local\n",
        "address": "lo UNKNOWN 127.0.0.1/8\neth0 UP 192.0.2.2/24\n",
    }
    monkeypatch.setattr(host.command, "output", lambda argv: answers["route" if "route" in argv else "address"])
    assert host.networks_in_use() == ["127.0.0.1/8", "192.0.2.2/24", "10.8.0.0/24", "192.0.2.2"]
