"""When a workload counts as ready."""

from typing import Any

import pytest

from firedrill.runner.simulating.readiness import is_ready, readiness

Object = dict[str, Any]


def workload(name: str = "gateway", *, generation: int = 2, replicas: int = 2, **status: int) -> Object:
    known = {"observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, **status}
    return {"metadata": {"name": name, "generation": generation}, "spec": {"replicas": replicas}, "status": known}


@pytest.mark.parametrize(
    ("made", "ready"),
    [
        (workload(), True),
        (workload(readyReplicas=1), False),
        (workload(generation=3), False),
        (workload(updatedReplicas=1), False),
        ({**workload(), "status": {}}, False),
        ({**workload(), "spec": {"replicas": 0}, "status": {"observedGeneration": 2}}, True),
    ],
    ids=["all ready", "one not", "not looked at", "rolling", "new", "none wanted"],
)
def test_ready(made: Object, ready: bool) -> None:
    assert is_ready(made) is ready


def test_an_old_pod_that_is_left_counts_as_rolling() -> None:
    made = workload()
    made["status"]["replicas"] = 3
    assert not is_ready(made)


def test_a_workload_that_is_not_there_is_waited_for() -> None:
    found = readiness(["gateway", "ledger"], [workload("gateway")])
    assert (found.ready, found.wanted, found.waiting) == (1, 2, ["ledger"])
