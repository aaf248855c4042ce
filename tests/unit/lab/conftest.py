"""A home of its own for every test, so that none sees the labs of the machine."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("FIREDRILL_HOME", str(home))
    return home
