"""Resources as a person would write them, with times that suit a test."""

from typing import Any

from firedrill.api.meta import API_VERSION

Object = dict[str, Any]

DRIFT = {"reference": {"inline": {"csv": "a\n1\n"}}, "current": {"inline": {"csv": "a\n1\n"}}}


def chaos(name: str = "kill", *targets: str, **spec: Any) -> Object:
    """A ChaosExperiment whose fault is on for a second."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ChaosExperiment",
        "metadata": {"name": name},
        "spec": {
            "clusters": {"names": list(targets or ("finance",))},
            "timeout": "10m",
            "duration": "1s",
            "recoveryTimeout": "10s",
            "steadyState": {"http": {"url": "http://gateway.payments:8080/pay", "interval": "10ms"}, "window": "1s"},
            "target": {"namespace": "payments", "matchLabels": {"app": "ledger"}},
            "fault": {"podKill": {}},
            **spec,
        },
    }


def drift(name: str = "drift", *targets: str, **spec: Any) -> Object:
    """A DriftCheck."""
    return {
        "apiVersion": API_VERSION,
        "kind": "DriftCheck",
        "metadata": {"name": name},
        "spec": {"clusters": {"names": list(targets or ("finance",))}, "timeout": "10m", **DRIFT, **spec},
    }


def benchmark(name: str = "load", *targets: str, **spec: Any) -> Object:
    """A PerformanceBenchmark."""
    return {
        "apiVersion": API_VERSION,
        "kind": "PerformanceBenchmark",
        "metadata": {"name": name},
        "spec": {
            "clusters": {"names": list(targets or ("finance",))},
            "timeout": "10m",
            "target": {"http": {"url": "http://gateway.payments:8080/pay"}},
            "load": {"openLoop": {"rate": 10, "duration": "10s"}},
            **spec,
        },
    }


def pipeline_test(name: str = "rows", *targets: str, **spec: Any) -> Object:
    """A DataPipelineTest of a few rows."""
    return {
        "apiVersion": API_VERSION,
        "kind": "DataPipelineTest",
        "metadata": {"name": name},
        "spec": {
            "clusters": {"names": list(targets or ("finance",))},
            "data": {"inline": {"csv": "id\n1\n"}},
            "checks": [{"nulls": {"columns": ["id"]}}],
            **spec,
        },
    }


def simulation(name: str = "bank", *targets: str, **spec: Any) -> Object:
    """A Simulation of two services."""
    graph = {
        "services": [
            {
                "name": "gateway",
                "endpoints": [{"path": "/pay", "script": [{"call": {"service": "ledger", "path": "/entries"}}]}],
            },
            {"name": "ledger", "endpoints": [{"path": "/entries"}]},
        ],
        "entries": [{"service": "gateway", "path": "/pay"}],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "Simulation",
        "metadata": {"name": name},
        "spec": {
            "clusters": {"names": list(targets or ("finance",))},
            "timeout": "10m",
            "source": {"graph": graph},
            **spec,
        },
    }


def target(name: str, *, secret: str = "", namespace: str = "firedrill", **spec: Any) -> Object:
    """A TargetCluster that allows all that the stand-in does."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TargetCluster",
        "metadata": {"name": name, "labels": {"industry": name}},
        "spec": {
            **({"secretRef": {"name": secret}} if secret else {}),
            "runnerNamespace": namespace,
            "policy": {"faultFamilies": ["workload", "network"]},
            **spec,
        },
    }


def without(body: Object, *path: str) -> Object:
    """The same without one field."""
    head, *rest = path
    if not rest:
        return {key: value for key, value in body.items() if key != head}
    return {**body, head: without(body[head], *rest)}


def with_spec(body: Object, **spec: Any) -> Object:
    """The same with other fields in its spec; None takes one away."""
    merged = {**body["spec"], **spec}
    return {**body, "spec": {key: value for key, value in merged.items() if value is not None}}
