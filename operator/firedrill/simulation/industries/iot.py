"""A maker of vehicles: a fleet that reports over MQTT, gateways at the edge, firmware over the air, a few GPUs."""

from random import Random
from typing import Final

from firedrill.api.base import parse_duration
from firedrill.api.objective import Freshness, Indicator, Slo
from firedrill.api.run import Resources
from firedrill.api.servicegraph import Broker, BrokerKind, Database, Entry, Graph, Service, Step, TopicSpec
from firedrill.api.simulation import Bursts, ExtendedResource, Load, Size
from firedrill.simulation.industries.blueprint import (
    Blueprint,
    acting,
    available,
    call,
    compute,
    consumer,
    endpoint,
    extended,
    fast,
    query,
    service,
    time,
    together,
)
from firedrill.simulation.industries.layered import Layers, layered

_BROKER: Final = "mqtt"
_TELEMETRY: Final = "telemetry-db"
_GPU: Final = "sim.example/gpu"
_GPUS_PER_NODE: Final = 2

#: What the fleet's owners and drivers use, in layers of calls.
_PRODUCTS: Final[Layers] = (
    ("trips", "drivers", "vehicles", "geofencing", "maintenance", "charging", "alerts"),
    (
        "routes", "odometer", "battery-health", "fault-codes", "warranty", "parts", "dealers", "tariffs", "insurance",
        "weather",
    ),
    ("firmware-catalog", "signing", "keys", "map-tiles", "traffic", "units"),
    ("identity", "tenants", "preferences"),
)  # fmt: skip

#: Calls that a request of the owners' app causes, in the mean.
_BUDGET = 10.0


def iot(size: Size, rng: Random) -> Blueprint:
    """A small fleet, or 5000 devices and 40 services."""
    full = size is Size.FULL
    app, products = layered(rng, _PRODUCTS, _BUDGET) if full else ([], [])
    zones = ("north", "south", "east", "west") if full else ("north", "south")
    entries = [
        Entry(service="fleet-api", path="/devices", weight=3),
        Entry(service="fleet-api", path="/positions", weight=4),
        Entry(service="fleet-api", path="/routes", weight=1),
        Entry(service="fleet-api", path="/diagnostics", weight=1),
    ]
    if app:
        entries.append(Entry(service="fleet-api", path="/app", weight=3))
    topics = [TopicSpec(name=name) for name in ("telemetry", "aggregates", "firmware", "firmware-status")]
    graph = Graph(
        services=[_fleet_api(app), *_fleet(5000 if full else 200, zones), *_apis(), *products],
        brokers=[Broker(name=_BROKER, kind=BrokerKind.MQTT, topics=topics)],
        databases=[Database(name=_TELEMETRY, table_model="telemetry")],
        entries=entries,
    )
    return Blueprint(
        graph,
        _objectives(),
        Load(rate=15.0 if full else 8.0, bursts=Bursts(factor=1.5)),
        {"version": "1", "pricePerKilometreCents": "3"},
        [ExtendedResource(name=_GPU, per_node=_GPUS_PER_NODE)],
    )


def _fleet_api(app: list[Step]) -> Service:
    endpoints = [
        endpoint("/devices", compute(0.1), call("heartbeat", "/devices")),
        endpoint("/positions", compute(0.1), together(call("telematics"), call("maps"))),
        endpoint("/routes", compute(0.1), call("route-planner", timeout=2000), call("billing", share=0.5)),
        endpoint("/diagnostics", compute(0.1), call("diagnostics-api")),
    ]
    if app:
        endpoints.append(endpoint("/app", compute(0.1), *app))
    return service("fleet-api", *endpoints)


def _fleet(devices: int, zones: tuple[str, ...]) -> list[Service]:
    """Devices, and what listens to them."""
    fleet = {"devices": str(devices), "interval": "10", "zones": ",".join(zones)}
    return [
        acting("device-fleet", "device-fleet", fleet, uses=[_BROKER], resources=_fleet_resources(devices)),
        acting("ingest", "ingest", {"batch": "200"}, uses=[_BROKER, _TELEMETRY]),
        *(acting(f"edge-gateway-{zone}", "edge-gateway", {"zone": zone}, uses=[_BROKER]) for zone in zones),
        acting("ota", "ota", {"version": "1.1.0", "wave": "0.1"}, uses=[_BROKER]),
        acting("heartbeat", "heartbeat", {"timeout": "30"}, uses=[_BROKER]),
    ]


def _fleet_resources(devices: int) -> Resources:
    """About 20 KiB a connection were measured; the limit is twice that."""
    return Resources(
        requests={"cpu": "20m", "memory": f"{16 + devices // 50}Mi"}, limits={"memory": f"{64 + devices // 25}Mi"}
    )


def _apis() -> list[Service]:
    aggregated = consumer(_BROKER, "aggregates", "diagnostics", compute(0.1))
    planning = endpoint("/plan", compute(0.5), latency=time(20, 80))
    return [
        service("telematics", endpoint("/latest", query(_TELEMETRY, "latest"), latency=time(1, 4))),
        service("maps", endpoint("/tiles", compute(0.2), latency=time(2, 8))),
        service(
            "diagnostics-api",
            endpoint("/report", query(_TELEMETRY, "range"), latency=time(2, 8)),
            consumes=[aggregated],
        ),
        acting("route-planner", "gpu-worker", {}, endpoints=[planning], resources=extended(_GPU)),
        service("billing", endpoint("/meter", compute(0.1), latency=time(1, 4)), settings=True),
    ]


def _objectives() -> list[Slo]:
    fresh = Freshness(topic="telemetry", threshold=parse_duration("5s"))
    return [
        available("fleet-availability", "fleet-api", 0.999),
        fast("fleet-latency", "fleet-api", 250, 0.95),
        available("device-tracking", "heartbeat", 0.999),
        Slo(name="telemetry-freshness", service="ingest", indicator=Indicator(freshness=fresh), objective=0.99),
    ]
