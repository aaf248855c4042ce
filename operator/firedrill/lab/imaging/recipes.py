"""The lab's images: what is in each, and where the sources of the project's own ones are."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import firedrill
from firedrill.lab.errors import LabError
from firedrill.lab.imaging import layer, python_layer, rootfs
from firedrill.lab.imaging.layer import Entry, Layer
from firedrill.lab.imaging.oci import Image

REPOSITORY = "docker.io/firedrill"
RUNNER = f"{REPOSITORY}/runner:dev"
MODEL_SERVER = f"{REPOSITORY}/model-server:dev"
ADDONS = f"{REPOSITORY}/addons:dev"
PAUSE = f"{REPOSITORY}/pause:dev"
NON_ROOT = "65532:65532"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "HOME": "/tmp",  # noqa: S108 - of the container
}
MODEL_SERVER_CLUSTERS = ("healthcare",)


@dataclass(frozen=True)
class Sources:
    """A checkout of the project, which images are made from."""

    root: Path

    def file(self, *parts: str) -> Path:
        """A file of it; LabError when it is missing."""
        path = self.root.joinpath(*parts)
        if not path.exists():
            raise LabError(f"{path} is missing: the checkout is not whole")
        return path

    @property
    def packages(self) -> list[str]:
        """System packages of both images: they share one base layer here."""
        return rootfs.packages(
            self.file("images", "runner", "packages.txt"), self.file("images", "model-server", "packages.txt")
        )


def find_sources() -> Sources | None:
    """The checkout: FIREDRILL_SOURCE, the one this package is in, or the one the command runs in."""
    chosen = os.environ.get("FIREDRILL_SOURCE")
    package = Path(firedrill.__file__).resolve()
    here = Path.cwd()
    candidates = [Path(chosen)] if chosen else [*package.parents, here, *here.parents]
    for candidate in candidates:
        if (candidate / "images" / "runner" / "Dockerfile").exists():
            return Sources(candidate)
    if chosen:
        raise LabError(f"FIREDRILL_SOURCE={chosen} is not a checkout of the project")
    return None


def pause(binary: Path) -> Image:
    """What holds a pod's namespaces."""
    return Image(PAUSE, (_program("pause", binary),), ("/pause",), user=NON_ROOT)


def addons(binary: Path) -> Image:
    """DNS, metrics and volumes of a lab cluster."""
    return Image(ADDONS, (_program("addons", binary),), ("/addons",))


def _program(name: str, binary: Path) -> Layer:
    return layer.cached(
        f"{name}-{layer.key_of(binary)}", lambda target: layer.write(target, [Entry(name, binary, 0o755)])
    )


def runner(sources: Sources, log: Path) -> Image:
    """The operator and its runner."""
    base = rootfs.base(sources.packages, log)
    slim = sources.file("images", "slim.py")
    dependencies = python_layer.dependencies(base, sources.file("requirements.lock"), slim, log)
    package = sources.file("operator", "firedrill")
    command = sources.file("images", "runner", "firedrill")

    def application(target: Path) -> None:
        entries = layer.tree(package, "opt/firedrill/firedrill", lambda path: path.name == "__pycache__")
        layer.write(target, [*entries, Entry("usr/local/bin/firedrill", command, 0o755)])

    code = layer.cached(f"application-{layer.key_of(package, command)}", application)
    return Image(
        RUNNER,
        (base, dependencies, code),
        ("firedrill",),
        environment=ENVIRONMENT | {"PYTHONPATH": "/opt/firedrill:/opt/python"},
        user=NON_ROOT,
    )


def model_server(sources: Sources, log: Path) -> Image:
    """MLServer with its two models."""
    folder = ("images", "model-server")
    base = rootfs.base(sources.packages, log)
    slim = sources.file("images", "slim.py")
    dependencies = python_layer.dependencies(base, sources.file(*folder, "requirements.lock"), slim, log)
    models = python_layer.models(
        base, dependencies, sources.file(*folder, "train.py"), sources.file(*folder, "settings.json"), log
    )
    start = ("python3", "-c", "import sys; from mlserver.cli import main; sys.exit(main())")
    return Image(
        MODEL_SERVER,
        (base, dependencies, models),
        start,
        ("start", "/models"),
        environment=ENVIRONMENT | {"PYTHONPATH": "/opt/python"},
        user=NON_ROOT,
    )


def for_cluster(images: dict[str, Image], cluster: str) -> list[Image]:
    """Which of the images a cluster gets."""
    return [image for image in images.values() if image.reference != MODEL_SERVER or cluster in MODEL_SERVER_CLUSTERS]


def project_images(sources: Sources, log: Callable[[str], Path], names: set[str]) -> dict[str, Image]:
    """The project's images among these names (`runner`, `model-server`), made now unless cached."""
    made = {}
    if "runner" in names:
        made["runner"] = runner(sources, log("image-runner"))
    if "model-server" in names:
        made["model-server"] = model_server(sources, log("image-model-server"))
    return made
