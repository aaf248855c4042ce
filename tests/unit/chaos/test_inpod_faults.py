"""What faults inside of pods do there, and what they refuse."""

from typing import Any

import pytest
from pydantic import ValidationError

from firedrill.api.faults.union import Fault
from firedrill.engines.chaos.faults.stress import Stress, stress
from firedrill.engines.chaos.faults.template import NotApplicable
from firedrill.engines.chaos.faults.traffic import Traffic, proxy_port, traffic

Object = dict[str, Any]
HTTP = {"mode": "http", "port": 80}

TRAFFIC: list[tuple[Object, Traffic]] = [
    (
        {"networkLatency": {"port": 80, "delay": "300ms", "jitter": "50ms"}},
        Traffic("delay", 80, {"mode": "delay", "port": 80, "delayMs": 300, "jitterMs": 50}, 0, 300, 50),
    ),
    ({"bandwidthLimit": {"port": 80, "rate": "256kbit"}}, Traffic("limit", 80, rate=256_000)),
    ({"bandwidthLimit": {"port": 80, "rate": "2Mbit"}}, Traffic("limit", 80, rate=2_000_000)),
    ({"httpAbort": {"port": 80, "percent": 30}}, Traffic("redirect", 80, {**HTTP, "percent": 30, "status": 503})),
    (
        {"httpDelay": {"port": 80, "delay": "1s"}},
        Traffic("redirect", 80, {**HTTP, "percent": 100, "delayMs": 1000, "jitterMs": 0}),
    ),
    (
        {"httpReplace": {"port": 80, "body": "no"}},
        Traffic("redirect", 80, {**HTTP, "percent": 100, "body": "no", "status": 0}),
    ),
    (
        {"dnsAnswer": {"answers": [{"name": "A.b."}, {"name": "c", "address": "192.0.2.1"}]}},
        Traffic("redirect", None, {"mode": "dns", "answers": {"a.b": "", "c": "192.0.2.1"}}),
    ),
    (
        {"certificateWrong": {"port": 443, "mode": "WrongHost"}},
        Traffic("redirect", 443, {"mode": "tls", "port": 443, "certificate": "WrongHost"}),
    ),
]


@pytest.mark.parametrize(("fault", "expected"), TRAFFIC, ids=lambda value: str(value)[:30])
def test_what_a_fault_of_traffic_does(fault: Object, expected: Traffic) -> None:
    assert traffic(Fault.model_validate(fault).chosen) == expected  # type: ignore[arg-type]


def test_a_proxy_listens_where_connections_of_the_kernel_do_not() -> None:
    ports = {proxy_port(f"run{number}") for number in range(500)}
    assert min(ports) >= 28100
    assert max(ports) < 30100
    assert len(ports) > 50


def pod(limits: Object | None = None, **spec: Any) -> Object:
    container = {"name": "app", "resources": {"limits": limits or {}}}
    return {"spec": {"containers": [container, {"name": "sidecar", "securityContext": {"runAsUser": 5}}], **spec}}


LIMITED = pod({"memory": "96Mi"})
STRESS: list[tuple[Object, Object, Stress]] = [
    ({"cpuStress": {"workers": 2}}, pod(), Stress("app", {"mode": "cpu", "workers": 2})),
    ({"cpuStress": {"container": "sidecar"}}, pod(), Stress("sidecar", {"mode": "cpu", "workers": 1}, 5)),
    (
        {"cpuStress": {}},
        pod(securityContext={"runAsUser": 7, "runAsGroup": 8}),
        Stress("app", {"mode": "cpu", "workers": 1}, 7, 8),
    ),
    (
        {"memoryStress": {"limitPercent": 80}},
        LIMITED,
        Stress("app", {"mode": "memory", "bytes": 0, "limitPercent": 80}),
    ),
    (
        {"memoryStress": {"size": "256Mi"}},
        pod(),
        Stress("app", {"mode": "memory", "bytes": 256 << 20, "limitPercent": 0}),
    ),
    ({"oomKill": {}}, LIMITED, Stress("app", {"mode": "oom"})),
    (
        {"diskFill": {"path": "/dev/shm", "freePercent": 100}},
        pod(),
        Stress("app", {"mode": "disk", "path": "/dev/shm", "bytes": 0, "limitPercent": 100}),
    ),
    ({"connectionExhaustion": {"port": 80}}, pod(), Stress("", {"mode": "connections", "port": 80, "count": 200})),
]


@pytest.mark.parametrize(("fault", "body", "expected"), STRESS, ids=lambda value: str(value)[:30])
def test_what_a_load_takes_of_which_container(fault: Object, body: Object, expected: Stress) -> None:
    assert stress(Fault.model_validate(fault).chosen, body) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "body", "says"),
    [
        ({"oomKill": {}}, pod(), "app has no memory limit that could be used up"),
        ({"memoryStress": {"limitPercent": 50}}, pod(), "no memory limit: only a size of 256Mi"),
        ({"memoryStress": {"size": "257Mi"}}, pod(), "no memory limit: only a size of 256Mi"),
        ({"cpuStress": {"container": "none"}}, pod(), "no container none: there is app, sidecar"),
        ({"cpuStress": {}}, pod(hostPID=True), "sees the processes of its node"),
    ],
)
def test_what_is_refused(fault: Object, body: Object, says: str) -> None:
    with pytest.raises(NotApplicable, match=says):
        stress(Fault.model_validate(fault).chosen, body)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"networkLatency": {"port": 80, "delay": "61s"}}, "delay must be more than 0s and 60s at most"),
        ({"networkLatency": {"port": 80, "delay": "0s"}}, "delay must be more than 0s"),
        ({"httpDelay": {"port": 80, "delay": "1s", "jitter": "2s"}}, "jitter must not be more than delay"),
        ({"bandwidthLimit": {"port": 80, "rate": "fast"}}, "rate"),
        ({"httpAbort": {"port": 80, "status": 200}}, "status"),
        ({"dnsAnswer": {"answers": []}}, "answers"),
        ({"dnsAnswer": {"answers": [{"name": "a", "address": "b"}]}}, "address"),
        ({"dnsAnswer": {"answers": [{"name": "a b"}]}}, "name"),
        ({"memoryStress": {}}, "set exactly one of limitPercent, size"),
        ({"memoryStress": {"size": "1Mi", "limitPercent": 5}}, "set exactly one of limitPercent, size"),
        ({"diskFill": {"path": "tmp", "size": "1Mi"}}, "path"),
        ({"diskFill": {}}, "set exactly one of size, freePercent"),
        ({"connectionExhaustion": {"port": 80, "connections": 5001}}, "connections"),
    ],
)
def test_wrong_fields_are_named(fault: Object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Fault.model_validate(fault)
