"""Four real clusters with nodes, the operator installed by its chart, and the workloads of the samples."""

from collections.abc import Iterator

import pytest
from demo import Demo
from e2e_lab import running


@pytest.fixture(scope="session", autouse=True)
def lab() -> Iterator[Demo]:
    """The lab, with everything installed."""
    with running("e2e") as demo:
        demo.install()
        demo.start_workloads()
        yield demo
