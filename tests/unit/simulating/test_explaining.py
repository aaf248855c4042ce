"""What a person is told of workloads that are not ready."""

from typing import Any

import pytest

from firedrill.runner.simulating.explaining import reasons, state_of

Object = dict[str, Any]

STARTING = {"waiting": {"reason": "PodInitializing"}}
KILLED = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}


def container(state: Object, *, name: str = "app", last: Object | None = None, restarts: int = 0) -> Object:
    return {"name": name, "state": state, "lastState": last or {}, "restartCount": restarts, "ready": False}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"containerStatuses": [container({"waiting": {"reason": "ErrImagePull", "message": "no such image"}})]},
         "ErrImagePull no such image"),
        ({"containerStatuses": [container({"terminated": {"reason": "Error", "exitCode": 64, "message": "name"}})]},
         "Error name"),
        ({"containerStatuses": [container({"terminated": {"reason": "Completed", "exitCode": 0}})]}, "Completed"),
        ({"containerStatuses": [container(BACK_OFF, last=KILLED, restarts=3)]},
         "CrashLoopBackOff back-off 10s, ended before by OOMKilled (exit code 137), restarted 3 times"),
        ({"containerStatuses": [container({"running": {}}, last=KILLED, restarts=1)]},
         "ended before by OOMKilled (exit code 137), restarted 1 times"),
        ({"initContainerStatuses": [container(BACK_OFF, name="copy")], "containerStatuses": [container(STARTING)]},
         "init container copy CrashLoopBackOff back-off 10s"),
        ({"initContainerStatuses": [container({"terminated": {"reason": "Completed", "exitCode": 0}}, name="copy")],
          "containerStatuses": [container(BACK_OFF)]},
         "CrashLoopBackOff back-off 10s"),
        ({"initContainerStatuses": [container({"terminated": {"reason": "Error", "exitCode": 1}}, name="copy")],
          "containerStatuses": [container(STARTING)]},
         "init container copy Error"),
        ({"initContainerStatuses": [container({"running": {}}, name="copy", last=KILLED, restarts=2)],
          "containerStatuses": [container(STARTING)]},
         "init container copy ended before by OOMKilled (exit code 137), restarted 2 times"),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]},
         "0/1 nodes are available"),
        ({"phase": "Pending"}, "Pending"),
        ({}, "unknown"),
    ],
)  # fmt: skip
def test_what_a_pod_says(status: Object, told: str) -> None:
    assert state_of({"metadata": {"name": "a"}, "status": status}) == told


def pod(app: str, *, ready: bool = False) -> Object:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"name": f"{app}-1", "labels": {"app": app}},
        "status": {"phase": "Running", "conditions": conditions},
    }


def deployment(name: str, failed: str = "") -> Object:
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": failed}
    return {"metadata": {"name": name}, "status": {"conditions": [condition] if failed else []}}


QUOTA = 'pods "ledger-1" is forbidden: exceeded quota'


@pytest.mark.parametrize(
    ("pods", "deployments", "told"),
    [
        ([], [deployment("ledger", QUOTA)], [f"ledger: FailedCreate {QUOTA}"]),
        ([pod("ledger", ready=True)], [deployment("ledger", QUOTA)], [f"ledger: FailedCreate {QUOTA}"]),
        ([pod("ledger")], [deployment("ledger", QUOTA)], [f"ledger: FailedCreate {QUOTA}", "ledger-1: Running"]),
        ([pod("ledger")], [deployment("ledger")], ["ledger-1: Running"]),
        ([pod("other")], [deployment("other", QUOTA)], []),
    ],
    ids=["no pod was made", "none of the new revision", "one of two", "all were made", "of others nothing is told"],
)
def test_what_is_said_of_a_workload(pods: list[Object], deployments: list[Object], told: list[str]) -> None:
    assert reasons(["ledger"], pods, deployments) == told
