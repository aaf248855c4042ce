"""The small hospital and the small fleet: what is special to them works, and each failure of theirs can be suffered."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from demo import Demo
from sim_support import Built, traces

from support.eventually import eventually

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def before(lab: Demo) -> dict[str, object]:
    """What the targets held before."""
    return {name: traces(lab, name) for name in ("healthcare", "iot")}


@pytest.fixture(scope="module")
def built(lab: Demo, before: dict[str, object]) -> Iterator[tuple[Built, Built]]:
    """Both, standing."""
    both = tuple(
        Built(lab, name, industry, source={"industry": {"name": industry, "size": "Small"}}, overrides=overrides)
        for name, industry, overrides in (
            # Short-lived, so that they run out while a test looks.
            ("hospital", "healthcare", [{"service": "mesh-ca", "options": {"lifetime": "30"}}]),
            ("fleet", "iot", []),
        )
    )
    try:
        with ThreadPoolExecutor(2) as pool:
            for status in pool.map(lambda each: each.apply(), both):
                assert status["verdict"] == "Passed", status["message"]
        yield both[0], both[1]
    finally:
        for each in both:
            each.delete()


@pytest.fixture
def hospital(built: tuple[Built, Built]) -> Built:
    return built[0]


@pytest.fixture
def fleet(built: tuple[Built, Built]) -> Built:
    return built[1]


def test_records_are_written_and_read_back_and_messages_acknowledged(hospital: Built) -> None:
    hospital.until("sum(fhir_resources_written_total)", lambda n: n > 50, "records are written")
    hospital.until('sum(fhir_resources_read_total{outcome="same"})', lambda n: n > 50, "and read back the same")
    assert not hospital.value('sum(fhir_resources_read_total{outcome!="same"})')
    hospital.until('sum(hl7_messages_total{ack="AA"})', lambda n: n > 20, "HL7 messages are acknowledged")
    assert not hospital.value('sum(hl7_messages_total{ack!="AA"})')
    hospital.until("max(etl_last_success_timestamp_seconds)", lambda n: n > 0, "the batch has run")


def test_certificates_that_run_out_fail_calls_until_they_are_issued_again(hospital: Built) -> None:
    failing = 'sum(rate(http_client_requests_total{peer="prescriptions",code!~"2.."}[30s])) or vector(0)'
    hospital.until(
        'sum(rate(http_client_requests_total{peer="prescriptions",code=~"2.."}[30s]))', lambda n: n > 0, "it is called"
    )
    assert hospital.value(failing) == 0
    with hospital.flagged({"service": "mesh-ca", "name": "expiredCertificate", "value": 1}):
        hospital.until(failing, lambda n: n > 0, "calls fail")
        assert "certificate" in errors_of(hospital, "orders")
    hospital.until(failing, lambda n: n == 0, "calls are good again")


def errors_of(built: Built, service: str) -> str:
    """Error lines that a service has logged lately."""
    text = built.lab.kubectl(built.context, "-n", built.name, "logs", f"deploy/{service}", "--since=120s", capture=True)
    return "\n".join(line for line in text.splitlines() if json.loads(line)["level"] != "info")


def test_floods_of_logs_and_of_alerts(hospital: Built) -> None:
    storm = {"service": "emr-api", "name": "logStorm", "value": 200}
    flood = {"service": "orders", "name": "auditFlood", "value": 50}
    with hospital.flagged(storm, flood):
        hospital.until('sum(rate(log_lines_total{service="emr-api"}[30s]))', lambda n: n > 150, "a storm of lines")
        hospital.until("sum(rate(compliance_alerts_total[30s]))", lambda n: n > 5, "a flood of alerts")


def test_abnormal_reads_of_the_database(hospital: Built) -> None:
    mean = (
        'sum(rate(db_query_duration_seconds_sum{service="fhir"}[30s]))'
        ' / sum(rate(db_query_duration_seconds_count{service="fhir"}[30s]))'
    )
    usual = hospital.value(mean) or 0.0
    with hospital.flagged({"service": "fhir", "name": "slowQueries", "value": 1}):
        hospital.until(mean, lambda n: n > 2 * usual and n > 0.005, "queries take longer")


def test_devices_report_and_go_silent(fleet: Built) -> None:
    fleet.until('max(devices_online{service="heartbeat"})', lambda n: n == 200, "all devices are seen")
    fleet.until('sum(messages_consumed_total{service="ingest",outcome="ok"})', lambda n: n > 100, "telemetry is stored")
    with fleet.flagged({"service": "device-fleet", "name": "heartbeatLoss", "value": 0.5}):
        fleet.until('max(devices_online{service="heartbeat"})', lambda n: n <= 120, "half of them are lost")
        fleet.until("sum(heartbeat_timeouts_total)", lambda n: n >= 80, "and counted")
    fleet.until('max(devices_online{service="heartbeat"})', lambda n: n == 200, "they come back")


def test_no_gpu_no_pod(fleet: Built) -> None:
    """Nodes stop to offer what the planner asks for: the scheduler says so, and status names the service."""
    capacity = fleet.lab.kubectl(fleet.context, "get", "nodes", "-o", "json", capture=True)
    assert all("sim.example/gpu" in n["status"]["capacity"] for n in json.loads(capacity)["items"])
    overrides = [{"service": "route-planner", "replicas": 9}]
    status = fleet.apply(overrides=overrides, timeout="40s")
    assert (status["verdict"], status["clusters"][0]["reason"]) == ("Failed", "NotReady"), status["message"]
    assert "Insufficient sim.example/gpu" in status["message"]
    eventually(
        lambda: "route-planner" in fleet.read()["status"]["standing"][0]["state"]["services"].get("waiting", []),
        "status names it",
    )
    assert fleet.apply(overrides=[], timeout="10m")["verdict"] == "Passed"


def evictions(built: Built) -> list[dict[str, Any]]:
    """Events of pods that their node has evicted."""
    return [event for event in built.objects("events") if event["reason"] == "Evicted"]


def test_a_pod_that_outgrows_its_disk_is_evicted(fleet: Built) -> None:
    with fleet.flagged({"service": "maps", "name": "diskFill", "value": 20}):
        eventually(
            # A pod that ends cleanly when it is evicted counts as succeeded; the Event tells why it ended.
            lambda: any(e["involvedObject"]["name"].startswith("maps-") for e in evictions(fleet)),
            "the node evicts it",
            within=180,
        )


def test_they_go_without_a_trace(built: tuple[Built, Built], lab: Demo, before: dict[str, object]) -> None:
    """The last of this module; the GPUs that nodes offered are gone too."""
    for each in built:
        each.delete()
    eventually(lambda: {name: traces(lab, name) for name in ("healthcare", "iot")} == before, "nothing is left")
