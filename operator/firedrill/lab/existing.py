"""Clusters that exist already: contexts of a kubeconfig, verified and recorded; nothing is made."""

from __future__ import annotations

import base64
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from firedrill.lab import kubeconfig
from firedrill.lab.client import Client
from firedrill.lab.errors import LabError
from firedrill.lab.model import ClusterState, LabSpec, LabState, Provider
from firedrill.lab.paths import LabPaths
from firedrill.lab.progress import Progress


def source_kubeconfig() -> Path:
    """The kubeconfig that a person uses: KUBECONFIG (its first file), else the usual one."""
    chosen = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(chosen) if chosen else Path.home() / ".kube" / "config"


def up(spec: LabSpec, paths: LabPaths, progress: Progress) -> LabState:
    """Verify the contexts and record them.

    Raises LabError for a context that is missing or does not answer.
    """
    if not spec.contexts:
        raise LabError("name the contexts: --context hub=NAME --context finance=NAME; `kubectl config get-contexts`")
    source = source_kubeconfig()
    try:
        content: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
        picked = kubeconfig.pick(content, {f"firedrill-{name}": old for name, old in spec.contexts.items()})
    except FileNotFoundError as error:
        raise LabError(f"there is no kubeconfig at {source}; set KUBECONFIG") from error
    except KeyError as error:
        raise LabError(f"{source} has no context {error}; `kubectl config get-contexts` lists them") from error
    with progress.phase("contexts"):
        paths.root.mkdir(parents=True, exist_ok=True)
        kubeconfig.write(paths.kubeconfig, _absolute(picked, source.parent))
        state = LabState(
            name=spec.name,
            provider=Provider.EXISTING,
            kubeconfig=str(paths.kubeconfig),
            started_at=datetime.now(UTC),
            clusters=clusters_of(paths, picked, list(spec.contexts)),
        )
        state = refresh(state, paths.kubeconfig)
    silent = [f"{cluster.name}: {cluster.detail}" for cluster in state.clusters if not cluster.ready]
    if silent:
        shutil.rmtree(paths.root)
        raise LabError("these contexts cannot be used:\n" + "\n".join(silent))
    state = state.model_copy(update={"phases": progress.phases})
    state.save(paths.state)
    return state


def _absolute(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """File names in a kubeconfig count from its own folder; the copy lies elsewhere."""
    for entry in content["clusters"]:
        section = entry["cluster"]
        if "certificate-authority" in section:
            section["certificate-authority"] = str(folder / section["certificate-authority"])
    for entry in content["users"]:
        for name in ("client-certificate", "client-key", "tokenFile"):
            if name in entry["user"]:
                entry["user"][name] = str(folder / entry["user"][name])
    return content


def clusters_of(
    paths: LabPaths, content: dict[str, Any], names: list[str], servers: dict[str, str] | None = None
) -> list[ClusterState]:
    """The states of clusters that a kubeconfig names firedrill-NAME; their authorities become files."""
    sections = {entry["name"]: entry["cluster"] for entry in content["clusters"]}
    states = []
    for name in names:
        section = sections[f"firedrill-{name}"]
        ca_file = paths.root / f"{name}-ca.crt"
        if "certificate-authority-data" in section:
            ca_file.write_bytes(base64.b64decode(section["certificate-authority-data"]))
        elif "certificate-authority" in section:
            ca_file = Path(section["certificate-authority"])
        server = (servers or {}).get(name, section["server"])
        states.append(ClusterState(name=name, context=f"firedrill-{name}", server=server, ca_file=str(ca_file)))
    return states


def refresh(state: LabState, path: Path) -> LabState:
    """Look at every cluster again. Never raises for one that does not answer: `detail` says why."""
    fresh = []
    for cluster in state.clusters:
        update: dict[str, Any] = {"ready": False, "detail": ""}
        try:
            with Client.of_kubeconfig(path, cluster.context) as api:
                nodes = (api.get("/api/v1/nodes") or {}).get("items", [])
            update["ready"] = True
            update["node"] = nodes[0]["metadata"]["name"] if nodes else None
        except (LabError, OSError) as error:
            update["detail"] = str(error)
        fresh.append(cluster.model_copy(update=update))
    return state.model_copy(update={"clusters": fresh})


def down(paths: LabPaths) -> None:
    """Forget the clusters; they themselves are left alone."""
    if paths.root.exists():
        shutil.rmtree(paths.root)
