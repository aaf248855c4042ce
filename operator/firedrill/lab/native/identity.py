"""Every certificate and kubeconfig that a native cluster needs."""

from __future__ import annotations

from firedrill.lab import kubeconfig
from firedrill.lab.certs import Authority, Pair, write_service_account_key
from firedrill.lab.kubeconfig import Access
from firedrill.lab.native.layout import DNS_DOMAIN, Layout

USERS = {
    # file: (user, group)
    "admin": ("firedrill-lab-admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", "system:node-proxier"),
}


def create(layout: Layout) -> None:
    """Make them anew in the cluster's certificate folder."""
    folder = layout.certs
    authority = Authority(folder, "ca")
    service = "kubernetes.default.svc"
    api_names = ("kubernetes", "kubernetes.default", service, f"{service}.{DNS_DOMAIN}", "localhost")
    addresses = (layout.ip, layout.addresses.api_service, "127.0.0.1")
    authority.sign("apiserver", "kube-apiserver", server_names=(*api_names, *addresses))
    authority.sign("apiserver-kubelet", "kube-apiserver-kubelet-client", group="system:masters")
    front = Authority(folder, "front-proxy-ca")
    front.sign("front-proxy", "front-proxy")
    write_service_account_key(folder)
    users = {file: authority.sign(file, user, group) for file, (user, group) in USERS.items()}
    node_names = (layout.node, layout.ip, "127.0.0.1")
    users["kubelet"] = authority.sign("kubelet", f"system:node:{layout.node}", "system:nodes", node_names)
    for file, pair in users.items():
        kubeconfig.write(folder / f"{file}.kubeconfig", kubeconfig.document([access(layout, pair)]))


def access(layout: Layout, user: Pair | None = None) -> Access:
    """How to reach the cluster, by default as its administrator."""
    admin = Pair(layout.certs / "admin.crt", layout.certs / "admin.key")
    return Access(layout.context, layout.server, layout.certs / "ca.crt", user or admin)
