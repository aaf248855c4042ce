"""OCI images put together from layers, and the archive that containerd and Docker import."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from firedrill.lab.imaging.layer import Layer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """An image: its full reference, its layers and how its process is started."""

    reference: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of its layers."""
        return sum(layer.size for layer in self.layers)

    def config(self) -> bytes:
        """The image's configuration."""
        process: dict[str, Any] = {
            "Env": [f"{name}={value}" for name, value in sorted(self.environment.items())],
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "User": self.user,
            "WorkingDir": "/",
            "Labels": self.labels,
        }
        return _json(
            {
                "created": "1970-01-01T00:00:00Z",
                "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
                "os": "linux",
                "config": {name: value for name, value in process.items() if value},
                "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in self.layers]},
                "history": [{"created_by": "firedrill lab"} for _ in self.layers],
            }
        )

    def manifest(self) -> bytes:
        """The image's manifest; its digest is the image's."""
        config = self.config()
        layers = [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size} for layer in self.layers]
        return _json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": digest(config), "size": len(config)},
                "layers": layers,
            }
        )

    @property
    def digest(self) -> str:
        """What a container store knows the image by."""
        return digest(self.manifest())


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def digest(content: bytes) -> str:
    """The sha256 of bytes, as images write it."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def blob_path(name: str) -> str:
    """Where a blob lies in an archive."""
    return "blobs/" + name.replace(":", "/")


def write_archive(image: Image, stream: IO[bytes], present: Collection[str] = ()) -> None:
    """Write the image as a tar that is an OCI layout and a Docker archive at once.

    Layers whose digests are in `present` are left out: the receiving store has them.
    """
    manifest, config = image.manifest(), image.config()
    entry = {
        "mediaType": MANIFEST,
        "digest": digest(manifest),
        "size": len(manifest),
        "annotations": {
            "io.containerd.image.name": image.reference,
            "org.opencontainers.image.ref.name": image.reference.rsplit(":", 1)[1],
        },
    }
    docker = [
        {
            "Config": blob_path(digest(config)),
            "RepoTags": [image.reference.removeprefix("docker.io/")],
            "Layers": [blob_path(layer.digest) for layer in image.layers],
        }
    ]
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT, bufsize=1 << 20) as archive:
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(archive, "index.json", _json({"schemaVersion": 2, "manifests": [entry]}))
        _add(archive, "manifest.json", _json(docker))
        _add(archive, blob_path(digest(manifest)), manifest)
        _add(archive, blob_path(digest(config)), config)
        for layer in {layer.digest: layer for layer in image.layers}.values():
            if layer.digest not in present:
                with layer.file.open("rb") as file:
                    archive.addfile(_member(blob_path(layer.digest), layer.size), file)


def _member(path: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size, member.mode = size, 0o644
    return member


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    archive.addfile(_member(path, len(content)), io.BytesIO(content))


def save(image: Image, target: Path) -> None:
    """Write the image's archive into a file, for `docker load` or `firedrill lab load-image`."""
    with target.open("wb") as stream:
        write_archive(image, stream)
