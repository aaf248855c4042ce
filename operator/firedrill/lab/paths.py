"""Where a lab and its caches live on disk."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firedrill.lab.errors import LabError
from firedrill.lab.model import NAME_PATTERN, LabState


def home() -> Path:
    """The folder that everything of the lab is kept in (FIREDRILL_HOME)."""
    chosen = os.environ.get("FIREDRILL_HOME")
    return Path(chosen).expanduser().absolute() if chosen else Path.home() / ".cache" / "firedrill"


def cache(*parts: str) -> Path:
    """A folder of things that can be made again: binaries, image layers."""
    path = home().joinpath("cache", *parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


class LabPaths:
    """The files of the lab of this name."""

    def __init__(self, name: str) -> None:
        if not re.match(NAME_PATTERN, name):
            raise LabError(f"{name!r} is not a lab name: use lower-case letters, digits and -, a letter first")
        self.name = name
        self.root = home() / "labs" / name
        self.state = self.root / "state.json"
        self.plan = self.root / "plan.json"
        self.kubeconfig = self.root / "kubeconfig"
        self.logs = self.root / "logs"
        self.bin = self.root / "bin"

    @property
    def id(self) -> str:
        """Six characters that no other lab on this machine has, whatever home it was made in."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:6]

    def cluster(self, name: str) -> Path:
        """The folder of one cluster."""
        return self.root / "clusters" / name

    def init_config(self, cluster: str) -> Path:
        """What process 1 of a cluster reads; also how its processes are recognised."""
        return self.cluster(cluster) / "init.json"

    def load_state(self) -> LabState | None:
        """The recorded state, or None when the lab was never brought up.

        Raises LabError when the record cannot be read.
        """
        try:
            return LabState.model_validate_json(self.state.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise LabError(
                f"{self.state} cannot be read ({error}); `firedrill lab down --name {self.name}` clears it"
            ) from error

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other commands off this lab.

        Raises LabError when one is at work already.
        """
        folder = home() / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{self.name}.lock").open("w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LabError(
                    f"another command is working on the lab {self.name!r}; wait for it or stop it"
                ) from error
            yield


def lab_names() -> list[str]:
    """The labs that have a folder, running or not."""
    folder = home() / "labs"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def remove_tree(folder: Path, patience: float = 10) -> None:
    """Remove a folder and all in it, if it is there.

    A process that is just being ended may still write a last file, so it is tried for a while.
    Raises OSError when the folder stays.
    """
    deadline = time.monotonic() + patience
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
