"""The processes of a native cluster and their arguments."""

from __future__ import annotations

from pathlib import Path

from firedrill.lab.native.layout import API_PORT, DNS_DOMAIN, Layout

# Requests a second that a controller may make; by default 20, with which thousands of pods take minutes.
_REQUESTS = {"kube-api-qps": 200, "kube-api-burst": 400}
ETCD = "127.0.0.1:2379"  # each cluster has a network namespace, so every port is free in all of them
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"  # in a /run of the cluster's own


def _flags(values: dict[str, object]) -> list[str]:
    return [f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in values.items()]


def etcd(layout: Layout) -> list[str]:
    """A store that is quick rather than safe: a lab that loses power is started anew."""
    peers = "http://127.0.0.1:2380"
    return _flags(
        {
            "data-dir": layout.folder / "etcd",
            "listen-client-urls": f"http://{ETCD}",
            "advertise-client-urls": f"http://{ETCD}",
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
            "unsafe-no-fsync": True,
            "log-level": "warn",
        }
    )


def apiserver(layout: Layout) -> list[str]:
    """Admission is Kubernetes' default, Pod Security included."""
    certs = layout.certs
    return _flags(
        {
            "etcd-servers": f"http://{ETCD}",
            "bind-address": "0.0.0.0",  # noqa: S104 - of the cluster's own network namespace
            "secure-port": API_PORT,
            "advertise-address": layout.ip,
            "service-cluster-ip-range": layout.addresses.services,
            "client-ca-file": certs / "ca.crt",
            "tls-cert-file": certs / "apiserver.crt",
            "tls-private-key-file": certs / "apiserver.key",
            "kubelet-certificate-authority": certs / "ca.crt",
            "kubelet-client-certificate": certs / "apiserver-kubelet.crt",
            "kubelet-client-key": certs / "apiserver-kubelet.key",
            # The node's name resolves nowhere; exec and logs need its address.
            "kubelet-preferred-address-types": "InternalIP",
            "requestheader-client-ca-file": certs / "front-proxy-ca.crt",
            "requestheader-allowed-names": "front-proxy",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": certs / "front-proxy.crt",
            "proxy-client-key-file": certs / "front-proxy.key",
            "enable-aggregator-routing": True,
            "service-account-issuer": f"https://kubernetes.default.svc.{DNS_DOMAIN}",
            "service-account-key-file": certs / "service-accounts.pub",
            "service-account-signing-key-file": certs / "service-accounts.key",
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "allow-privileged": True,
            "profiling": False,
        }
    )


def controller_manager(layout: Layout) -> list[str]:
    """All default controllers."""
    config = layout.certs / "controller-manager.kubeconfig"
    return _flags(
        {
            "kubeconfig": config,
            "authentication-kubeconfig": config,
            "authorization-kubeconfig": config,
            "bind-address": "127.0.0.1",
            "leader-elect": False,
            "use-service-account-credentials": True,
            "root-ca-file": layout.certs / "ca.crt",
            "service-account-private-key-file": layout.certs / "service-accounts.key",
            "cluster-signing-cert-file": layout.certs / "ca.crt",
            "cluster-signing-key-file": layout.certs / "ca.key",
            "cluster-name": layout.name,
            "profiling": False,
            **_REQUESTS,
        }
    )


def scheduler(layout: Layout) -> list[str]:
    """The default scheduler."""
    config = layout.certs / "scheduler.kubeconfig"
    return _flags(
        {
            "kubeconfig": config,
            "authentication-kubeconfig": config,
            "authorization-kubeconfig": config,
            "bind-address": "127.0.0.1",
            "leader-elect": False,
            "profiling": False,
            **_REQUESTS,
        }
    )


def kubelet(layout: Layout, labels: dict[str, str]) -> list[str]:
    """The rest is in its configuration file (node_config)."""
    return _flags(
        {
            "config": layout.folder / "kubelet.yaml",
            "kubeconfig": layout.certs / "kubelet.kubeconfig",
            "node-ip": layout.ip,
            "hostname-override": layout.node,
            "node-labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        }
    )


def node_labels(cluster: str) -> dict[str, str]:
    """Where the node pretends to be, and for which industry."""
    return {
        "topology.kubernetes.io/region": "firedrill-lab",
        "topology.kubernetes.io/zone": f"firedrill-lab-{cluster}",
        "firedrill.dev/industry": cluster,
    }


def processes(layout: Layout, kube: Path, containerd: str) -> list[dict[str, object]]:
    """Everything that process 1 of a cluster keeps running."""
    api = f"{layout.ip}:{API_PORT}"

    def process(name: str, argv: list[str], after: str = "") -> dict[str, object]:
        return {"name": name, "argv": argv, "log": str(layout.logs / f"{name}.log"), "after": after, "env": []}

    def component(name: str, flags: list[str], after: str = "") -> dict[str, object]:
        return process(name, [str(kube), name, *flags], after)

    found = [
        component("etcd", etcd(layout)),
        component("apiserver", apiserver(layout), after=ETCD),
        component("controller-manager", controller_manager(layout), after=api),
    ]
    if layout.nodes:
        proxy = _flags({"config": layout.folder / "proxy.yaml"})
        found += [
            component("scheduler", scheduler(layout), after=api),
            process("containerd", [containerd, "--config", str(layout.folder / "containerd.toml")]),
            component("kubelet", kubelet(layout, node_labels(layout.name)), after=CONTAINERD_SOCKET),
            component("proxy", proxy, after=api),
        ]
    return found
