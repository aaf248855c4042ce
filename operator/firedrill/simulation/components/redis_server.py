"""Redis as a cache: nothing is written to disk, the least recently used keys give way."""

from collections.abc import Mapping

from firedrill.simulation.components.pod import Component, Pod, Resources, exec_probe, scratch, stateful_set
from firedrill.simulation.labels import Object

PORT = 6379
MAX_MEMORY = 64


def redis(name: str, image: str, labels: Mapping[str, str]) -> list[Object]:
    """A cache of 64 MiB at `NAME:6379`."""
    component = Component(name, image, labels)
    # -e: an answer that is an error, as while it loads or is over its limits, fails the probe too.
    ping = ("redis-cli", "-e", "-p", str(PORT), "ping")
    pod = Pod(
        command=(
            *("redis-server", "--port", str(PORT), "--protected-mode", "no", "--dir", "/tmp"),  # noqa: S108
            *("--save", "", "--appendonly", "no"),
            *("--maxmemory", f"{MAX_MEMORY}mb", "--maxmemory-policy", "allkeys-lru"),
        ),
        port_name="redis",
        port=PORT,
        resources=Resources(cpu="20m", memory=24, memory_limit=MAX_MEMORY * 2),
        startup=exec_probe(ping, period=1, timeout=3, failures=30),
        readiness=exec_probe(ping, period=5, timeout=3, failures=3),
        volumes=(scratch("tmp", "/tmp", "16Mi"),),  # noqa: S108
    )
    return [component.service("redis", PORT), stateful_set(component, pod)]
