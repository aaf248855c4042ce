"""Configuration files of what runs on a native node: containerd, its network, kubelet, kube-proxy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from firedrill.lab.native.cgroups import group
from firedrill.lab.native.components import CONTAINERD_SOCKET
from firedrill.lab.native.layout import DNS_DOMAIN, KUBELET_PORT, MAX_PODS, Layout

PAUSE_IMAGE = "docker.io/firedrill/pause:dev"

# The kubelet sets these for the whole machine if they differ. Each cluster sees them as it wants them
# (a file mounted over each), so that the host's own settings stay untouched.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


STORE = "/var/lib/containerd"
KUBELET_FOLDER = "/var/lib/kubelet"


def private_folders(folder: Path) -> list[dict[str, object]]:
    """Mounts that make containerd, CNI and the kubelet see their usual folders, empty but for their own.

    They lie below the cluster's folder. The usual names are short enough for sockets, wherever that is.
    """
    return [
        {"target": "/run", "tmpfs": True},
        {"target": "/var/lib", "tmpfs": True},
        {"target": STORE, "source": str(folder / "containerd")},
        {"target": KUBELET_FOLDER, "source": str(folder / "kubelet")},
        {"target": "/var/log", "source": str(folder / "var-log")},
    ]


def containerd(folder: Path, cni_folder: Path, snapshotter: str) -> str:
    """containerd's config.toml (version 2 is read by 1.6, 1.7 and 2.x alike)."""
    return f"""version = 2
root = "{STORE}"
state = "/run/containerd"
# A host may withhold CAP_SYS_RESOURCE; then a score can only be raised.
oom_score = 0

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{cni_folder}"
  conf_dir = "{folder}/cni"

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "{snapshotter}"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def pod_network(layout: Layout) -> str:
    """The CNI configuration: a routed link for each pod.

    All traffic between pods passes the node's routing, so that kube-proxy sees the answers too without
    the bridge filter of the kernel.
    """
    config = {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "subnet": layout.addresses.pods(layout.index),
                    "dataDir": "/run/cni-addresses",
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }
    return json.dumps(config, indent=2) + "\n"


def kubelet(layout: Layout) -> dict[str, Any]:
    """The KubeletConfiguration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",  # noqa: S104 - of the cluster's own network namespace
        "port": KUBELET_PORT,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.certs / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(layout.certs / "kubelet.crt"),
        "tlsPrivateKeyFile": str(layout.certs / "kubelet.key"),
        "clusterDomain": DNS_DOMAIN,
        "clusterDNS": [layout.addresses.dns],
        "resolvConf": "",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"{group(layout.paths.id)}/{layout.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "maxPods": MAX_PODS,
        "oomScoreAdj": 0,
        "podLogsDir": "/var/log/pods",
        "volumePluginDir": str(layout.folder / "volume-plugins"),
        # The disk is the host's: filling it elsewhere must not evict a lab's pods or its images.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
        "syncFrequency": "10s",  # how soon pods see a changed ConfigMap
        "nodeStatusUpdateFrequency": "5s",
        "nodeLeaseDurationSeconds": 20,
        "shutdownGracePeriod": "0s",
        "logging": {"verbosity": 1},
    }


def proxy(layout: Layout) -> dict[str, Any]:
    """The KubeProxyConfiguration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.certs / "proxy.kubeconfig")},
        "hostnameOverride": layout.node,
        "mode": "nftables",
        "clusterCIDR": layout.addresses.pods(layout.index),
        "oomScoreAdj": 0,
        # 0 leaves the host's limits for tracked connections alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def make_folders(folder: Path) -> None:
    """Make what private_folders() mounts."""
    for name in ("containerd", "kubelet", "var-log/pods", "var-log/containers"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def write(layout: Layout, cni_folder: Path, snapshotter: str) -> None:
    """Write all of them into the cluster's folder."""
    folder = layout.folder
    make_folders(folder)
    for name in ("cni", "opt", "volumes", "volume-plugins", "sysctl"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    texts = {
        "containerd.toml": containerd(layout.folder, cni_folder, snapshotter),
        "cni/10-pods.conflist": pod_network(layout),
        "kubelet.yaml": yaml.safe_dump(kubelet(layout), sort_keys=False),
        "proxy.yaml": yaml.safe_dump(proxy(layout), sort_keys=False),
    }
    for name, value in KERNEL_SETTINGS.items():
        texts[f"sysctl/{name.replace('/', '.')}"] = value + "\n"
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
