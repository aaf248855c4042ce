"""Finds out whether a cluster enforces NetworkPolicy: by trying, as objects alone prove nothing."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from firedrill.lab.client import Client, address, wait_until

FILE = "network-policy-enforced"
PORT = 8080
Commands = dict[str, list[str]]
# The two ends of the connection, as containers of the lab's add-ons image and of the runner image.
ADDONS: Commands = {"server": ["/addons", "serve", ":{port}"], "client": ["/addons", "dial", "{address}:{port}"]}
PYTHON: Commands = {
    "server": ["python3", "-m", "http.server", "{port}"],
    "client": ["python3", "-c", "import socket; socket.create_connection(('{address}', {port}), 3)"],
}
SETTLE = 3.0  # what a policy is given to take effect


def _pod(namespace: str, name: str, image: str, command: list[str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"canary": name}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "command": command,
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "runAsNonRoot": True,
                        "runAsUser": 65532,
                        "capabilities": {"drop": ["ALL"]},
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                }
            ],
        },
    }


def _deny_all(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny", "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"canary": "server"}}, "policyTypes": ["Ingress"]},
    }


def network_policy_enforced(api: Client, image: str, commands: Commands = ADDONS, patience: float = 60) -> bool | None:
    """Connect from a pod to another, with and without a policy that denies it.

    Gives None when the connection fails without a policy too, so that nothing can be concluded.
    Raises LabError when the pods do not run.
    """
    namespace = f"firedrill-canary-{uuid.uuid4().hex[:6]}"
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    try:
        serve = [word.format(port=PORT) for word in commands["server"]]
        api.apply(_pod(namespace, "server", image, serve))
        target = _wait_for_address(api, namespace, patience)
        dial = [word.format(address=target, port=PORT) for word in commands["client"]]
        if not _connects(api, _pod(namespace, "before", image, dial), patience):
            return None
        api.apply(_deny_all(namespace))
        time.sleep(SETTLE)
        return not _connects(api, _pod(namespace, "after", image, dial), patience)
    finally:
        api.delete(f"/api/v1/namespaces/{namespace}")


def _wait_for_address(api: Client, namespace: str, patience: float) -> str:
    path = f"/api/v1/namespaces/{namespace}/pods/server"

    def running() -> bool:
        pod = api.get(path) or {}
        return bool(pod.get("status", {}).get("phase") == "Running" and pod["status"].get("podIP"))

    wait_until(running, patience, f"the canary pod does not run: kubectl -n {namespace} describe pod server")
    return str((api.get(path) or {})["status"]["podIP"])


def _connects(api: Client, pod: dict[str, Any], patience: float) -> bool:
    api.apply(pod)
    path = address(pod)
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]

    def ended() -> bool:
        return (api.get(path) or {}).get("status", {}).get("phase") in ("Succeeded", "Failed")

    wait_until(ended, patience, f"the canary pod does not end: kubectl -n {namespace} describe pod {name}")
    return bool((api.get(path) or {})["status"]["phase"] == "Succeeded")


def remember(folder: Path, enforced: bool | None) -> None:
    """Keep the finding with the cluster's files."""
    (folder / FILE).write_text({True: "yes", False: "no", None: "unknown"}[enforced] + "\n", encoding="utf-8")


def recall(folder: Path) -> bool | None:
    """The finding; None when it is not known."""
    try:
        text = (folder / FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    return {"yes": True, "no": False}.get(text)
