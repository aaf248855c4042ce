"""Experiments as the documentation of Chaos Toolkit has them, on real pods: and whoever dies, they are rolled back."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from demo import HUB, NAMESPACE, Demo
from engine_runs import TARGET, allow, begin, condition, ended, listed, measured, replicas, shop, status, until

from firedrill.api.record import Record
from support.pod_process import sigkill

pytestmark = pytest.mark.e2e
Object = dict[str, Any]


@pytest.fixture(scope="module")
def ready(lab: Demo) -> Demo:
    """The family is installed and allowed."""
    allow(lab)
    return lab


@pytest.fixture
def place(ready: Demo, request: pytest.FixtureRequest) -> Iterator[str]:
    """The application in a namespace of its own, which is the experiment's name too."""
    name = f"toolkit-{request.node.name.removeprefix('test_').replace('_', '-')[:36].strip('-')}"
    shop(ready, name)
    yield name
    ready.kubectl(HUB, "-n", NAMESPACE, "delete", "chaosexperiment", name, "--ignore-not-found", capture=True)
    ready.kubectl(TARGET, "delete", "namespace", name, "--wait=false", capture=True)


def answers(namespace: str) -> Object:
    """The hypothesis: the shop answers."""
    provider = {"type": "http", "url": f"http://shop.{namespace}:8080/", "timeout": 3}
    probe = {"type": "probe", "name": "shop answers", "tolerance": 200, "provider": provider}
    return {"title": "The shop is open", "probes": [probe]}


def action(module: str, func: str, **arguments: Any) -> Object:
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"type": "action", "name": func.replace("_", "-"), "provider": provider}


def scaled(namespace: str, count: int) -> Object:
    return action("chaosk8s.deployment.actions", "scale_deployment", name="shop", replicas=count, ns=namespace)


def without_pods(namespace: str, pause: float) -> Object:
    """Nobody serves for a while."""
    return {
        "version": "1.0.0",
        "title": "What if the shop has no pods?",
        "description": "Scaled to none, and back.",
        "tags": ["kubernetes"],
        "steady-state-hypothesis": answers(namespace),
        "method": [{**scaled(namespace, 0), "pauses": {"after": pause}}],
        "rollbacks": [scaled(namespace, 2)],
    }


def test_a_terminated_pod(ready: Demo, place: str) -> None:
    running = {
        "type": "probe",
        "name": "both pods run",
        "provider": {
            "type": "python",
            "module": "chaosk8s.pod.probes",
            "func": "count_pods",
            "arguments": {"label_selector": "app=shop", "phase": "Running", "ns": "${where}"},
        },
    }
    kill = action("chaosk8s.pod.actions", "terminate_pods", label_selector="app=shop", ns="${where}", rand=True)
    experiment = {
        "version": "1.0.0",
        "title": "Does the shop survive the loss of a pod?",
        "description": "One of two pods is terminated.",
        "configuration": {"where": {"type": "env", "key": "SHOP_NAMESPACE"}},
        "steady-state-hypothesis": answers(place),
        "method": [{**kill, "pauses": {"after": 10}}, running],
    }
    before = {pod["metadata"]["uid"] for pod in listed(ready, "pods", place, "app=shop")}
    begin(ready, place, place, {"experiment": experiment, "env": {"SHOP_NAMESPACE": place}})
    found = ended(ready, place)
    print(found["message"], json.dumps(found["clusters"][0]["measurements"], indent=1))
    assert found["verdict"] == "Passed", found["message"]
    assert condition(found, "Injected") == "True FaultObserved"
    assert condition(found, "RecoveryVerified") == "True SeenUndone"
    seen = measured(found)
    assert seen["hypothesisBefore: shop answers"]["passed"] is True
    assert seen["hypothesisAfter: shop answers"]["passed"] is True
    assert "action succeeded" in seen["method: terminate-pods"]["detail"]
    after = {pod["metadata"]["uid"] for pod in listed(ready, "pods", place, "app=shop")}
    assert len(before - after) == 1


def test_what_deviates_fails_and_is_rolled_back(ready: Demo, place: str) -> None:
    begin(ready, place, place, {"experiment": without_pods(place, 8)})
    found = ended(ready, place)
    print(found["message"])
    assert (found["verdict"], condition(found, "Passed")) == ("Failed", "False Deviated"), found["message"]
    assert replicas(ready, place) == 2
    assert measured(found)["hypothesisAfter: shop answers"]["passed"] is False
    assert "action succeeded" in measured(found)["rollback: scale-deployment"]["detail"]
    assert condition(found, "RecoveryVerified") == "True SeenUndone"


def test_an_experiment_of_a_config_map(ready: Demo, place: str) -> None:
    text = json.dumps({**without_pods(place, 3), "steady-state-hypothesis": {"title": "none", "probes": []}})
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": place, "namespace": "firedrill", "labels": {"firedrill.dev/hub-namespace": "nobody"}},
        "data": {"experiment.json": text},
    }
    ready.kubectl(TARGET, "apply", "-f", "-", stdin=json.dumps(body), capture=True)
    begin(ready, place, place, {"configMap": {"name": place}})
    found = ended(ready, place)
    assert condition(found, "Passed") == "Unknown NotPermitted", found["message"]
    assert "has no label firedrill.dev/hub-namespace=reliability" in found["message"]
    ready.kubectl(
        TARGET,
        "-n",
        "firedrill",
        "label",
        "configmap",
        place,
        "--overwrite",
        f"firedrill.dev/hub-namespace={NAMESPACE}",
    )
    ready.kubectl(HUB, "-n", NAMESPACE, "delete", "chaosexperiment", place, capture=True)
    begin(ready, place, place, {"configMap": {"name": place}})
    found = ended(ready, place)
    print(found["message"])
    assert found["verdict"] == "Passed", found["message"]
    assert replicas(ready, place) == 2
    ready.kubectl(TARGET, "-n", "firedrill", "delete", "configmap", place, capture=True)


def test_what_is_not_allowed_or_not_here(ready: Demo, place: str) -> None:
    from_vault = {"secrets": {"k": {"token": {"type": "vault", "path": "shop/token"}}}}
    program = {"type": "action", "name": "ls", "provider": {"type": "process", "path": "ls", "arguments": ["/"]}}
    elsewhere = without_pods("kube-system", 1)
    for number, (experiment, reason, says) in enumerate(
        (
            ({**without_pods(place, 1), "method": [program]}, "NotPermitted", "allowProcess"),
            ({**without_pods(place, 1), **from_vault}, "NotApplicable", "hvac"),
            ({**elsewhere, "steady-state-hypothesis": answers(place)}, "NotApplicable", "namespace kube-system"),
        )
    ):
        name = f"{place}-{number}"
        begin(ready, name, place, {"experiment": experiment})
        found = ended(ready, name)
        print(found["message"])
        assert condition(found, "Passed") == f"Unknown {reason}", found["message"]
        assert says in found["message"]
        ready.kubectl(HUB, "-n", NAMESPACE, "delete", "chaosexperiment", name, capture=True)


def in_the_method(lab: Demo, place: str) -> str:
    """Begin an experiment that takes long, and wait until it has scaled; the id of its run."""
    begin(lab, place, place, {"experiment": without_pods(place, 240)}, duration="4m", timeout="10m")
    until(lambda: replicas(lab, place) == 0, "the method has scaled")
    return str(status(lab, place)["lastRun"]["id"])


def runner(lab: Demo, run: str) -> Object:
    """Metadata of the runner's pod."""
    pods = listed(lab, "pods", "firedrill", f"firedrill.dev/role=runner,firedrill.dev/run={run}")
    return dict(pods[0]["metadata"])


def settled(lab: Demo, run: str) -> Record:
    """The record of the run, once nothing is left to undo."""

    def look() -> Record | None:
        (body,) = listed(lab, "configmaps", "firedrill", f"firedrill.dev/role=record,firedrill.dev/run={run}")
        record = Record.model_validate_json(body["data"]["record.json"])
        return record if record.state.settled else None

    found = until(look, "the record is settled")
    print(found.undone_by, found.message, found.changes[0].evidence)
    return found


def test_the_guardian_rolls_back_when_the_runner_is_killed(ready: Demo, place: str) -> None:
    run = in_the_method(ready, place)
    sigkill(runner(ready, run)["uid"])
    until(lambda: replicas(ready, place) == 2, "it is scaled back")
    record = settled(ready, run)
    assert record.undone_by == "guardian"
    assert "rollbacks succeeded: scale-deployment" in record.changes[0].evidence
    found = ended(ready, place)
    print(found["message"])
    assert found["verdict"] == "Error", found["message"]
    assert condition(found, "RecoveryVerified") == "True HypothesisMet", "its own, since no probe of ours was left"


def test_a_runner_that_is_asked_to_end_rolls_back_first(ready: Demo, place: str) -> None:
    run = in_the_method(ready, place)
    ready.kubectl(TARGET, "-n", "firedrill", "delete", "pod", runner(ready, run)["name"], "--wait=false", capture=True)
    until(lambda: replicas(ready, place) == 2, "it is scaled back")
    assert settled(ready, run).undone_by == "runner"
    assert condition(ended(ready, place), "Passed").startswith("Unknown")
