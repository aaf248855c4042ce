"""One hub and one cluster of targets for all integration tests, from the lab or from a kubeconfig that is given."""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.operator_process import OperatorProcess
from support.world import World


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """With FIREDRILL_TEST_KUBECONFIG the clusters of its contexts firedrill-hub and firedrill-finance, else a lab."""
    given = os.environ.get("FIREDRILL_TEST_KUBECONFIG")
    if given:
        yield Path(given)
        return
    from firedrill import lab
    from firedrill.lab.model import LabSpec

    spec = LabSpec(name=f"test-{uuid.uuid4().hex[:6]}", clusters=("hub", "finance"), nodes=False, images=False)
    try:
        yield Path(lab.up(spec).kubeconfig)
    finally:
        lab.down(spec.name)


@pytest.fixture(scope="session")
def world(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Hub, targets, proxies and stand-ins."""
    made = World(kubeconfig, tmp_path_factory.mktemp("world"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def operator(world: World) -> Iterator[OperatorProcess]:
    """An operator that leads, for the tests of one module."""
    with world.running() as running:
        world.until_reachable()
        yield running
