"""The recorder's objects: it may read what it records, and nothing else."""

import json
from datetime import timedelta
from typing import Any

import pytest

from firedrill.simulation.recorder import recorder


def rendered() -> dict[str, dict[str, Any]]:
    return {made["kind"]: made for made in recorder("bank", "finance", "sim:1", timedelta(hours=6))}


def test_it_reads_and_writes_nothing_in_the_cluster() -> None:
    rules = rendered()["Role"]["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    readable = {resource for rule in rules for resource in rule["resources"]}
    assert readable == {
        "pods", "pods/log", "services", "configmaps", "events",
        "deployments", "statefulsets", "horizontalpodautoscalers",
    }  # fmt: skip
    assert "secrets" not in readable


def test_its_account_its_service_and_its_labels_fit_together() -> None:
    made = rendered()
    pod = made["Deployment"]["spec"]["template"]
    assert made["RoleBinding"]["subjects"] == [
        {"kind": "ServiceAccount", "name": pod["spec"]["serviceAccountName"], "namespace": "finance"}
    ]
    assert made["Service"]["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert {each["metadata"]["name"] for each in made.values()} == {"recorder"}
    assert {each["metadata"]["namespace"] for each in made.values()} == {"finance"}


def test_it_keeps_its_records_on_a_volume_with_a_limit_above_its_own() -> None:
    pod = rendered()["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    config = json.loads(next(each["value"] for each in container["env"] if each["name"] == "SIM_CONFIG"))
    assert config == {"namespace": "finance", "retention": 21600.0, "dir": "/data", "maxBytes": 1 << 30}
    assert container["volumeMounts"] == [{"name": "data", "mountPath": config["dir"]}]
    limit = pod["volumes"][0]["emptyDir"]["sizeLimit"]
    assert int(limit.removesuffix("Mi")) << 20 > config["maxBytes"]
    assert container["securityContext"]["readOnlyRootFilesystem"]


@pytest.mark.parametrize(("services", "limit"), [(12, 96), (200, 96), (1000, 216)])
def test_it_has_memory_for_the_objects_of_many_services(services: int, limit: int) -> None:
    made = {each["kind"]: each for each in recorder("b", "f", "i", timedelta(hours=6), services=services)}
    container = made["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["memory"] == f"{limit}Mi"
    (own,) = (each["value"] for each in container["env"] if each["name"] == "GOMEMLIMIT")
    assert int(own.removesuffix("MiB")) < limit
