"""Every ready scenario on its simulation: the symptom is seen by the steady state's own probe, and it goes again."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from demo import HUB, NAMESPACE, ROOT, Demo

pytestmark = pytest.mark.e2e

FOLDER = ROOT / "chaos-scenarios"
SCENARIOS = sorted(path for path in FOLDER.glob("*/*.yaml") if path.stem != "simulation")
FAMILIES = ("workload", "config", "network")
Object = dict[str, Any]


@pytest.fixture(scope="module")
def seen(lab: Demo) -> Iterator[dict[str, Object]]:
    """Status of every scenario: the industries side by side, the scenarios of one after each other."""
    industries = sorted({path.parent.name for path in SCENARIOS})
    with ThreadPoolExecutor(len(industries)) as pool:
        found = pool.map(lambda industry: _industry(lab, industry), industries)
        yield {name: status for each in found for name, status in each.items()}
    for industry in industries:
        lab.kubectl(HUB, "delete", "--ignore-not-found", "-f", str(FOLDER / industry / "simulation.yaml"))


def _industry(lab: Demo, industry: str) -> dict[str, Object]:
    chart = ("operator.enabled=false", "crds.enabled=false", "target.enabled=true", "target.simulation.enabled=true")
    lab.helm(
        f"firedrill-{industry}", "firedrill", "firedrill", *chart, f"target.faultFamilies={{{','.join(FAMILIES)}}}"
    )
    policy = {"spec": {"policy": {"faultFamilies": list(FAMILIES), "maxAffectedPercent": 100}}}
    lab.kubectl(HUB, "patch", "targetcluster", industry, "--type=merge", "-p", json.dumps(policy), capture=True)
    simulation = str(FOLDER / industry / "simulation.yaml")
    lab.kubectl(HUB, "apply", "-f", simulation, capture=True)
    lab.kubectl(HUB, "wait", "--for=condition=Passed", "--timeout=900s", "-f", simulation, capture=True)
    return {path.stem: _play(lab, path) for path in SCENARIOS if path.parent.name == industry}


def _play(lab: Demo, path: Path) -> Object:
    name = yaml.safe_load(path.read_text())["metadata"]["name"]
    lab.kubectl(HUB, "apply", "-f", str(path), capture=True)
    where = ("-n", NAMESPACE, f"chaosexperiment/{name}")
    lab.kubectl(HUB, "annotate", *where, "--overwrite", "firedrill.dev/run-at=now", capture=True)
    lab.kubectl(
        HUB, "wait", "--for=jsonpath={.status.lastRun.trigger}=RunAt:now", "--timeout=60s", *where, capture=True
    )
    lab.kubectl(HUB, "wait", "--for=condition=Complete", "--timeout=1500s", *where, capture=True)
    found: Object = json.loads(lab.kubectl(HUB, "get", *where, "-o", "json", capture=True))
    lab.kubectl(HUB, "delete", "-f", str(path), capture=True)
    return dict(found["status"])


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_scenario_is_suffered_and_recovered_from(path: Path, seen: dict[str, Object]) -> None:
    status = seen[path.stem]
    assert status["verdict"] == "Passed", status["message"]
    conditions = {c["type"]: c["status"] for c in status["conditions"]}
    assert [conditions[name] for name in ("Injected", "Recovered", "RecoveryVerified")] == ["True"] * 3
