"""The configuration that a simulated service is started with."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from firedrill.api.servicegraph import (
    Broker,
    Cache,
    CallStep,
    Database,
    Endpoint,
    Graph,
    Latency,
    LeafStep,
    Script,
    Service,
    Step,
)
from firedrill.simulation.labels import HTTP_PORT
from firedrill.simulation.roles import ISSUER, default_path, role_of, url_of

Config = dict[str, Any]

CALL_TIMEOUT = 2.0
REQUEST_TIMEOUT = 5.0
SETTINGS_FILE = "/etc/settings/settings.json"
FLAGS_URL = f"http://flags:{HTTP_PORT}"


class Runtime:
    """Renders configurations of the services of one graph."""

    def __init__(self, simulation: str, graph: Graph, seed: int, log_sample: float, otlp_endpoint: str = "") -> None:
        self._simulation = simulation
        self._seed = seed
        self._log_sample = log_sample
        self._otlp = otlp_endpoint
        self._services = {service.name: service for service in graph.services}
        self._brokers = {broker.name: broker for broker in graph.brokers}
        self._databases = {database.name: database for database in graph.databases}
        self._caches = {cache.name: cache for cache in graph.caches}
        self._latencies: dict[frozenset[str], Latency] = {
            frozenset(each.between): each.latency for each in graph.zone_latencies
        }

    def of(self, service: Service) -> str:
        """The configuration of a service, as JSON that is the same whenever the graph is."""
        scripts = [endpoint.script for endpoint in service.endpoints] + [each.script for each in service.consumes]
        used = set(service.uses) | {name for script in scripts for name in _resources(script)}
        used |= {consumer.broker for consumer in service.consumes}
        config: Config = {
            "name": service.name,
            "simulation": self._simulation,
            "seed": self._seed,
            "role": service.role,
            "options": dict(service.options),
            "endpoints": [self._endpoint(service, endpoint) for endpoint in service.endpoints],
            "consumes": [
                {
                    "broker": each.broker,
                    "topic": each.topic,
                    "group": each.group,
                    "script": self._script(service, each.script),
                }
                for each in service.consumes
            ],
            "brokers": {name: _broker(self._brokers[name]) for name in sorted(used & self._brokers.keys())},
            "databases": {name: database(self._databases[name]) for name in sorted(used & self._databases.keys())},
            "caches": {name: _cache(self._caches[name]) for name in sorted(used & self._caches.keys())},
            "calls": self._calls(service, scripts),
            "flagsUrl": FLAGS_URL,
            "settingsFile": SETTINGS_FILE if service.settings else "",
            "logSample": self._log_sample,
            "otlpEndpoint": self._otlp,
        }
        return json.dumps(config, sort_keys=True, separators=(",", ":"))

    def _calls(self, service: Service, scripts: Sequence[Script]) -> Mapping[str, str]:
        """Base URLs of what a service calls beside its scripts, by name, and by role for those of a special one."""
        names = set(service.calls)
        called = {leaf.call.service for script in scripts for step in script for leaf in _leaves(step) if leaf.call}
        if any(role_of(self._services[name]).tls for name in called):
            # Who calls by TLS asks the issuer whom to trust.
            names |= {each.name for each in self._services.values() if each.role == ISSUER}
        found: dict[str, str] = {}
        for name in sorted(names):
            base = f"http://{name}:{HTTP_PORT}"
            found[name] = base
            if self._services[name].role != "http":
                found.setdefault(self._services[name].role, base)
        return found

    def _endpoint(self, service: Service, endpoint: Endpoint) -> Config:
        return {
            "path": endpoint.path,
            "errorRate": endpoint.error_rate,
            "latency": _latency(endpoint.latency),
            "responseBytes": endpoint.response_bytes,
            "timeout": _seconds(endpoint.timeout, REQUEST_TIMEOUT),
            "script": self._script(service, endpoint.script),
        }

    def _script(self, service: Service, script: Script) -> list[Config]:
        return [self._step(service, step) for step in script]

    def _step(self, service: Service, step: LeafStep) -> Config:
        if isinstance(step, Step) and step.parallel:
            return {"parallel": [self._step(service, leaf) for leaf in step.parallel]}
        if step.call:
            return {"call": self._call(service, step.call)}
        if step.sleep:
            return {"sleep": _latency(step.sleep)}
        if step.compute:
            return {"compute": _latency(step.compute)}
        if step.publish:
            return {"publish": {"broker": step.publish.broker, "topic": step.publish.topic}}
        if step.query:
            return {"query": {"database": step.query.database, "operation": step.query.operation}}
        assert step.cache is not None  # the model lets no empty step pass
        asked = step.cache
        return {"cache": {"cache": asked.cache, "operation": asked.operation.value, "hitRatio": asked.hit_ratio}}

    def _call(self, service: Service, call: CallStep) -> Config:
        callee = self._services[call.service]
        path = call.path or (callee.endpoints[0].path if callee.endpoints else default_path(callee.role))
        made: Config = {
            "service": call.service,
            "url": self._url(call.service, path),
            "probability": call.share,
            "timeout": _seconds(call.timeout, CALL_TIMEOUT),
            "retries": call.retries,
        }
        way = self._latencies.get(frozenset((service.zone or "", callee.zone or "")))
        if way is not None and service.zone != callee.zone:
            made["delay"] = _latency(way)
        return made

    def _url(self, service: str, path: str) -> str:
        return url_of(self._services[service], path)


def _leaves(step: Step) -> Sequence[LeafStep]:
    return step.parallel or [step]


def _resources(script: Script) -> set[str]:
    found: set[str] = set()
    for step in script:
        for leaf in _leaves(step):
            found |= {leaf.publish.broker} if leaf.publish else set()
            found |= {leaf.query.database} if leaf.query else set()
            found |= {leaf.cache.cache} if leaf.cache else set()
    return found


def _broker(broker: Broker) -> Config:
    port = {"Kafka": 9092, "Mqtt": 1883}[broker.kind.value]
    return {"kind": broker.kind.value.lower(), "address": f"{broker.name}:{port}"}


def database(found: Database) -> Config:
    """How a service reaches a database; its password comes from the environment (PGPASSWORD)."""
    return {
        "kind": "postgres",
        "url": f"postgres://sim@{found.name}:5432/{found.name}?sslmode=disable",
        "schema": found.table_model,
    }


def _cache(cache: Cache) -> Config:
    return {"kind": "redis", "address": f"{cache.name}:6379"}


def _seconds(value: timedelta | None, otherwise: float) -> float:
    return value.total_seconds() if value is not None else otherwise


def _latency(value: Latency | None) -> Mapping[str, float]:
    if value is None:
        return {}
    found = {"median": value.median.total_seconds()}
    if value.p99 is not None:
        found["p99"] = value.p99.total_seconds()
    return found
