"""Layers made by Python: installed dependencies, trained models.

They are made by an interpreter of the image's own minor version: the one that runs the lab when it is
the same, else the one in the base layer, by chroot.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from firedrill.lab import command
from firedrill.lab.errors import LabError
from firedrill.lab.imaging import layer as layers
from firedrill.lab.imaging import rootfs
from firedrill.lab.imaging.layer import Layer
from firedrill.lab.paths import cache

TARGET = "opt/python"
#: antlr's runtime has no wheel of the version that jsonpath2 wants; it is plain Python.
WHEELS = ("--only-binary", ":all:", "--no-binary", "antlr4-python3-runtime")
AUTHORITIES = Path("etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Workshop:
    """A working folder and an interpreter of the image's version that sees it."""

    folder: Path
    root: Path | None  # of the chroot, or None when the host's interpreter serves
    log: Path

    def seen(self, path: Path) -> str:
        """A path below the working folder as the interpreter sees it."""
        return str(path) if self.root is None else f"/{path.relative_to(self.root)}"

    def bring(self, source: Path) -> str:
        """Copy a file in; gives its path as the interpreter sees it."""
        target = self.folder / source.name
        shutil.copyfile(source, target)
        return self.seen(target)

    def python(self, arguments: Sequence[str], env: Mapping[str, str] | None = None, hint: str = "") -> None:
        """Run the interpreter; LabError names the log when it fails."""
        environment = dict(env or {})
        if self.root is None:
            argv = [sys.executable, *arguments]
        else:
            argv = ["chroot", str(self.root), "/usr/bin/python3", *arguments]
            environment |= {"TMPDIR": "/tmp", "HOME": "/tmp"}  # noqa: S108 - inside the chroot
        command.logged(argv, self.log, cwd=self.folder, env=environment, hint=hint)

    def pip_install(self, lock: Path, target: Path) -> None:
        """Install what a lock file names into a folder."""
        env = {}
        if self.root is not None:
            env["PYTHONPATH"] = self.seen(_copy_pip(self.folder))
            if "PIP_CERT" in os.environ:
                env["PIP_CERT"] = f"/{AUTHORITIES}"
        install = ["-m", "pip", "install", "--quiet", "--no-compile", *WHEELS]
        self.python(
            [*install, "--target", self.seen(target), "-r", self.bring(lock)],
            env,
            hint=f"pip could not install {lock}: is a package index in reach?",
        )


def _copy_pip(folder: Path) -> Path:
    """pip is plain Python: the host's copy runs under any interpreter."""
    import pip

    target = folder / "pip-copy"
    shutil.copytree(Path(pip.__file__).parent, target / "pip")
    return target


@contextmanager
def workshop(base: Layer, log: Path) -> Iterator[Workshop]:
    """A workshop for images on this base layer; it is removed at the end."""
    wanted = rootfs.python_version(base)
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    with tempfile.TemporaryDirectory(dir=cache("work")) as temporary:
        if here == wanted:
            yield Workshop(Path(temporary), None, log)
            return
        root = Path(temporary) / "root"
        rootfs.unpack(base, root)
        # For pip, in this copy alone: the host's name servers and certificate authorities.
        for path in (Path("etc/resolv.conf"), Path("etc/hosts"), AUTHORITIES, Path("etc/pip.conf")):
            source = Path("/") / path
            if source.exists():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, root / path)
        work = root / "work"
        work.mkdir()
        yield Workshop(work, root, log)


def dependencies(base: Layer, lock: Path, slim: Path, log: Path) -> Layer:
    """The packages of a lock file in /opt/python."""

    def make(target: Path) -> None:
        with workshop(base, log) as shop:
            packages = shop.folder / "packages"
            shop.pip_install(lock, packages)
            shop.python([shop.bring(slim), shop.seen(packages)])
            layers.write(target, layers.tree(packages, TARGET))

    return layers.cached(f"python-{layers.key_of(rootfs.python_version(base), lock, slim)}", make)


def models(base: Layer, dependencies_layer: Layer, train: Path, settings: Path, log: Path) -> Layer:
    """The trained models in /models."""

    def make(target: Path) -> None:
        with workshop(base, log) as shop:
            rootfs.unpack(dependencies_layer, shop.folder)
            trained = shop.folder / "models"
            shop.python(
                [shop.bring(train), shop.seen(trained), shop.seen(shop.folder / "data")],
                {"PYTHONPATH": shop.seen(shop.folder / TARGET), "PYTHONDONTWRITEBYTECODE": "1"},
            )
            if not any(trained.rglob("*.joblib")):
                raise LabError(f"{train} wrote no model; see {log}")
            shutil.copyfile(settings, trained / "settings.json")
            layers.write(target, layers.tree(trained, "models"))

    return layers.cached(f"models-{layers.key_of(dependencies_layer.digest, train, settings)}", make)
