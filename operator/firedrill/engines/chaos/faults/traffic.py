"""What each fault of traffic does, in the words of the programs that carry it out in the pod."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from firedrill.api.faults.traffic import (
    BandwidthLimit,
    CertificateWrong,
    DnsAnswer,
    HttpAbort,
    HttpDelay,
    HttpReplace,
    NetworkLatency,
    TrafficFault,
)

#: Ports of proxies: above those that applications choose, below those that the kernel gives to connections.
_FIRST_PORT: Final = 28100
_PORTS: Final = 2000


@dataclass(frozen=True)
class Traffic:
    """``action`` is that of netfault; ``port`` the application's, None for name servers; ``rate`` bits a second.

    ``settings`` are those of the proxy, without its port; empty where there is none.
    """

    action: str
    port: int | None
    settings: dict[str, Any] = field(default_factory=dict)
    rate: int = 0
    delay_ms: int = 0
    jitter_ms: int = 0


def traffic(fault: TrafficFault) -> Traffic:
    """What a fault does."""
    match fault:
        case NetworkLatency():
            times = _times(fault.delay, fault.jitter)
            settings = {"mode": "delay", "port": fault.port, **times}
            return Traffic("delay", fault.port, settings, delay_ms=times["delayMs"], jitter_ms=times["jitterMs"])
        case BandwidthLimit():
            return Traffic("limit", fault.port, rate=fault.bits)
        case HttpAbort():
            return _http(fault.port, fault.percent, status=fault.status)
        case HttpDelay():
            return _http(fault.port, fault.percent, **_times(fault.delay, fault.jitter))
        case HttpReplace():
            return _http(fault.port, fault.percent, body=fault.body, status=fault.status or 0)
        case DnsAnswer():
            answers = {each.name.rstrip(".").lower(): each.address or "" for each in fault.answers}
            return Traffic("redirect", None, {"mode": "dns", "answers": answers})
        case CertificateWrong():
            settings = {"mode": "tls", "port": fault.port, "certificate": fault.mode.value}
            return Traffic("redirect", fault.port, settings)
    raise AssertionError(f"{type(fault).__name__} is no fault of traffic")


def proxy_port(run_id: str) -> int:
    """Where the proxy of a run listens: the same in each of its pods."""
    return _FIRST_PORT + sum(value * (index + 1) for index, value in enumerate(run_id.encode())) % _PORTS


def _http(port: int, percent: int, **settings: Any) -> Traffic:
    return Traffic("redirect", port, {"mode": "http", "port": port, "percent": percent, **settings})


def _times(delay: timedelta, jitter: timedelta) -> dict[str, int]:
    return {"delayMs": round(delay / timedelta(milliseconds=1)), "jitterMs": round(jitter / timedelta(milliseconds=1))}
