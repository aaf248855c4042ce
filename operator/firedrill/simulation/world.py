"""Everything that a simulation consists of in its namespace, as Kubernetes objects."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any

import yaml

from firedrill.api.servicegraph import BrokerKind
from firedrill.api.simulation import WHOLE_NUMBER, Load, SimulationSpec
from firedrill.simulation import components, faked_nodes, objectives
from firedrill.simulation.labels import HTTP_PORT, Object, labels
from firedrill.simulation.multiplexing import ports_for
from firedrill.simulation.plan import Plan
from firedrill.simulation.recorder import recorder
from firedrill.simulation.roles import role_of
from firedrill.simulation.runtime import FLAGS_URL, Runtime
from firedrill.simulation.workloads import Workloads

PROMETHEUS = "prometheus"
PASSWORD_SECRET = "database-password"  # noqa: S105 - the name of a Secret
#: What the load generator's memory limit has room for.
_MAX_IN_FLIGHT = 5000


@dataclass(frozen=True)
class Images:
    """Images of everything that runs."""

    simulator: str
    kafka: str
    postgres: str
    redis: str
    mqtt: str
    prometheus: str
    kwok: str


@dataclass(frozen=True)
class World:
    """Objects by when they are applied: load comes last, so that nobody calls what is not there yet."""

    base: list[Object]
    services: list[Object]
    load: list[Object]

    @property
    def objects(self) -> list[Object]:
        """All of them."""
        return [*self.base, *self.services, *self.load]


def images_of(spec: SimulationSpec, simulator: str, component: str) -> Images:
    """The images of a spec; what it names none for comes from the two defaults."""
    given = spec.images.model_dump(exclude_none=True)
    names = ("kafka", "postgres", "redis", "mqtt", "prometheus", "kwok")
    return Images(simulator=given.get("simulator", simulator), **{name: given.get(name, component) for name in names})


def build(spec: SimulationSpec, plan: Plan, name: str, namespace: str, images: Images) -> World:
    """All objects of a simulation; the same for the same spec and seed."""
    workloads = Workloads(name, namespace, images.simulator, PASSWORD_SECRET)
    runtime = Runtime(name, plan.graph, spec.seed, spec.telemetry.log_sample, spec.telemetry.otlp_endpoint)
    base = [*_components(spec, plan, name, namespace, images), *workloads.flags(spec.flags)]
    settings = {key: setting(value) for key, value in plan.settings.items()}
    base.append(workloads.config_map("settings", {"settings.json": json.dumps(settings, sort_keys=True)}))
    services: list[Object] = []
    faked = [service for service in plan.graph.services if service.faked]
    if faked:
        base += workloads.multiplexer(faked, database=bool(plan.graph.databases))
        base += faked_nodes.controller(name, namespace, images.kwok)
    ports = ports_for(service.name for service in faked)
    load = workloads.load(_load(spec, plan, name)) if plan.graph.entries else []
    for service in plan.graph.services:
        config = runtime.of(service)
        if service.faked:
            services += workloads.faked_service(service, config, ports[service.name])
            continue
        made = workloads.service(service, config, database=bool(json.loads(config)["databases"]))
        (load if role_of(service).drives else services).extend(made)
    return World([_at(namespace, each) for each in base], services, load)


def setting(value: str) -> int | str:
    """What services read of a setting: whole numbers as numbers. One with leading zeros is no number but a code."""
    return int(value) if re.fullmatch(WHOLE_NUMBER, value) else value


def _at(namespace: str, made: Object) -> Object:
    return {**made, "metadata": {**made["metadata"], "namespace": namespace}}


def password(name: str) -> str:
    """Of the databases. It guards nothing; drawn from the name alone, it stays the same as long as the data does."""
    return hashlib.sha256(f"{name}/database".encode()).hexdigest()[:24]


def _components(spec: SimulationSpec, plan: Plan, name: str, namespace: str, images: Images) -> list[Object]:
    graph = plan.graph
    made: list[Object] = []
    for broker in graph.brokers:
        marks = labels(name, broker.name)
        if broker.kind is BrokerKind.KAFKA:
            made += components.kafka(broker.name, images.kafka, broker.topics, marks)
        else:
            made += components.mqtt(broker.name, images.mqtt, marks)
    if graph.databases:
        secret = {"name": PASSWORD_SECRET, "labels": labels(name, PASSWORD_SECRET)}
        data = {"password": password(name)}
        made.append({"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": data})
    for database in graph.databases:
        made += components.postgres(database.name, images.postgres, PASSWORD_SECRET, labels(name, database.name))
    for cache in graph.caches:
        made += components.redis(cache.name, images.redis, labels(name, cache.name))
    scrape = yaml.safe_dump(dict(objectives.scrape_config(name, namespace, spec.telemetry.scrape_interval)))
    rules = yaml.safe_dump(objectives.rules(plan.slos, plan.graph.entries))
    made += components.prometheus(
        PROMETHEUS, images.prometheus, namespace, scrape, rules, spec.telemetry.retention, labels(name, PROMETHEUS)
    )
    services = len(graph.services)
    return made + recorder(name, namespace, images.simulator, spec.telemetry.retention, services=services)


def _load(spec: SimulationSpec, plan: Plan, name: str) -> str:
    load = plan.load
    config: dict[str, Any] = {
        "name": "load",
        "simulation": name,
        "seed": spec.seed,
        "entries": [
            {
                "name": objectives.entry_name(entry),
                "url": f"http://{entry.service}:{HTTP_PORT}{entry.path}",
                "method": "GET" if entry.body.value == "none" else "POST",
                "weight": entry.weight,
                "body": entry.body.value,
            }
            for entry in plan.graph.entries
        ],
        "rate": load.rate,
        "shape": {"period": load.shape.period.total_seconds(), "amplitude": load.shape.amplitude, "phase": 0},
        "timeout": load.timeout.total_seconds(),
        "maxInFlight": _max_in_flight(load),
        "flagsUrl": FLAGS_URL,
    }
    if load.bursts:
        bursts = load.bursts
        config["bursts"] = {
            "every": bursts.every.total_seconds(),
            "duration": bursts.duration.total_seconds(),
            "factor": bursts.factor,
        }
    return json.dumps(config, sort_keys=True, separators=(",", ":"))


def _max_in_flight(load: Load) -> int:
    """As many requests as are under way at the highest rate while none is answered; at least 500."""
    peak = load.rate * (1 + load.shape.amplitude) * (load.bursts.factor if load.bursts else 1.0)
    return max(500, min(ceil(peak * load.timeout.total_seconds()), _MAX_IN_FLIGHT))


def workload_names(objects: Iterable[Object]) -> list[str]:
    """Names of the Deployments and StatefulSets among objects."""
    return [made["metadata"]["name"] for made in objects if made["kind"] in ("Deployment", "StatefulSet")]
