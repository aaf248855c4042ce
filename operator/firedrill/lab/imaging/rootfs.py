"""The base layer: a Debian or Ubuntu system of the host's own release with a few packages."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from firedrill.lab import command
from firedrill.lab.errors import LabError
from firedrill.lab.imaging.layer import Layer, cached, key_of

# What no container needs. /dev is made by the container runtime.
LEFT_OUT = re.compile(
    r"^\./?(dev/.+|usr/share/(doc|man|info|locale|lintian|bash-completion|bug)/.+"
    r"|var/(lib/apt/lists|cache|log)/.+|etc/apt/trusted\.gpg\.d/.+|tmp/.+|run/.+|boot/.+)"
)
RECIPE = "2"
# dpkg's links to manual pages fail where there is no folder for them, and with them the JRE's installation.
MANUAL_FOLDER = 'mkdir -p "$1/usr/share/man/man1"'


def codename() -> str:
    """The host's release, as its package archive names it.

    Raises LabError on a host that is neither Debian nor Ubuntu.
    """
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    found = re.search(r'^VERSION_CODENAME="?([a-z]+)"?$', text, re.MULTILINE)
    if found is None:
        raise LabError("/etc/os-release names no Debian or Ubuntu release; build the images with Docker instead")
    return found.group(1)


def packages(*files: Path) -> list[str]:
    """The package names in these files, one a line, # begins a comment."""
    names: set[str] = set()
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            name = line.split("#", 1)[0].strip()
            if name:
                names.add(name)
    return sorted(names)


def left_out(file: Path) -> list[str]:
    """The paths in this file that a root file system goes without, one a line, # begins a comment."""
    return packages(file)


def base(names: Sequence[str], log: Path, without: Sequence[str] = ()) -> Layer:
    """The layer with these packages, without these paths of theirs (`*` stands for part of a name).

    Raises LabError that names the log when the system cannot be put together.
    """
    release = codename()

    def make(target: Path) -> None:
        whole = target.with_suffix(".whole.tar")
        try:
            command.logged(
                [
                    "mmdebstrap",
                    "--variant=essential",
                    f"--include={','.join(names)}",
                    "--dpkgopt=path-exclude=/usr/share/doc/*",
                    "--dpkgopt=path-exclude=/usr/share/man/*",
                    f"--essential-hook={MANUAL_FOLDER}",
                    release,
                    str(whole),
                ],
                log,
                env={"SOURCE_DATE_EPOCH": "0", "TMPDIR": str(target.parent)},
                hint="mmdebstrap needs root and a Debian or Ubuntu package archive in reach.",
            )
            strip(whole, target, without)
        finally:
            whole.unlink(missing_ok=True)

    return cached(f"base-{release}-{key_of(RECIPE, release, *names, *without)}", make)


def strip(source: Path, target: Path, without: Sequence[str] = ()) -> None:
    """Copy a root file system's tar without what no container needs, nor these paths and what is below them."""
    unwanted = re.compile("|".join(_pattern(path) for path in without) or r"(?!)")
    with tarfile.open(source) as whole, tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as part:
        for member in whole:
            name = member.name.removeprefix("./")
            if LEFT_OUT.match(f"./{name}") or unwanted.fullmatch(name):
                continue
            if member.isdev():
                continue
            member.mtime = 0
            part.addfile(member, whole.extractfile(member) if member.isreg() else None)


def _pattern(path: str) -> str:
    parts = (re.escape(part) for part in path.split("*"))
    return f"{'[^/]*'.join(parts)}(/.*)?"


@lru_cache
def python_version(layer: Layer) -> str:
    """The version of Python in a base layer, as in 3.11.

    Raises LabError when it has none.
    """
    with tarfile.open(layer.file) as archive:
        for member in archive:
            found = re.fullmatch(r"\./usr/bin/python(3\.\d+)", member.name)
            if found:
                return found.group(1)
    raise LabError(f"the base layer {layer.file} has no Python: add python3 to its packages")


def unpack(layer: Layer, folder: Path) -> None:
    """Unpack a layer, to run its programs by chroot."""
    folder.mkdir(parents=True, exist_ok=True)
    command.output(["tar", "--extract", "--numeric-owner", "--file", str(layer.file), "--directory", str(folder)])
    (folder / "tmp").mkdir(mode=0o1777, exist_ok=True)
