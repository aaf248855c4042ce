"""Image layers: tar files that come out the same whenever their content is the same."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from firedrill.lab.paths import cache

KEPT = 6  # layers of a kind: two images, and what they were made of before


@dataclass(frozen=True)
class Layer:
    """A tar file and its digest; both are what an image refers to it by, as layers are not compressed."""

    file: Path
    digest: str
    size: int


@dataclass(frozen=True)
class Entry:
    """A file or a folder (content None) to go into a layer."""

    path: str
    content: bytes | Path | None
    mode: int


def cached(key: str, make: Callable[[Path], None]) -> Layer:
    """The layer with this key; `make` writes its tar file when the cache lacks it."""
    folder = cache("layers")
    file, note = folder / f"{key}.tar", folder / f"{key}.json"
    if not (file.exists() and note.exists()):
        fresh = folder / f"{key}.{os.getpid()}.tmp"
        try:
            make(fresh)
            digest = digest_of(fresh)
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)
        note.write_text(json.dumps({"digest": digest, "size": file.stat().st_size}), encoding="utf-8")
        _forget_old(folder, key.split("-", 1)[0])
    found = json.loads(note.read_text(encoding="utf-8"))
    return Layer(file, found["digest"], found["size"])


def _forget_old(folder: Path, kind: str) -> None:
    notes = sorted(folder.glob(f"{kind}-*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for note in notes[KEPT:]:
        note.unlink(missing_ok=True)
        note.with_suffix(".tar").unlink(missing_ok=True)


def digest_of(path: Path) -> str:
    """The sha256 of a file, as images write it."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def key_of(*parts: str | bytes | Path) -> str:
    """A short key of texts and of the content of files and folders."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            for file in sorted(part.rglob("*")) if part.is_dir() else [part]:
                if file.is_file() and "__pycache__" not in file.parts:
                    digest.update(f"\0{file.relative_to(part)}\0".encode())
                    digest.update(file.read_bytes())
        else:
            digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\1")
    return digest.hexdigest()[:16]


def _member(path: str, mode: int, *, folder: bool, size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path.lstrip("/"))
    member.type = tarfile.DIRTYPE if folder else tarfile.REGTYPE
    member.mode, member.size, member.mtime = mode, size, 0
    return member


def _parents(path: str, known: set[str]) -> list[str]:
    missing = [str(parent) for parent in PurePosixPath(path).parents if str(parent) not in ("/", ".")]
    return [parent for parent in reversed(missing) if parent not in known]


def write(target: Path, entries: Iterable[Entry]) -> None:
    """Write a layer of these entries, owned by root, with the folders that lead to them."""
    known: set[str] = set()
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for entry in sorted(entries, key=lambda entry: entry.path):
            for parent in _parents(entry.path, known):
                archive.addfile(_member(parent, 0o755, folder=True))
                known.add(parent)
            if entry.content is None:
                archive.addfile(_member(entry.path, entry.mode, folder=True))
                known.add(entry.path)
            elif isinstance(entry.content, Path):
                with entry.content.open("rb") as file:
                    size = entry.content.stat().st_size
                    archive.addfile(_member(entry.path, entry.mode, folder=False, size=size), file)
            else:
                member = _member(entry.path, entry.mode, folder=False, size=len(entry.content))
                archive.addfile(member, io.BytesIO(entry.content))


def tree(source: Path, target: str, leave_out: Callable[[Path], bool] = lambda _: False) -> list[Entry]:
    """The files below a folder as entries below `target`, readable by everyone."""
    entries = []
    for folder, names, files in os.walk(source):
        here = Path(folder)
        names[:] = sorted(name for name in names if not leave_out(here / name))
        for name in sorted(files):
            file = here / name
            if not leave_out(file):
                mode = 0o755 if os.access(file, os.X_OK) and file.stat().st_mode & 0o100 else 0o644
                entries.append(Entry(f"{target}/{file.relative_to(source)}", file, mode))
    return entries
