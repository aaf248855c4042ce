"""The configuration that each service is started with."""

import json
from typing import Any

from firedrill.api.servicegraph import Graph
from firedrill.simulation.runtime import Runtime

Config = dict[str, Any]


def graph(**more: Any) -> Graph:
    return Graph.model_validate(
        {
            "services": [
                {
                    "name": "gateway",
                    "zone": "edge",
                    "endpoints": [
                        {
                            "path": "/pay",
                            "errorRate": 0.01,
                            "latency": {"median": "3ms", "p99": "20ms"},
                            "timeout": "1s",
                            "script": [
                                {"parallel": [{"call": {"service": "fraud"}}, {"sleep": {"median": "2ms"}}]},
                                {"call": {"service": "ledger", "path": "/read", "share": 0.5, "retries": 2}},
                                {"cache": {"cache": "redis", "hitRatio": 0.8}},
                            ],
                        }
                    ],
                },
                {"name": "fraud", "role": "model", "calls": ["vault"]},
                {
                    "name": "ledger",
                    "zone": "core",
                    "settings": True,
                    "endpoints": [
                        {"path": "/transfer", "script": [{"query": {"database": "books", "operation": "transfer"}}]},
                        {"path": "/read", "script": [{"publish": {"broker": "kafka", "topic": "payments"}}]},
                    ],
                    "consumes": [{"broker": "kafka", "topic": "payments", "group": "settle", "script": []}],
                },
                {"name": "vault", "role": "tls-service", "endpoints": [{"path": "/keys"}]},
                {"name": "caller", "endpoints": [{"path": "/", "script": [{"call": {"service": "vault"}}]}]},
            ],
            "brokers": [{"name": "kafka", "kind": "Kafka", "topics": [{"name": "payments"}]}],
            "databases": [{"name": "books", "tableModel": "ledger"}],
            "caches": [{"name": "redis"}],
            **more,
        }
    )


def config_of(name: str, made: Graph | None = None) -> Config:
    made = made or graph()
    runtime = Runtime("bank", made, seed=7, log_sample=0.1)
    parsed: Config = json.loads(runtime.of(next(s for s in made.services if s.name == name)))
    return parsed


def test_times_are_seconds_and_calls_are_addresses() -> None:
    endpoint = config_of("gateway")["endpoints"][0]
    assert endpoint["latency"] == {"median": 0.003, "p99": 0.02}
    assert endpoint["timeout"] == 1.0
    parallel, read, cache = endpoint["script"]
    assert parallel["parallel"][0]["call"]["url"] == "http://fraud:8080/score", "a role's own first path"
    assert parallel["parallel"][1] == {"sleep": {"median": 0.002}}
    assert read["call"]["url"] == "http://ledger:8080/read"
    assert (read["call"]["probability"], read["call"]["retries"], read["call"]["timeout"]) == (0.5, 2, 2.0)
    assert cache == {"cache": {"cache": "redis", "operation": "get", "hitRatio": 0.8}}


def test_a_service_knows_only_of_what_it_uses() -> None:
    gateway, ledger, fraud = (config_of(name) for name in ("gateway", "ledger", "fraud"))
    assert (list(gateway["caches"]), gateway["databases"], gateway["brokers"]) == (["redis"], {}, {})
    assert ledger["databases"]["books"]["schema"] == "ledger"
    assert ledger["brokers"] == {"kafka": {"kind": "kafka", "address": "kafka:9092"}}
    assert fraud["calls"] == {"vault": "http://vault:8080", "tls-service": "http://vault:8080"}
    assert (ledger["settingsFile"], gateway["settingsFile"]) == ("/etc/settings/settings.json", "")


def test_a_service_with_tls_is_called_by_https() -> None:
    call = config_of("caller")["endpoints"][0]["script"][0]["call"]
    assert call["url"] == "https://vault:8443/keys"


def test_the_way_between_zones_is_added_to_calls_alone() -> None:
    far = graph(zoneLatencies=[{"between": ["core", "edge"], "latency": {"median": "40ms"}}])
    script = config_of("gateway", far)["endpoints"][0]["script"]
    assert script[1]["call"]["delay"] == {"median": 0.04}
    assert "delay" not in script[0]["parallel"][0]["call"], "fraud is in no zone"


def test_the_same_graph_gives_the_same_text() -> None:
    texts = {Runtime("bank", graph(), 7, 0.1).of(graph().services[0]) for _ in range(3)}
    assert len(texts) == 1
