"""Pods on faked nodes: faults on them hit real traffic, and nothing of them is left."""

import json
from collections.abc import Iterator

import pytest
from demo import Demo
from sim_support import Built, traces

from support.eventually import eventually

pytestmark = pytest.mark.e2e

SERVICES, REPLICAS, NODES = 60, 2, 3
ENTRY = "service-000"
ERRORS = 'sum(rate(load_requests_total{code!~"[234].."}[20s])) or vector(0)'
ANSWERS = 'sum(rate(load_requests_total{code=~"2.."}[20s]))'


@pytest.fixture(scope="module")
def before(lab: Demo) -> dict[str, object]:
    """What the target held before."""
    return traces(lab, "finance")


@pytest.fixture(scope="module")
def crowd(lab: Demo, before: dict[str, object]) -> Iterator[Built]:
    """A graph whose services are all faked."""
    built = Built(
        lab,
        "crowd",
        "finance",
        source={"generate": {"model": "BarabasiAlbert", "services": SERVICES, "replicas": REPLICAS}},
        load={"rate": 20},
        faked={"nodes": NODES, "services": "All"},
    )
    try:
        status = built.apply()
        assert status["verdict"] == "Passed", status["message"]
        yield built
    finally:
        built.delete()


def scale(crowd: Built, name: str, replicas: int) -> None:
    """Change the replicas of a Deployment past the simulation."""
    crowd.lab.kubectl(crowd.context, "-n", crowd.name, "scale", f"deployment/{name}", f"--replicas={replicas}")


def test_all_pods_are_ready_on_faked_nodes_and_their_service_is_called(crowd: Built) -> None:
    pods = crowd.objects("pods", "-l", "kwok.x-k8s.io/node=fake")
    assert len(pods) == SERVICES * REPLICAS
    nodes = {node["metadata"]["name"] for node in crowd.objects("nodes", "-l", "firedrill.dev/faked-for=crowd")}
    assert len(nodes) == NODES
    assert {pod["spec"]["nodeName"] for pod in pods} <= nodes
    calls = f'count(count by (service) (http_requests_total{{service=~"service-.*"}})) > {SERVICES // 2}'
    crowd.until(calls, lambda n: n > SERVICES // 2, "services are called, under their own names")


def test_calls_fail_while_the_pods_of_a_service_are_gone(crowd: Built) -> None:
    """Nobody makes pods Ready for a moment, so that those that take the place of deleted ones have to wait."""
    crowd.until(ERRORS, lambda n: n == 0, "no request fails before")
    scale(crowd, "kwok", 0)
    eventually(lambda: not crowd.objects("pods", "-l", "app=kwok"), "kwok is gone")
    crowd.lab.kubectl(crowd.context, "-n", crowd.name, "delete", "pods", "-l", f"app={ENTRY}")
    try:
        crowd.until(ERRORS, lambda n: n > 1, "requests fail")
    finally:
        scale(crowd, "kwok", 1)
    crowd.until(ERRORS, lambda n: n == 0, "no request fails any more")
    assert (crowd.value(ANSWERS) or 0) > 1


def test_calls_fail_while_a_service_is_scaled_to_nothing(crowd: Built) -> None:
    scale(crowd, ENTRY, 0)
    try:
        crowd.until(ERRORS, lambda n: n > 1, "requests fail")
    finally:
        scale(crowd, ENTRY, REPLICAS)
    crowd.until(ERRORS, lambda n: n == 0, "no request fails any more")


def test_a_flag_acts_on_a_faked_service(crowd: Built) -> None:
    crowd.apply(flags=[{"service": ENTRY, "name": "failure", "value": 1}])
    crowd.until(ERRORS, lambda n: n > 1, "requests fail")
    crowd.apply(flags=[])
    crowd.until(ERRORS, lambda n: n == 0, "no request fails any more")


def test_it_goes_without_a_trace(crowd: Built, lab: Demo, before: dict[str, object]) -> None:
    """The last of this module."""
    crowd.delete()
    eventually(lambda: traces(lab, "finance") == before, "nothing is left", also=lambda: traces(lab, "finance"))
    nodes = json.loads(lab.kubectl(crowd.context, "get", "nodes", "-o", "json", capture=True))["items"]
    assert not [node for node in nodes if "type" in node["metadata"]["labels"]]
