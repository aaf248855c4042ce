"""Two real clusters: the hub, and one target with an application that was not prepared for anything.

FIREDRILL_TEST_LAB names a lab that stays up, for work on the tests themselves.
"""

import json
import os
from collections.abc import Iterator

import demo
import pytest
from demo import Demo

TARGET = "finance"
FAMILIES = ("workload", "config", "network")


@pytest.fixture(scope="session", autouse=True)
def lab() -> Iterator[Demo]:
    """The lab, with the operator installed, and every family that is used here allowed."""
    kept = os.environ.get("FIREDRILL_TEST_LAB", "")
    made = Demo(kept or "e2e-shape")
    try:
        made.bring_up_lab(os.environ.get("FIREDRILL_PROVIDER", "auto"), ["hub", TARGET])
        os.environ["FIREDRILL_LAB_KUBECONFIG"] = os.environ["KUBECONFIG"]
        chart = [f"target.faultFamilies={{{','.join(FAMILIES)}}}"]
        made.install({TARGET: chart}, {TARGET: FAMILIES})
        namespace = made.kubectl(
            demo.HUB, "create", "namespace", demo.NAMESPACE, "--dry-run=client", "-o", "yaml", capture=True
        )
        made.kubectl(demo.HUB, "apply", "-f", "-", stdin=namespace)
        everything = {"spec": {"policy": {"maxAffectedPercent": 100}}}
        made.kubectl(demo.HUB, "patch", "targetcluster", TARGET, "--type=merge", "-p", json.dumps(everything))
        yield made
    finally:
        if not kept:
            made.firedrill("lab", "down", "--name", made.lab)
