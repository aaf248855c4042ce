"""The ready scenarios: each is a valid experiment on the simulation beside it, with its truth kept apart."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.config import SimulationFlag
from firedrill.api.simulation import SimulationSpec
from firedrill.simulation.plan import make_plan

ROOT = Path(__file__).resolve().parents[3] / "chaos-scenarios"
SCENARIOS = sorted(path for path in ROOT.glob("*/*.yaml") if path.stem != "simulation")
Object = dict[str, Any]


def read(path: Path) -> Object:
    found: Object = yaml.safe_load(path.read_text())
    return found


def test_there_is_one_for_each_failure_of_the_industries() -> None:
    assert len(SCENARIOS) == 14
    assert {path.parent.name for path in SCENARIOS} == {"finance", "healthcare", "iot"}


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_scenario_is_an_experiment_on_a_service_that_is_there(path: Path) -> None:
    body = read(path)
    spec = ChaosExperimentSpec.model_validate(body["spec"])
    simulation = read(path.parent / "simulation.yaml")
    standing = SimulationSpec.model_validate(simulation["spec"])
    graph = make_plan(standing).graph
    services = {each.name for each in (*graph.services, *graph.brokers, *graph.databases)}
    assert spec.target.namespace == standing.namespace_for(simulation["metadata"]["name"])
    assert spec.clusters == standing.clusters
    assert spec.target.match_labels["app"] in services
    fault = spec.fault.chosen
    if isinstance(fault, SimulationFlag):
        assert fault.flag.service == spec.target.match_labels["app"]


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_its_truth_names_the_cause_and_is_no_resource(path: Path) -> None:
    body, truth = read(path), read(path.parent / "truth" / path.name)
    spec = ChaosExperimentSpec.model_validate(body["spec"])
    fault = spec.fault.chosen
    assert truth["experiment"] == body["metadata"]["name"] == path.stem
    told = fault.flag.name.value if isinstance(fault, SimulationFlag) else spec.fault.name
    assert truth["cause"] == {"service": spec.target.match_labels["app"], "fault": told}
    assert "kind" not in truth
    assert truth["symptom"] not in path.read_text()
