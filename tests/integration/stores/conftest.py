"""Real data stores on loopback, one of each for all tests that ask for it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "unit" / "runner"))

from support import stores
from support.stores import Store

Temporary = pytest.TempPathFactory


@pytest.fixture(scope="session")
def postgres() -> Iterator[Store]:
    with stores.postgres() as store:
        yield store


@pytest.fixture(scope="session")
def redis(tmp_path_factory: Temporary) -> Iterator[Store]:
    with stores.redis(tmp_path_factory.mktemp("redis")) as store:
        yield store


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: Temporary) -> Iterator[Store]:
    with stores.kafka(tmp_path_factory.mktemp("kafka")) as store:
        yield store
