"""The parts of a native cluster that all its configuration agrees on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from firedrill.lab.addresses import Addresses
from firedrill.lab.paths import LabPaths

API_PORT = 6443
KUBELET_PORT = 10250
DNS_DOMAIN = "cluster.local"
MAX_PODS = 250


@dataclass(frozen=True)
class Layout:
    """One cluster of a native lab: where its files are and which addresses it has."""

    paths: LabPaths
    name: str
    index: int
    addresses: Addresses
    nodes: bool

    @property
    def folder(self) -> Path:
        """Everything of this cluster."""
        return self.paths.cluster(self.name)

    @property
    def certs(self) -> Path:
        """Certificates, keys and the kubeconfigs made of them."""
        return self.folder / "certs"

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.paths.logs / self.name

    @property
    def ip(self) -> str:
        """The node's address; also the API server's."""
        return self.addresses.node(self.index)

    @property
    def server(self) -> str:
        """Where the host and the other clusters reach the API server."""
        return f"https://{self.ip}:{API_PORT}"

    @property
    def context(self) -> str:
        """The name of the cluster in the kubeconfig."""
        return f"firedrill-{self.name}"

    @property
    def node(self) -> str:
        """The name of its node."""
        return f"firedrill-{self.name}"
