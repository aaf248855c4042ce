"""A layer of Java archives, by a lock file that names them and their sha256."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from firedrill.lab import command
from firedrill.lab.imaging import layer
from firedrill.lab.imaging.layer import Layer
from firedrill.lab.paths import cache


def jars(lock: Path, fetch: Path, folder: str, log: Path) -> Layer:
    """The jars of a lock file in a folder of the image.

    Raises LabError that names the log when one cannot be fetched or is not the one that the lock file names.
    """

    def make(target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=cache("work")) as work:
            command.logged(
                [sys.executable, str(fetch), str(lock), work],
                log,
                hint="The jars come from Maven Central, a mirror of it in ~/.m2/settings.xml, or MAVEN_CENTRAL_URL.",
            )
            layer.write(target, layer.tree(Path(work), folder))

    return layer.cached(f"jars-{layer.key_of(lock, folder)}", make)
