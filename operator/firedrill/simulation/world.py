"""Everything that a simulation consists of in its namespace, as Kubernetes objects."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from firedrill.api.servicegraph import BrokerKind
from firedrill.api.simulation import SimulationSpec
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
    settings = {key: int(value) if value.isdigit() else value for key, value in plan.settings.items()}
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


def _at(namespace: str, made: Object) -> Object:
    return {**made, "metadata": {**made["metadata"], "namespace": namespace}}


def password(seed: int, name: str) -> str:
    """Of the databases. It guards nothing: it is drawn from the seed, so that the same spec gives the same objects."""
    return hashlib.sha256(f"{seed}/{name}/database".encode()).hexdigest()[:24]


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
        data = {"password": password(spec.seed, name)}
        made.append({"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": data})
    for database in graph.databases:
        made += components.postgres(database.name, images.postgres, PASSWORD_SECRET, labels(name, database.name))
    for cache in graph.caches:
        made += components.redis(cache.name, images.redis, labels(name, cache.name))
    scrape = yaml.safe_dump(dict(objectives.scrape_config(name, namespace, spec.telemetry.scrape_interval)))
    rules = yaml.safe_dump(objectives.rules(plan.slos))
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
                "name": f"{entry.service}{entry.path}",
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


def workload_names(objects: Iterable[Object]) -> list[str]:
    """Names of the Deployments and StatefulSets among objects."""
    return [made["metadata"]["name"] for made in objects if made["kind"] in ("Deployment", "StatefulSet")]
