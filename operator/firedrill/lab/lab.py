"""The lab's front door: up, down and status, whatever the provider."""

from __future__ import annotations

from pathlib import Path

from firedrill.lab import existing, kind
from firedrill.lab.errors import LabError
from firedrill.lab.model import LabSpec, LabState, Provider
from firedrill.lab.native import provider as native
from firedrill.lab.paths import LabPaths
from firedrill.lab.progress import Progress


def choose_provider(spec: LabSpec) -> Provider:
    """`auto` is the given contexts if there are some, kind where a Docker engine answers, else native."""
    if spec.provider is not Provider.AUTO:
        return spec.provider
    if spec.contexts:
        return Provider.EXISTING
    return Provider.KIND if spec.nodes and kind.docker_answers() else Provider.NATIVE


def up(spec: LabSpec, progress: Progress | None = None) -> LabState:
    """Bring a lab up, or complete it; harmless when it is up already.

    Raises LabError with what to do when it does not come up.
    """
    paths = LabPaths(spec.name)
    progress = progress or Progress()
    with paths.lock():
        provider = choose_provider(spec)
        recorded = _provider_of(paths)
        if recorded is not None and spec.provider is Provider.AUTO and not spec.contexts:
            provider = recorded
        if recorded is not None and recorded is not provider:
            raise LabError(
                f"the lab {spec.name!r} was made by the provider {recorded}: take it down first, or use --name"
            )
        if provider is Provider.EXISTING:
            return existing.up(spec, paths, progress)
        if provider is Provider.KIND:
            return kind.up(spec, paths, progress)
        return native.up(spec, paths, progress)


def status(name: str) -> LabState | None:
    """The lab as it is now, looked at and not remembered; None when there is none of that name."""
    paths = LabPaths(name)
    provider = _provider_of(paths)
    if provider is Provider.NATIVE:
        return native.status(paths)
    state = paths.load_state()
    return existing.refresh(state, Path(state.kubeconfig)) if state else None


def down(name: str) -> None:
    """Remove a lab; harmless when there is none."""
    paths = LabPaths(name)
    with paths.lock():
        try:
            provider = _provider_of(paths)
        except LabError:
            provider = None  # an unreadable record: the native way needs none
        if provider is Provider.KIND:
            kind.down(paths)
        elif provider is Provider.EXISTING:
            existing.down(paths)
        else:
            native.down(paths)


def load_image(name: str, archive: Path, clusters: tuple[str, ...] = ()) -> list[str]:
    """Bring an image archive into the clusters of a lab (all, unless some are named)."""
    paths = LabPaths(name)
    if not archive.is_file():
        raise LabError(f"{archive} is not a file")
    provider = _provider_of(paths)
    if provider is Provider.KIND:
        return kind.load_image(paths, archive, clusters)
    if provider is Provider.EXISTING:
        raise LabError("push the image to a registry that your clusters pull from: they are not the lab's own")
    return native.load_image(paths, archive, clusters)


def _provider_of(paths: LabPaths) -> Provider | None:
    if paths.plan.exists():
        return Provider.NATIVE
    state = paths.load_state()
    return state.provider if state else None
