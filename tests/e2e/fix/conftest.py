"""A target for real runs of AutoFix: the Jobs of runner and guardian, without a hub.

Needs KUBECONFIG, with a cluster that has nodes and Firedrill's runner image; FIREDRILL_E2E_CONTEXT names its
context.
"""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from fix_harness import Target, open_target


@pytest_asyncio.fixture
async def target() -> AsyncIterator[Target]:
    """A namespace with a gateway of its own, and the accounts of runner and guardian; gone afterwards."""
    opened = await open_target()
    try:
        yield opened
    finally:
        await opened.close()
