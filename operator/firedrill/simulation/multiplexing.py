"""How pods are faked: they are on nodes that are not there, and a port of the multiplexer serves for their service."""

from collections.abc import Iterable
from typing import Final
from zlib import crc32

from firedrill.simulation.labels import Object

MULTIPLEXER: Final = "multiplexer"
#: Name of the port that shows the metrics of all services in one process, each with a label of its own.
SHARED_PORT: Final = "shared"

#: Of faked nodes and pods, as kwok's own manuals have it.
FAKED_KEY: Final = "kwok.x-k8s.io/node"
FAKED_VALUE: Final = "fake"
NODE_TYPE: Final = {"type": "kwok"}

#: Below those that a kernel hands out by itself.
_FIRST_PORT, _PORTS = 10_000, 20_000


def ports_for(services: Iterable[str]) -> dict[str, int]:
    """A port of the multiplexer for each service. Another service more or less moves hardly any."""
    found: dict[str, int] = {}
    taken: set[int] = set()
    for name in sorted(services):
        place = crc32(name.encode()) % _PORTS
        while place in taken:
            place = (place + 1) % _PORTS
        taken.add(place)
        found[name] = _FIRST_PORT + place
    return found


def on_faked_node(deployment: Object, port: int) -> Object:
    """The Deployment with its pods on faked nodes; the container's port is that of the multiplexer."""
    template = deployment["spec"]["template"]
    spec = template["spec"]
    (container,) = spec["containers"]
    labels = {**template["metadata"]["labels"], FAKED_KEY: FAKED_VALUE}
    # No kubelet confirms the end of these pods, so it has to be without grace.
    faked = {
        **spec,
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": dict(NODE_TYPE),
        "tolerations": [
            {"key": FAKED_KEY, "operator": "Equal", "value": FAKED_VALUE, "effect": "NoSchedule"},
        ],
        "containers": [_without_probes({**container, "ports": [{"name": "faked", "containerPort": port}]})],
    }
    return {
        **deployment,
        "spec": {**deployment["spec"], "template": {"metadata": {"labels": labels}, "spec": faked}},
    }


def _without_probes(container: Object) -> Object:
    return {key: value for key, value in container.items() if not key.endswith("Probe")}
