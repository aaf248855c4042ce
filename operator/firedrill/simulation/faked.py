"""Which services have faked pods, and what is wrong with that."""

from collections.abc import Iterator, Sequence
from typing import Final

from firedrill.api.flag import Flag, FlagName
from firedrill.api.servicegraph import Graph, Service
from firedrill.api.simulation import Faked, FakedServices
from firedrill.simulation.catalog import capped

_PLAIN_ROLE: Final = "http"
#: Flags by which a whole process or its pod suffers; a faked service has neither.
_OF_A_PROCESS: Final = frozenset(
    {FlagName.HIGH_CPU, FlagName.MANUAL_GC, FlagName.MEMORY_LEAK, FlagName.DISK_FILL, FlagName.FAILED_READINESS}
)


def unfit(service: Service) -> str:
    """Why the pods of a service can not be faked; empty where they can."""
    if service.role != _PLAIN_ROLE:
        return f"role {service.role} needs a pod of its own"
    if service.autoscaling:
        return "nothing measures the processor time of a faked pod, which autoscaling goes by"
    if service.ports:
        return "of a faked pod HTTP alone is served"
    return ""


def chosen(graph: Graph, faked: Faked | None) -> Graph:
    """The graph with those services marked that are to be faked."""
    if faked is None or faked.services is FakedServices.MARKED:
        return graph
    services = [service.model_copy(update={"faked": not unfit(service)}) for service in graph.services]
    return graph.model_copy(update={"services": services})


def problems(graph: Graph, faked: Faked | None, flags: Sequence[Flag]) -> list[str]:
    """What keeps pods from being faked, with the places; empty where all is sound."""
    return capped([*_services(graph, faked), *_flags(graph, flags)])


def _services(graph: Graph, faked: Faked | None) -> Iterator[str]:
    if faked and not any(service.faked for service in graph.services):
        yield "faked: no service is marked as faked"
    for number, service in enumerate(graph.services):
        if not service.faked:
            continue
        if faked is None:
            yield f"services[{number}].faked: faked.nodes has to say on how many nodes"
        elif unfit(service):
            yield f"services[{number}].faked: {unfit(service)}"


def _flags(graph: Graph, flags: Sequence[Flag]) -> Iterator[str]:
    names = {service.name for service in graph.services if service.faked}
    for number, flag in enumerate(flags):
        if flag.service in names and flag.name in _OF_A_PROCESS:
            yield f"flags[{number}].service: {flag.name} needs a pod of its own, which {flag.service} has not"
