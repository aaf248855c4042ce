"""What runs inside a native cluster: DNS, pod metrics, local volumes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml

from firedrill.lab.client import Client, wait_until
from firedrill.lab.native.layout import DNS_DOMAIN, Layout

TEMPLATE = Path(__file__).parent.parent / "templates" / "addons.yaml"
IMAGE = "docker.io/firedrill/addons:dev"


def manifests(layout: Layout) -> list[dict[str, Any]]:
    """The objects to apply."""
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        domain=DNS_DOMAIN,
        dns_address=layout.addresses.dns,
        addons_image=IMAGE,
        volumes_root=str(layout.folder / "volumes"),
    )
    return [item for item in yaml.safe_load_all(text) if item]


def apply(layout: Layout, client: Client) -> None:
    """Make them."""
    for item in manifests(layout):
        client.apply(item)


def wait_ready(client: Client, names: Sequence[str], patience: float = 120) -> None:
    """Wait until these of them serve; LabError names the one that does not."""
    for name in names:
        path = f"/apis/apps/v1/namespaces/kube-system/deployments/{name}"

        def available(path: str = path) -> bool:
            found = client.get(path)
            return bool(found and found.get("status", {}).get("availableReplicas"))

        wait_until(available, patience, f"{name} does not become available: `kubectl -n kube-system describe pods`")


def node_ready(client: Client, name: str) -> bool:
    """Whether the cluster's node says it is Ready."""
    node = client.get(f"/api/v1/nodes/{name}")
    conditions = node["status"].get("conditions", []) if node else []
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
