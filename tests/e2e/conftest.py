"""Four real clusters with nodes, the operator installed by its chart, and the workloads of the samples.

The lab is brought up once a session and taken down at its end. FIREDRILL_TEST_LAB names a lab that stays up, for
work on the tests themselves.
"""

import os
from collections.abc import Iterator

import pytest
from demo import Demo


@pytest.fixture(scope="session", autouse=True)
def lab() -> Iterator[Demo]:
    """The lab, with everything installed."""
    kept = os.environ.get("FIREDRILL_TEST_LAB", "")
    demo = Demo(kept or "e2e")
    try:
        demo.bring_up_lab(os.environ.get("FIREDRILL_PROVIDER", "auto"))
        os.environ["FIREDRILL_LAB_KUBECONFIG"] = os.environ["KUBECONFIG"]
        demo.install()
        demo.start_workloads()
        yield demo
    finally:
        if not kept:
            demo.firedrill("lab", "down", "--name", demo.lab)
