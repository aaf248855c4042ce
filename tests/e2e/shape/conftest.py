"""Two real clusters: the hub, and one target with an application that was not prepared for anything."""

import json
from collections.abc import Iterator

import pytest
from demo import HUB, NAMESPACE, Demo
from e2e_lab import created, running

TARGET = "finance"
FAMILIES = ("workload", "config", "network")


@pytest.fixture(scope="session", autouse=True)
def lab() -> Iterator[Demo]:
    """The lab, with the operator installed, and every family that is used here allowed."""
    with running("e2e-shape", ["hub", TARGET]) as made:
        chart = [f"target.faultFamilies={{{','.join(FAMILIES)}}}"]
        made.install({TARGET: chart}, {TARGET: FAMILIES})
        created(made, HUB, NAMESPACE)
        everything = {"spec": {"policy": {"maxAffectedPercent": 100}}}
        made.kubectl(HUB, "patch", "targetcluster", TARGET, "--type=merge", "-p", json.dumps(everything))
        yield made
