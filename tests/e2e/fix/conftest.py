"""A target for real runs of AutoFix: the Jobs of runner and guardian, without a hub.

Needs KUBECONFIG, with a cluster that has nodes and Firedrill's runner image; FIREDRILL_E2E_CONTEXT names its
context.
"""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from fix_harness import Target, installed, open_target


@pytest.fixture(scope="session")
def accounts() -> Iterator[None]:
    """What the chart would have installed."""
    with installed():
        yield


@pytest_asyncio.fixture
async def target(accounts: None) -> AsyncIterator[Target]:
    """A namespace of its own for one test; gone afterwards."""
    opened = await open_target()
    try:
        yield opened
    finally:
        await opened.close()
