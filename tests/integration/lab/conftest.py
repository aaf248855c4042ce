"""Real labs in a home of their own; the machine's caches of built programs are shared."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from firedrill.lab import residue
from firedrill.lab.lab import down
from firedrill.lab.paths import home, lab_names
from firedrill.lab.residue import Snapshot


@pytest.fixture
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    caches = home() / "cache"
    caches.mkdir(parents=True, exist_ok=True)
    own = tmp_path / "home"
    own.mkdir()
    (own / "cache").symlink_to(caches)
    monkeypatch.setenv("FIREDRILL_HOME", str(own))
    yield own
    for name in lab_names():  # what a failing test left
        down(name)


@pytest.fixture
def before(lab_home: Path) -> Snapshot:
    assert os.geteuid() == 0, "labs of the native provider need root"
    return residue.snapshot()
