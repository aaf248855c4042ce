"""A layer of one static Go program."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from firedrill.lab import command
from firedrill.lab.imaging import layer
from firedrill.lab.imaging.layer import Entry, Layer
from firedrill.lab.native import binaries
from firedrill.lab.paths import cache


@dataclass(frozen=True)
class Program:
    """A program, its module's folder, the package that it is built from, and where it lies in the image."""

    name: str
    module: Path
    package: str = "."
    folder: str = ""
    tags: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Its file in the image."""
        return f"{self.folder}/{self.name}".lstrip("/")

    def arguments(self, target: Path) -> list[str]:
        """What Go is told to build it into a file."""
        flags = ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", "-s -w"]
        return ["build", *flags, "-tags", ",".join(self.tags), "-o", str(target), self.package]


def of(program: Program, log: Path) -> Layer:
    """The layer with a program.

    Raises LabError that names the log when it does not build.
    """
    go = str(binaries.find_go(log))
    version = command.output([go, "-C", str(program.module), "env", "GOVERSION"]).strip()

    def make(target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=cache("work")) as work:
            binary = Path(work) / program.name
            command.logged(
                [go, *program.arguments(binary)],
                log,
                cwd=program.module,
                env={"CGO_ENABLED": "0"},
                hint="The build needs a Go module proxy in reach.",
            )
            layer.write(target, [Entry(program.path, binary, 0o755)])

    key = layer.key_of(version, program.path, *program.arguments(Path(program.name)), program.module)
    return layer.cached(f"{program.name}-{key}", make)
