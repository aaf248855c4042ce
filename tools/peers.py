"""Environments of their own for tools that are measured beside ours, in the versions that were measured."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGES: dict[str, Sequence[str]] = {
    "evidently": ("evidently==0.7.23", "pandas<3"),
    # Without the versions of what it reads files with, pip looks for some that agree for half an hour.
    "nannyml": (
        "nannyml==0.13.1",
        "statsmodels",
        "aiobotocore==3.10.0",
        "botocore==1.43.117",
        "fsspec==2026.9.0",
        "gcsfs==2026.10.1",
        "s3fs==2026.9.0",
    ),
    "river": ("river==0.26.1", "numpy", "scipy", "pyarrow", "pydantic"),
}


def interpreter(name: str, where: Path) -> Path | None:
    """The interpreter of a peer's environment below ``where``, made when there is none; None when it can not be had."""
    python, ready = where / name / "bin" / "python", where / name / "ready"
    if ready.exists():
        return python
    pip: list[str | Path] = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES[name]]
    environment: list[str | Path] = [sys.executable, "-m", "venv", "--clear", where / name]
    for command in (environment, pip):
        if subprocess.run(command, check=False).returncode:
            return None
    ready.touch()
    return python
