"""A cluster for real runs of ChaosExperiment, without a hub.

Needs FIREDRILL_LAB_KUBECONFIG (or KUBECONFIG) with a cluster that has nodes and the runner image;
FIREDRILL_E2E_CONTEXT names its context.
"""

import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from chaos_harness import CONTEXT, Bench

from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def bench() -> AsyncIterator[Bench]:
    """Namespaces of their own; gone afterwards."""
    kubeconfig = os.environ.get("FIREDRILL_LAB_KUBECONFIG") or os.environ.get("KUBECONFIG")
    if not kubeconfig:
        pytest.skip("FIREDRILL_LAB_KUBECONFIG names no cluster")
    os.environ["KUBECONFIG"] = kubeconfig
    suffix = secrets.token_hex(2)
    client = KubeClient(await api_from_environment(CONTEXT), "finance")
    bench = Bench(client, f"firedrill-cx-{suffix}", f"payments-{suffix}")
    try:
        await bench.set_up()
        yield bench
    finally:
        await bench.tear_down()
