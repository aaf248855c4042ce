"""A container store with the lab's images in it, made once and given to every cluster.

Importing and unpacking the images takes containerd tens of seconds for each cluster. So it is done once,
by a containerd that runs for this alone; each cluster then starts on a copy of that store in which every
file is a hard link. That is safe because containerd never writes to a layer or a blob once it is there.
Its databases, which it does write to, are copied.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from firedrill.lab import command
from firedrill.lab.imaging.layer import key_of
from firedrill.lab.imaging.oci import Image
from firedrill.lab.native import anchor, host, node_config, store
from firedrill.lab.native.binaries import Binaries
from firedrill.lab.paths import LabPaths, cache, remove_tree

BUILDER = "image-store"  # a folder beside those of the clusters, so that `down` ends what runs in it
FORMAT = "1"
KEPT = 2  # stores; another lab may be starting on the one before


def key(images: Iterable[Image], snapshotter: str) -> str:
    """Changes with every layer but an image's last one if it has several.

    That one changes with each edit of the project's code; it is small, and `up` brings it into the
    clusters directly.
    """
    digests = [
        layer.digest for image in images for layer in (image.layers[:-1] if len(image.layers) > 1 else image.layers)
    ]
    return key_of(FORMAT, snapshotter, *sorted(digests))


def ensure(paths: LabPaths, images: dict[str, Image], binaries: Binaries) -> Path:
    """The folder of the store, made now unless the cache has it.

    Raises LabError that names the log when containerd does not start or refuses an image.
    """
    snapshotter = host.snapshotter(cache("stores"))
    folder = cache("stores") / key(images.values(), snapshotter)
    with _lock():
        if not folder.exists():
            _make(folder, paths, images, binaries, snapshotter)
            _forget_old()
    return folder


@contextmanager
def _lock() -> Iterator[None]:
    """One lab at a time makes a store; another that wants the same one waits for it."""
    with (cache() / "stores.lock").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forget_old() -> None:
    # Clusters that started on an older store have their own links to its files.
    stores = sorted(cache("stores").iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in stores[KEPT:]:
        shutil.rmtree(path)


def _make(folder: Path, paths: LabPaths, images: dict[str, Image], binaries: Binaries, snapshotter: str) -> None:
    config = paths.init_config(BUILDER)
    work, log = config.parent, paths.logs / BUILDER / "containerd.log"
    discard(paths)
    work.mkdir(parents=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    settings = node_config.containerd(work, Path("/nowhere"), snapshotter)
    (work / "containerd.toml").write_text(settings, encoding="utf-8")
    argv = [command.find("containerd") or "containerd", "--config", str(work / "containerd.toml")]
    process = {"name": "containerd", "argv": argv, "log": str(log), "after": "", "env": []}
    node_config.make_folders(work)
    mounts = node_config.private_folders(work)
    content = {"keep": [str(cache()), str(paths.root)], "mounts": mounts, "processes": [process]}
    config.write_text(json.dumps(content), encoding="utf-8")
    try:
        pid = anchor.start(binaries.path("init"), config, log.with_name("init.log"))
        store.wait_ready(pid, log)
        for image in images.values():
            store.load(pid, image)
        anchor.stop(config)
        (work / "containerd").rename(folder)
        folder.touch()
    finally:
        discard(paths)


def discard(paths: LabPaths) -> None:
    """End and remove what makes a store, if a killed `up` left it."""
    config = paths.init_config(BUILDER)
    anchor.stop(config)
    remove_tree(config.parent)


def copy(prepared: Path, target: Path) -> None:
    """Give a cluster its store."""
    # If this process is killed, the copying must end too, or it would fill a folder that `down` removes.
    tied = ["setpriv", "--pdeathsig", "KILL", "--"]
    command.output([*tied, "cp", "--archive", "--link", str(prepared), str(target)], timeout=300)
    for database in target.rglob("*.db"):
        original = prepared / database.relative_to(target)
        database.unlink()
        shutil.copy2(original, database)
