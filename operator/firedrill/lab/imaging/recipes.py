"""The lab's images: what is in each, and where the sources of the project's own ones are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import firedrill
from firedrill.lab.errors import LabError
from firedrill.lab.imaging import go_layer, jar_layer, layer, python_layer, rootfs
from firedrill.lab.imaging.layer import Entry, Layer
from firedrill.lab.imaging.oci import Image
from firedrill.lab.model import CLUSTERS, HUB

REPOSITORY = "docker.io/firedrill"
RUNNER = f"{REPOSITORY}/runner:dev"
MODEL_SERVER = f"{REPOSITORY}/model-server:dev"
COMPONENTS = f"{REPOSITORY}/components:dev"
SIMULATOR = f"{REPOSITORY}/simulator:dev"
ADDONS = f"{REPOSITORY}/addons:dev"
PAUSE = f"{REPOSITORY}/pause:dev"
NON_ROOT = "65532:65532"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "HOME": "/tmp",  # noqa: S108 - of the container
}
POSTGRES_PROGRAMS = "/usr/lib/postgresql/15/bin"
KWOK_PACKAGE = "sigs.k8s.io/kwok/cmd/kwok"
PROMETHEUS_PACKAGE = "github.com/prometheus/prometheus/cmd/prometheus"
# Discovery in clouds and in other systems than Kubernetes makes four fifths of the program.
PROMETHEUS_TAGS = ("netgo", "remove_all_sd", "enable_kubernetes_sd")

IMAGES = {"runner": RUNNER, "model-server": MODEL_SERVER, "components": COMPONENTS, "simulator": SIMULATOR}
INDUSTRIES = tuple(name for name in CLUSTERS if name != HUB)
# The clusters that an image goes to; one that is not named goes to all.
ONLY_IN = {MODEL_SERVER: ("healthcare",), COMPONENTS: INDUSTRIES, SIMULATOR: INDUSTRIES}


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
    podfault = go_layer.Program("podfault", sources.file("images", "runner", "podfault"), folder="usr/local/bin")

    def application(target: Path) -> None:
        entries = layer.tree(package, "opt/firedrill/firedrill", lambda path: path.name == "__pycache__")
        layer.write(target, [*entries, Entry("usr/local/bin/firedrill", command, 0o755)])

    code = layer.cached(f"application-{layer.key_of(package, command)}", application)
    return Image(
        RUNNER,
        (base, dependencies, go_layer.of(podfault, log), code),
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


def components(sources: Sources, log: Path) -> Image:
    """Kafka, PostgreSQL, Redis, Mosquitto, Prometheus and kwok."""
    folder = ("images", "components")
    names = rootfs.packages(sources.file(*folder, "packages.txt"))
    base = rootfs.base(names, log, rootfs.left_out(sources.file(*folder, "leave-out.txt")))
    jars = jar_layer.jars(sources.file(*folder, "kafka.lock"), sources.file(*folder, "fetch.py"), "opt/kafka/libs", log)
    programs = (
        go_layer.Program(
            "prometheus", sources.file(*folder, "prometheus"), PROMETHEUS_PACKAGE, "usr/local/bin", PROMETHEUS_TAGS
        ),
        go_layer.Program("kwok", sources.file(*folder, "kwok"), KWOK_PACKAGE, "usr/local/bin"),
    )
    path = f"{ENVIRONMENT['PATH']}:{POSTGRES_PROGRAMS}"
    environment = {"PATH": path, "HOME": ENVIRONMENT["HOME"]}
    layers = (base, jars, *(go_layer.of(program, log) for program in programs))
    return Image(COMPONENTS, layers, environment=environment, user=NON_ROOT)


def simulator(sources: Sources, log: Path) -> Image:
    """The services of a simulated industry: one program."""
    # A layer of its own, so that a change of the program is a change of the image's last layer alone.
    base = layer.cached("scratch-1", lambda target: layer.write(target, [Entry("tmp", None, 0o1777)]))
    program = go_layer.of(go_layer.Program("simulator", sources.file("images", "simulator")), log)
    return Image(SIMULATOR, (base, program), ("/simulator",), user=NON_ROOT)


def goes_to(reference: str, cluster: str) -> bool:
    """Whether a cluster gets this image."""
    return reference not in ONLY_IN or cluster in ONLY_IN[reference]


def names_for(clusters: Iterable[str]) -> list[str]:
    """The names of the project's images that any of these clusters gets."""
    wanted = list(clusters)
    return [name for name, reference in IMAGES.items() if any(goes_to(reference, cluster) for cluster in wanted)]


def for_cluster(images: dict[str, Image], cluster: str) -> list[Image]:
    """Which of the images a cluster gets."""
    return [image for image in images.values() if goes_to(image.reference, cluster)]


RECIPES: dict[str, Callable[[Sources, Path], Image]] = {
    "runner": runner,
    "model-server": model_server,
    "components": components,
    "simulator": simulator,
}


def project_images(sources: Sources, log: Callable[[str], Path], names: Iterable[str]) -> dict[str, Image]:
    """The project's images of these names, made now unless cached."""
    return {name: RECIPES[name](sources, log(f"image-{name}")) for name in names}
