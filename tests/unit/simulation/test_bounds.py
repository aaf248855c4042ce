"""Bounds of a simulation's numbers and times: the error names the place, as early as the resource is read."""

import json
from typing import Any

import pytest

from firedrill.api.errors import InvalidInput
from firedrill.api.resource import parse_spec
from firedrill.api.simulation import SimulationSpec
from firedrill.simulation.plan import make_plan
from firedrill.simulation.world import Images, build, setting

Object = dict[str, Any]
ENDPOINT = "spec.source.graph.services[0].endpoints[0]"
CPU = "spec.source.graph.services[0].resources.limits.cpu"

NO_QUANTITIES = ("", "1x", "-1", "1 Mi", "Mi", "1mi", "\u0661")


def simulation(*, endpoint: Object | None = None, service: Object | None = None, **fields: Any) -> Object:
    """A spec with a graph of one service."""
    services = [{"name": "gateway", "endpoints": [{"path": "/", **(endpoint or {})}], **(service or {})}]
    graph = {"services": services, "entries": [{"service": "gateway", "path": "/"}]}
    return {"clusters": {"names": ["finance"]}, "source": {"graph": graph}, **fields}


def latency(median: str, **more: str) -> Object:
    return simulation(endpoint={"latency": {"median": median, **more}})


def limited(cpu: str) -> Object:
    return simulation(service={"resources": {"limits": {"cpu": cpu}}})


def calling(timeout: str) -> Object:
    return simulation(endpoint={"script": [{"call": {"service": "gateway", "timeout": timeout}}]})


@pytest.mark.parametrize(
    "spec",
    [
        simulation(telemetry={"scrapeInterval": "1s"}), simulation(telemetry={"scrapeInterval": "60s"}),
        simulation(load={"timeout": "1m"}), simulation(endpoint={"timeout": "60s"}), calling("1ms"),
        latency("0.1ms"), latency("60s"), latency("1ms", p99="60s"),
        *(limited(cpu) for cpu in ("1", "100m", "0.5", ".5", "1.", "64Mi", "1e3", "1E-2", "2k", "3Ei")),
        simulation(settings={"version": "3", "currency": "EUR"}), simulation(settings={}),
    ],
)  # fmt: skip
def test_what_lies_within_is_taken(spec: Object) -> None:
    assert parse_spec(SimulationSpec, spec)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (simulation(telemetry={"scrapeInterval": "999ms"}),
         "spec.telemetry.scrapeInterval: scrapeInterval must be between 1s and 60s"),
        (simulation(telemetry={"scrapeInterval": "61s"}),
         "spec.telemetry.scrapeInterval: scrapeInterval must be between 1s and 60s"),
        (simulation(load={"timeout": "0s"}), "spec.load.timeout: must be more than 0s and at most 60s, and is 0s"),
        (simulation(load={"timeout": "61s"}), "spec.load.timeout: must be more than 0s and at most 60s, and is 61s"),
        (simulation(endpoint={"timeout": "0s"}), f"{ENDPOINT}.timeout: must be more than 0s"),
        (calling("2m"), f"{ENDPOINT}.script[0].call.timeout: must be more than 0s and at most 60s, and is 120s"),
        (latency("0s"), f"{ENDPOINT}.latency.median: must be more than 0s and at most 60s, and is 0s"),
        (latency("61s"), f"{ENDPOINT}.latency.median: must be more than 0s and at most 60s, and is 61s"),
        (latency("1s", p99="2h"), f"{ENDPOINT}.latency.p99: must be more than 0s and at most 60s, and is 7200s"),
        *((limited(cpu), f"{CPU}: String should match pattern") for cpu in NO_QUANTITIES),
        (simulation(settings={"version": "\u00b2"}),
         "spec.settings: version must be a whole number of at most 18 digits, and is '\u00b2'"),
        (simulation(settings={"version": "1.5"}), "spec.settings: version must be a whole number"),
        (simulation(settings={"version": "01"}), "spec.settings: version must be a whole number"),
        (simulation(settings={"": "x"}), "spec.settings: keys must have 1 to 253 characters"),
    ],
)  # fmt: skip
def test_what_lies_outside_is_refused_with_its_place(spec: Object, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_spec(SimulationSpec, spec)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("0", 0), ("42", 42), ("9" * 18, 10**18 - 1), ("9" * 19, "9" * 19), ("007", "007"), ("\u00b2", "\u00b2"),
        ("\u0663", "\u0663"), ("-1", "-1"), ("1.5", "1.5"), ("", ""), ("12\n", "12\n"), ("EUR", "EUR"),
    ],
)  # fmt: skip
def test_ascii_decimals_are_numbers_for_the_services_and_all_else_is_text(text: str, read: int | str) -> None:
    assert setting(text) == read


def test_settings_come_to_the_services_as_they_are_read() -> None:
    raw = simulation(settings={"version": "3", "limitCents": "5000", "code": "007", "square": "\u00b2"})
    spec = parse_spec(SimulationSpec, raw)
    made = build(spec, make_plan(spec), "bank", "bank", Images("a", "b", "c", "d", "e", "f", "g"))
    (found,) = [each for each in made.base if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "settings"]
    wanted = {"version": 3, "limitCents": 5000, "code": "007", "square": "\u00b2"}
    assert json.loads(found["data"]["settings.json"]) == wanted
