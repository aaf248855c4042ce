"""Puts images into the container store of a native cluster."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from firedrill.lab import command
from firedrill.lab.client import wait_until
from firedrill.lab.errors import LabError
from firedrill.lab.imaging.oci import Image, write_archive
from firedrill.lab.native import anchor

CTR = ("ctr", "--namespace", "k8s.io")


def wait_ready(init_pid: int, log: Path, patience: float = 30) -> None:
    """Wait until containerd answers; LabError names its log."""

    def answers() -> bool:
        try:
            command.output(anchor.inside(init_pid, ["ctr", "version"]))
        except LabError:
            return False
        return True

    wait_until(answers, patience, f"containerd does not answer, see {log}")


def references(init_pid: int) -> dict[str, str]:
    """The images of a cluster: their references and digests."""
    found = {}
    listing = command.output(anchor.inside(init_pid, [*CTR, "images", "list"]))
    for line in listing.splitlines()[1:]:
        words = line.split()
        found[words[0]] = words[2]
    return found


def blobs(init_pid: int) -> set[str]:
    """The digests of everything in a cluster's content store."""
    return set(command.output(anchor.inside(init_pid, [*CTR, "content", "list", "--quiet"])).split())


def load(init_pid: int, image: Image) -> bool:
    """Bring an image in; says whether that was needed.

    Raises LabError when containerd refuses it.
    """
    if references(init_pid).get(image.reference) == image.digest:
        return False
    present = blobs(init_pid)

    def write(stream: IO[bytes]) -> None:
        write_archive(image, stream, present)

    _import(init_pid, write, image.reference)
    return True


def load_file(init_pid: int, archive: Path) -> None:
    """Bring in the images of an archive, as `docker save` or `firedrill lab build` writes it.

    Raises LabError when containerd refuses it.
    """

    def write(stream: IO[bytes]) -> None:
        with archive.open("rb") as file:
            shutil.copyfileobj(file, stream, 1 << 20)

    _import(init_pid, write, str(archive))


def _import(init_pid: int, write: Callable[[IO[bytes]], None], name: str) -> None:
    argv = anchor.inside(init_pid, [*CTR, "images", "import", "-"])
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=said, stderr=said)
        assert process.stdin is not None
        try:
            with process.stdin as stream:
                write(stream)
        except BrokenPipeError:
            process.wait()  # ctr ended early; what it said tells why
        if process.wait() != 0:
            said.seek(0)
            text = said.read().decode(errors="replace").strip()
            raise LabError(f"containerd did not take the image {name}: {text}")
