"""A hospital: records over FHIR, messages of wards over HL7 v2, a nightly batch, certificates that run out."""

from random import Random
from typing import Final

from firedrill.api.objective import Slo
from firedrill.api.servicegraph import Database, Entry, Graph, Service, Step
from firedrill.api.simulation import Bursts, Load, Size
from firedrill.simulation.industries.blueprint import (
    Blueprint,
    acting,
    available,
    call,
    compute,
    endpoint,
    fast,
    query,
    service,
    time,
    together,
)
from firedrill.simulation.industries.layered import Layers, layered

_AUDITED: Final = {"audit": "hipaa"}
_RECORDS: Final = "records-db"
_CLINICAL: Final = "clinical-db"

#: The departments around the record, in layers of calls.
_DEPARTMENTS: Final[Layers] = (
    ("scheduling", "admissions", "nursing", "labs", "imaging", "medications", "referrals", "claims"),
    (
        "beds", "wards", "vitals", "allergies", "immunizations", "lab-orders", "lab-results", "radiology-reports",
        "care-plans", "eligibility", "coding",
    ),
    ("specimens", "imaging-archive", "pharmacy-stock", "insurance", "providers", "transport"),
    ("terminology", "consents", "identity"),
)  # fmt: skip

#: Calls that a look at a chart causes among the departments, in the mean.
_BUDGET = 10.0


def healthcare(size: Size, rng: Random) -> Blueprint:
    """The record and its feeds, or with all departments a hospital of 40 services."""
    full = size is Size.FULL
    chart, departments = layered(rng, _DEPARTMENTS, _BUDGET) if full else ([], [])
    entries = [
        Entry(service="emr-api", path="/patients", weight=4),
        Entry(service="emr-api", path="/orders", weight=2),
        Entry(service="emr-api", path="/billing", weight=1),
    ]
    if chart:
        entries.append(Entry(service="emr-api", path="/chart", weight=3))
    graph = Graph(
        services=[_emr(chart), *_records(), *_feeds(full), *_guards(), *departments],
        databases=[Database(name=_RECORDS, table_model="fhir"), Database(name=_CLINICAL)],
        entries=entries,
    )
    settings = {"version": "1", "retentionYears": "10", "visitCopayCents": "2500"}
    return Blueprint(graph, _objectives(), Load(rate=20.0 if full else 8.0, bursts=Bursts(factor=1.5)), settings)


def _emr(chart: list[Step]) -> Service:
    endpoints = [
        endpoint("/patients", compute(0.2), call("patients")),
        endpoint("/orders", compute(0.2), call("orders", timeout=1500)),
        endpoint("/billing", compute(0.2), call("billing")),
    ]
    if chart:
        endpoints.append(endpoint("/chart", compute(0.2), *chart))
    return service("emr-api", *endpoints, options=_AUDITED)


def _records() -> list[Service]:
    return [
        service(
            "patients",
            endpoint("/search", together(call("fhir", "/fhir/Patient"), call("fhir", "/fhir/Observation", share=0.5))),
            options=_AUDITED,
        ),
        # The root certificate that prescriptions is trusted by comes from its issuer.
        service(
            "orders",
            endpoint("/place", query(_CLINICAL, "write"), call("prescriptions", share=0.5), latency=time(1, 5)),
            options=_AUDITED,
            calls=["mesh-ca"],
        ),
        service(
            "billing",
            endpoint("/invoice", query(_CLINICAL, "read"), compute(0.2), latency=time(2, 8)),
            settings=True,
        ),
        acting("fhir", "fhir", _AUDITED, uses=[_RECORDS]),
    ]


def _feeds(full: bool) -> list[Service]:
    """What fills and reads the records without anybody asking."""
    total, rate = ("10000", "20") if full else ("1000", "5")
    return [
        acting("fhir-load", "fhir-load", {"rate": rate, "total": total}, calls=["fhir"]),
        acting("hl7-receiver", "hl7-receiver", _AUDITED, uses=[_CLINICAL]),
        acting("hl7-sender", "hl7-sender", {"rate": "5" if full else "2"}, calls=["hl7-receiver"]),
        acting("etl", "etl", {"interval": "300" if full else "60"}, uses=[_RECORDS]),
    ]


def _guards() -> list[Service]:
    """Certificates, what is served with them, and who watches over access."""
    signing = endpoint("/sign", compute(0.2), latency=time(2, 8))
    audited = ["emr-api", "patients", "orders", "fhir", "hl7-receiver", "prescriptions"]
    return [
        acting("mesh-ca", "mesh-ca", {"lifetime": "600"}),
        acting("prescriptions", "tls-service", _AUDITED, calls=["mesh-ca"], endpoints=[signing]),
        acting("siem", "siem", {"interval": "5", "threshold": "200"}, calls=audited),
    ]


def _objectives() -> list[Slo]:
    return [
        available("emr-availability", "emr-api", 0.999),
        fast("emr-latency", "emr-api", 500, 0.95),
        available("fhir-availability", "fhir", 0.999),
        available("order-availability", "orders", 0.999),
    ]
