"""Clusters made by kind, where a Docker engine answers."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any

import yaml

from firedrill.lab import canary, command, existing, kubeconfig
from firedrill.lab.client import Client
from firedrill.lab.errors import LabError
from firedrill.lab.imaging import recipes
from firedrill.lab.model import ClusterState, LabSpec, LabState, Provider
from firedrill.lab.paths import LabPaths, cache
from firedrill.lab.progress import Progress

TEMPLATE = Path(__file__).parent / "templates" / "kind.yaml"
# The pods of different clusters meet on the nodes' network; distinct ranges keep their traces apart.
PODS, SERVICES = "10.{}.0.0/17", "10.{}.128.0/20"
FIRST_RANGE = 208


def docker_answers() -> bool:
    """Whether there is a Docker engine, and not its client alone."""
    if command.find("docker") is None:
        return False
    try:
        command.output(["docker", "version", "--format", "{{.Server.Version}}"], timeout=10)
    except LabError:
        return False
    return True


def kind_name(lab: str, cluster: str) -> str:
    """The name that kind knows a cluster of a lab by."""
    return f"firedrill-{lab}-{cluster}"


def config(lab: str, cluster: str, index: int) -> str:
    """The configuration of one cluster."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        kind_name=kind_name(lab, cluster),
        cluster=cluster,
        pods=PODS.format(FIRST_RANGE + index),
        services=SERVICES.format(FIRST_RANGE + index),
    )


def create_command(config_file: Path, kubeconfig_file: Path) -> list[str]:
    """How a cluster is made."""
    wait = ["--wait", "180s"]
    return ["kind", "create", "cluster", "--config", str(config_file), "--kubeconfig", str(kubeconfig_file), *wait]


def build_command(sources: recipes.Sources, image: str) -> list[str]:
    """How an image is built from a checkout."""
    dockerfile = sources.file("images", image, "Dockerfile")
    return ["docker", "build", "--file", str(dockerfile), "--tag", _short(recipes.IMAGES[image]), str(sources.root)]


def load_command(lab: str, cluster: str, image: str) -> list[str]:
    """How an image of the local engine is brought into a cluster."""
    return ["kind", "load", "docker-image", _short(image), "--name", kind_name(lab, cluster)]


def _short(reference: str) -> str:
    return reference.removeprefix("docker.io/")


def address_command(lab: str, cluster: str) -> list[str]:
    """How to ask for a node's address on Docker's network, where other clusters' pods reach it."""
    form = '{{(index .NetworkSettings.Networks "kind").IPAddress}}'
    return ["docker", "inspect", "--format", form, f"{kind_name(lab, cluster)}-control-plane"]


def up(spec: LabSpec, paths: LabPaths, progress: Progress) -> LabState:
    """Make the clusters that are missing, build and load the images.

    Raises LabError that names the log of what failed.
    """
    if not spec.nodes:
        raise LabError("kind makes clusters with nodes alone: use `--provider native` with --no-nodes")
    if not docker_answers():
        raise LabError("no Docker engine answers: start Docker, or use `--provider native`")
    if command.find("kind") is None:
        raise LabError("kind is not installed: `go install sigs.k8s.io/kind@v0.33.0`, or a release of it")
    state = _begin(spec, paths)
    clusters = [cluster.name for cluster in state.clusters]
    there = set(command.output(["kind", "get", "clusters", "--quiet"]).split())
    merged: dict[str, Any] = {}
    for index, name in enumerate(clusters):
        with progress.phase(f"cluster {name}"):
            if kind_name(spec.name, name) not in there:
                _create(paths, spec.name, name, index)
            merged = _merge(merged, _kubeconfig(spec.name, name))
    names = {f"firedrill-{name}": f"kind-{kind_name(spec.name, name)}" for name in clusters}
    picked = kubeconfig.pick(merged, names)
    kubeconfig.write(paths.kubeconfig, picked)
    if spec.images:
        with progress.phase("images"):
            _images(spec.name, clusters, paths)
    servers = {name: f"https://{_address(spec.name, name)}:6443" for name in clusters}
    found = existing.clusters_of(paths, picked, clusters, servers)
    state = existing.refresh(state.model_copy(update={"clusters": found}), paths.kubeconfig)
    if spec.images and recipes.find_sources() is not None:
        with progress.phase("network policy canary"):
            state = _canaries(state, paths)
    state = state.model_copy(update={"phases": progress.phases})
    state.save(paths.state)
    return state


def _begin(spec: LabSpec, paths: LabPaths) -> LabState:
    """Record which clusters there will be before the first is made, so that `down` finds them all."""
    recorded = paths.load_state()
    known = list(recorded.clusters) if recorded else []
    for name in spec.clusters:
        if all(cluster.name != name for cluster in known):
            known.append(ClusterState(name=name, context=f"firedrill-{name}", server="", ca_file=""))
    state = LabState(
        name=spec.name,
        provider=Provider.KIND,
        kubeconfig=str(paths.kubeconfig),
        started_at=datetime.now(UTC),
        clusters=known,
    )
    state.save(paths.state)
    return state


def _address(lab: str, cluster: str) -> str:
    return command.output(address_command(lab, cluster)).strip()


def _create(paths: LabPaths, lab: str, cluster: str, index: int) -> None:
    folder = paths.cluster(cluster)
    folder.mkdir(parents=True, exist_ok=True)
    config_file = folder / "kind.yaml"
    config_file.write_text(config(lab, cluster, index), encoding="utf-8")
    command.logged(create_command(config_file, folder / "kubeconfig"), paths.logs / f"{cluster}.log")


def _kubeconfig(lab: str, cluster: str) -> dict[str, Any]:
    text = command.output(["kind", "get", "kubeconfig", "--name", kind_name(lab, cluster)])
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def _merge(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return {key: [*first.get(key, []), *second[key]] for key in ("clusters", "contexts", "users")}


def _images(lab: str, clusters: Sequence[str], paths: LabPaths) -> None:
    sources = recipes.find_sources()
    if sources is None:
        return
    for image in recipes.names_for(clusters):
        command.logged(build_command(sources, image), cache("logs") / f"docker-{image}.log")
    for cluster in clusters:
        for image in recipes.names_for([cluster]):
            command.logged(load_command(lab, cluster, recipes.IMAGES[image]), paths.logs / f"{cluster}.log")


def _canaries(state: LabState, paths: LabPaths) -> LabState:
    fresh = []
    for cluster in state.clusters:
        with Client.of_kubeconfig(paths.kubeconfig, cluster.context) as api:
            enforced = canary.network_policy_enforced(api, recipes.RUNNER, canary.PYTHON)
        fresh.append(cluster.model_copy(update={"network_policy_enforced": enforced}))
    return state.model_copy(update={"clusters": fresh})


def down(paths: LabPaths) -> None:
    """Delete the clusters of the lab that exist."""
    there = command.output(["kind", "get", "clusters", "--quiet"]).split()
    state = paths.load_state()
    for cluster in state.clusters if state else []:
        name = kind_name(paths.name, cluster.name)
        if name in there:
            command.output(["kind", "delete", "cluster", "--name", name], timeout=300)
    shutil.rmtree(paths.root)


def load_image(paths: LabPaths, archive: Path, clusters: Sequence[str]) -> list[str]:
    """Bring an image archive into clusters; gives their names."""
    state = paths.load_state()
    names = [cluster.name for cluster in state.clusters] if state else []
    chosen = [name for name in names if not clusters or name in clusters]
    for name in chosen:
        argv = ["kind", "load", "image-archive", str(archive), "--name", kind_name(paths.name, name)]
        command.logged(argv, paths.logs / f"{name}.log")
    return chosen
