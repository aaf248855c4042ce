"""Which addresses a lab uses: one /16 for each lab, cut up the same way in all of them."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256

from pydantic import BaseModel

from firedrill.lab.errors import LabError

FIRST_BLOCK = 208
BLOCKS = 32
MOST_CLUSTERS = 14


class Addresses(BaseModel):
    """The addresses of a lab in its block 10.N.0.0/16."""

    block: int

    @property
    def network(self) -> ipaddress.IPv4Network:
        """All of them."""
        return ipaddress.IPv4Network(f"10.{self.block}.0.0/16")

    @property
    def nodes(self) -> str:
        """The network of the bridge."""
        return f"10.{self.block}.0.0/24"

    @property
    def host(self) -> str:
        """The host's own address on the bridge."""
        return f"10.{self.block}.0.1"

    @property
    def services(self) -> str:
        """Service addresses; the same in every cluster, as none leaves its own."""
        return f"10.{self.block}.240.0/20"

    @property
    def api_service(self) -> str:
        """The address of the Service `kubernetes`."""
        return f"10.{self.block}.240.1"

    @property
    def dns(self) -> str:
        """The address of the Service `kube-dns`."""
        return f"10.{self.block}.240.10"

    def node(self, index: int) -> str:
        """The node (and API server) of the cluster with this index."""
        _check(index)
        return f"10.{self.block}.0.{10 + index}"

    def pods(self, index: int) -> str:
        """Pod addresses of the cluster with this index."""
        _check(index)
        return f"10.{self.block}.{16 * (index + 1)}.0/20"


def _check(index: int) -> None:
    if not 0 <= index < MOST_CLUSTERS:
        raise LabError(f"a lab has at most {MOST_CLUSTERS} clusters; start a second lab with --name")


def choose(lab_id: str, taken: Iterable[str]) -> Addresses:
    """The block of a lab: by its id, or the next one that touches none of the networks in use.

    Raises LabError when all are taken.
    """
    used = [ipaddress.ip_network(network, strict=False) for network in taken]
    start = int(sha256(lab_id.encode()).hexdigest(), 16) % BLOCKS
    for step in range(BLOCKS):
        candidate = Addresses(block=FIRST_BLOCK + (start + step) % BLOCKS)
        if not any(
            candidate.network.overlaps(network)
            for network in used
            if isinstance(network, ipaddress.IPv4Network) and network.prefixlen > 0
        ):
            return candidate
    last = FIRST_BLOCK + BLOCKS - 1
    raise LabError(f"10.{FIRST_BLOCK}.0.0 to 10.{last}.255.255 are all in use here: take a lab down first")


@contextmanager
def allocation_lock(patience: float = 30) -> Iterator[None]:
    """Let one lab at a time look for a free block, also labs of other homes on this machine.

    An abstract socket: the kernel frees it when the holder dies, and no file remains.
    Raises LabError when another holds it for too long.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lock:
        deadline = time.monotonic() + patience
        while True:
            try:
                lock.bind("\0firedrill-lab-addresses")
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise LabError("another lab has been starting its network for long; try again") from error
                time.sleep(0.1)
        yield
