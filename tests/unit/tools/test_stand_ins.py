"""The stand-in for kubelets makes those pods ready that a kubelet could; what faults are put in is there."""

from typing import Any

import pytest
from bench_faults_real import experiment
from fault_cases import REAL
from small_app import objects_of as small
from stand_in_objects import NODE_PODS, node_of, objects_of
from stand_in_pods import can_run, is_ready

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.engines.chaos.faults.template import MARK, NO_IMAGE

Object = dict[str, Any]


def pod(image: str = "shop:1", **metadata: Any) -> Object:
    return {"metadata": {"name": "shop-1", **metadata}, "spec": {"containers": [{"name": "app", "image": image}]}}


@pytest.mark.parametrize(
    ("body", "runs"),
    [
        (pod(), True),
        (pod(annotations={"other": "yes"}), True),
        (pod(NO_IMAGE), False),
        (pod(annotations={MARK: "run"}), False),
    ],
)
def test_pods_of_a_changed_template_or_with_another_image_do_not_run(body: Object, runs: bool) -> None:
    assert can_run(body) is runs


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        (None, False),
        ([], False),
        ([{"type": "Ready", "status": "False"}], False),
        ([{"type": "PodScheduled", "status": "True"}], False),
        ([{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}], True),
    ],
)
def test_ready_is_what_the_status_says(conditions: list[Object] | None, ready: bool) -> None:
    assert is_ready({**pod(), "status": {"conditions": conditions}}) is ready
    assert not is_ready(pod())


@pytest.mark.parametrize("count", [1, 6000])
def test_the_namespace_comes_first_and_no_name_twice(count: int) -> None:
    for objects in (objects_of("crowd", count), small("crowd", count)):
        assert objects[0]["kind"] == "Namespace"
        names = [(each["kind"], each["metadata"]["name"]) for each in objects]
        assert len(set(names)) == len(names)
        (deployment,) = (each for each in objects if each["kind"] == "Deployment")
        assert deployment["spec"]["replicas"] == count


def test_so_many_pods_are_on_a_node() -> None:
    nodes = [node_of("crowd", index) for index in range(6000)]
    assert len(set(nodes)) == 6000 // NODE_PODS
    assert {nodes.count(node) for node in set(nodes)} == {NODE_PODS}


@pytest.mark.parametrize("fault", REAL)
@pytest.mark.parametrize("pods", [1, 100])
def test_experiments_on_pods_that_run_are_valid(fault: str, pods: int) -> None:
    spec = ChaosExperimentSpec.model_validate(experiment("crowd", fault, pods)["spec"])
    assert spec.fault.name == fault
