"""What is wrong with a service graph, each problem with its place."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import Final

from firedrill.api.servicegraph import Broker, BrokerKind, Graph, LeafStep, Service
from firedrill.simulation.catalog import Catalog, capped, unknown
from firedrill.simulation.labels import HTTP_PORT
from firedrill.simulation.roles import (
    ISSUER,
    RESERVED_PATHS,
    ROLES,
    option_problems,
    paths_of,
    role_of,
)
from firedrill.simulation.spec_checking import check_spec
from firedrill.simulation.tables import OPERATIONS
from firedrill.simulation.topology import (
    called_path,
    find_cycle,
    reachable,
    steps_of,
    synchronous_calls,
)

__all__ = ["RESERVED_NAMES", "check_spec", "problems"]

#: Names of what every simulation has beside its graph.
RESERVED_NAMES: Final = frozenset({"flags", "kwok", "load", "multiplexer", "prometheus", "recorder", "settings"})

_MOST_CYCLES = 10
_KAFKA_TOPIC: Final = r"[A-Za-z0-9._-]+"


def problems(graph: Graph) -> list[str]:
    """All that keeps a graph from being built, in the order of the graph; empty for a sound one.

    Long lists are cut, and end with how many more there are.
    """
    return capped(_problems(graph))


def _problems(graph: Graph) -> Iterator[str]:
    catalog = Catalog.of(graph)
    yield from _names(graph)
    yield from _components(graph)
    for number, service in enumerate(graph.services):
        place = f"services[{number}]"
        yield from _own(place, service)
        yield from _role(place, service, catalog)
        yield from _references(place, service, catalog)
    yield from _groups(graph, catalog)
    yield from _entries(graph, catalog)
    yield from _zones(graph)
    yield from _cycles(graph)
    yield from _unreached(graph)


def _repeated(places: Iterable[tuple[str, Hashable]], what: str) -> Iterator[str]:
    """Problems of places whose value an earlier one has; ``what`` says of whom it is."""
    first: dict[Hashable, str] = {}
    for place, value in places:
        if value in first:
            yield f"{place}: {what} {value} is already {first[value]}"
        else:
            first[value] = place


def _names(graph: Graph) -> Iterator[str]:
    named = [
        *((f"services[{number}].name", service.name) for number, service in enumerate(graph.services)),
        *((f"brokers[{number}].name", broker.name) for number, broker in enumerate(graph.brokers)),
        *((f"databases[{number}].name", database.name) for number, database in enumerate(graph.databases)),
        *((f"caches[{number}].name", cache.name) for number, cache in enumerate(graph.caches)),
    ]
    yield from _repeated(named, "the name")
    for place, name in named:
        if name in RESERVED_NAMES:
            yield f"{place}: {name} is reserved, as are {', '.join(sorted(RESERVED_NAMES - {name}))}"


def _components(graph: Graph) -> Iterator[str]:
    for number, broker in enumerate(graph.brokers):
        topics = ((f"brokers[{number}].topics[{at}].name", topic.name) for at, topic in enumerate(broker.topics))
        yield from _repeated(topics, "topic")
        if broker.kind is BrokerKind.KAFKA:
            yield from _kafka_topics(f"brokers[{number}].topics", broker)
    for number, database in enumerate(graph.databases):
        if database.table_model not in OPERATIONS:
            yield unknown(f"databases[{number}].tableModel", "table model", database.table_model, OPERATIONS)


def _kafka_topics(place: str, broker: Broker) -> Iterator[str]:
    for at, topic in enumerate(broker.topics):
        if not re.fullmatch(_KAFKA_TOPIC, topic.name) or topic.name in (".", ".."):
            yield f"{place}[{at}].name: {topic.name} is no name for Kafka, which takes letters, digits, dots, _ and -"


def _own(place: str, service: Service) -> Iterator[str]:
    """What can be said of a service by itself."""
    paths = [(f"{place}.endpoints[{at}].path", endpoint.path) for at, endpoint in enumerate(service.endpoints)]
    yield from _repeated(paths, "path")
    for at, path in paths:
        if path in RESERVED_PATHS:
            yield f"{at}: every service serves {path} of its own"
        elif path in role_of(service).paths:
            yield f"{at}: role {service.role} serves {path} of its own"
    ports = [(f"{place}.ports[{at}]", port) for at, port in enumerate(service.ports)]
    taken = [(f"the port of role {service.role}", port) for port in role_of(service).ports]
    yield from _repeated([("the HTTP port", HTTP_PORT), *taken, *ports], "port")
    groups = (
        (f"{place}.consumes[{at}]", f"{consumer.broker}/{consumer.topic}/{consumer.group}")
        for at, consumer in enumerate(service.consumes)
    )
    yield from _repeated(groups, "consumer")


def _role(place: str, service: Service, catalog: Catalog) -> Iterator[str]:
    if service.role not in ROLES:
        yield unknown(f"{place}.role", "role", service.role, ROLES)
        return
    role = role_of(service)
    for name, reason in option_problems(service, service.options, complete=True):
        yield f"{place}.options.{name}: {reason}"
    called = {catalog.services[name].role for name in service.calls if name in catalog.services}
    for wanted in role.calls:
        if wanted not in called:
            yield f"{place}.calls: role {service.role} needs a service of role {wanted} to call"
    if role.calls_any and not service.calls:
        yield f"{place}.calls: role {service.role} needs services to call"
    used = [catalog.databases[name] for name in service.uses if name in catalog.databases]
    if role.table_model and [database.table_model for database in used].count(role.table_model) != 1:
        yield f"{place}.uses: role {service.role} needs one database with the table model {role.table_model}"
    kinds = [catalog.brokers[name].kind for name in service.uses if name in catalog.brokers]
    if role.broker and kinds.count(role.broker) != 1:
        yield f"{place}.uses: role {service.role} needs one broker of kind {role.broker}"
    if role.extended_resource and not any("/" in name for name in service.resources.limits):
        yield f"{place}.resources.limits: role {service.role} needs an extended resource such as sim.example/gpu"


def _references(place: str, service: Service, catalog: Catalog) -> Iterator[str]:
    for at, name in enumerate(service.uses):
        if name not in catalog.components:
            yield unknown(f"{place}.uses[{at}]", "broker, database or cache", name, catalog.components)
    for at, name in enumerate(service.calls):
        if name not in catalog.services:
            yield unknown(f"{place}.calls[{at}]", "service", name, catalog.services)
    for at, consumer in enumerate(service.consumes):
        yield from _topic(f"{place}.consumes[{at}]", consumer.broker, consumer.topic, catalog)
    for below, step in steps_of(service):
        yield from _step(f"{place}.{below}", step, catalog)
    secured = [name for name in _callees(service) if name in catalog.services and role_of(catalog.services[name]).tls]
    if secured and not any(catalog.services[name].role == ISSUER for name in service.calls if name in catalog.services):
        yield f"{place}.calls: {secured[0]} is called with TLS, so a service of role {ISSUER} has to be named here too"


def _callees(service: Service) -> list[str]:
    return [step.call.service for _, step in steps_of(service) if step.call]


def _step(place: str, step: LeafStep, catalog: Catalog) -> Iterator[str]:
    if step.call:
        callee = catalog.services.get(step.call.service)
        if callee is None:
            yield unknown(f"{place}.call.service", "service", step.call.service, catalog.services)
        elif not paths_of(callee):
            yield f"{place}.call.service: {callee.name} has no endpoint"
        elif called_path(step.call, callee) not in paths_of(callee):
            what = f"endpoint of {callee.name}"
            yield unknown(f"{place}.call.path", what, called_path(step.call, callee), paths_of(callee))
    elif step.publish:
        yield from _topic(f"{place}.publish", step.publish.broker, step.publish.topic, catalog)
    elif step.query:
        database = catalog.databases.get(step.query.database)
        if database is None:
            yield unknown(f"{place}.query.database", "database", step.query.database, catalog.databases)
        elif step.query.operation not in OPERATIONS.get(database.table_model, (step.query.operation,)):
            what = f"operation of the table model {database.table_model}"
            known = OPERATIONS[database.table_model]
            yield unknown(f"{place}.query.operation", what, step.query.operation, known)
    elif step.cache and step.cache.cache not in catalog.caches:
        yield unknown(f"{place}.cache.cache", "cache", step.cache.cache, catalog.caches)


def _topic(place: str, broker: str, topic: str, catalog: Catalog) -> Iterator[str]:
    declared = catalog.brokers.get(broker)
    if declared is None:
        yield unknown(f"{place}.broker", "broker", broker, catalog.brokers)
        return
    names = [spec.name for spec in declared.topics]
    if topic not in names:
        yield unknown(f"{place}.topic", f"topic of {broker}", topic, names)


def _groups(graph: Graph, catalog: Catalog) -> Iterator[str]:
    """A group's members share one subscription: with different topics, partitions stay without a reader."""
    topics: dict[tuple[str, str], dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for number, service in enumerate(graph.services):
        for consumer in service.consumes:
            broker = catalog.brokers.get(consumer.broker)
            if broker and broker.kind is BrokerKind.KAFKA:
                topics[consumer.broker, consumer.group][number].add(consumer.topic)
    for (_, group), members in topics.items():
        for (one, its), (other, others) in combinations(members.items(), 2):
            if its != others:
                yield (
                    f"services[{other}].consumes: group {group} is also that of {graph.services[one].name}, "
                    f"which consumes {', '.join(sorted(its))}: members of a group must consume the same topics"
                )


def _entries(graph: Graph, catalog: Catalog) -> Iterator[str]:
    for number, entry in enumerate(graph.entries):
        service = catalog.services.get(entry.service)
        if service is None:
            yield unknown(f"entries[{number}].service", "service", entry.service, catalog.services)
        elif entry.path not in paths_of(service):
            what = f"endpoint of {service.name}"
            yield unknown(f"entries[{number}].path", what, entry.path, paths_of(service))
        elif role_of(service).tls:
            yield f"entries[{number}].service: {service.name} is served with TLS, which load does not speak"
    named = ((f"entries[{number}]", f"{entry.service}{entry.path}") for number, entry in enumerate(graph.entries))
    yield from _repeated(named, "entry")


def _zones(graph: Graph) -> Iterator[str]:
    zones = {service.zone for service in graph.services if service.zone}
    for number, way in enumerate(graph.zone_latencies):
        place = f"zoneLatencies[{number}].between"
        for at, zone in enumerate(way.between):
            if zone not in zones:
                yield unknown(f"{place}[{at}]", "zone", zone, zones)
        if way.between[0] == way.between[1]:
            yield f"{place}: both zones are {way.between[0]}"
    pairs = (
        (f"zoneLatencies[{number}].between", " and ".join(sorted(way.between)))
        for number, way in enumerate(graph.zone_latencies)
    )
    yield from _repeated(pairs, "the way between")


def _cycles(graph: Graph) -> Iterator[str]:
    """Cycles of synchronous calls, each at the call that closes it."""
    order = {service.name: number for number, service in enumerate(graph.services)}
    calls: dict[tuple[str, str], str] = {}
    for caller, callee, place in synchronous_calls(graph):
        if callee in order:
            calls.setdefault((caller, callee), place)
    for _ in range(_MOST_CYCLES):
        cycle = find_cycle(calls)
        if cycle is None:
            return
        cycle = _from_first(cycle[:-1], order)
        place = calls.pop((cycle[-2], cycle[-1]))
        yield f"{place}: calls go in a circle: {' -> '.join(cycle)}; let a topic stand between"


def _from_first(ring: list[str], order: Mapping[str, int]) -> list[str]:
    """The ring told from the service that is declared first, which ends it too."""
    start = min(range(len(ring)), key=lambda at: order[ring[at]])
    return [*ring[start:], *ring[:start], ring[start]]


def _unreached(graph: Graph) -> Iterator[str]:
    reached = reachable(graph)
    if not reached:
        yield "entries: no load comes in, and no service acts by itself"
        return
    for number, service in enumerate(graph.services):
        if service.name not in reached:
            yield (
                f"services[{number}]: nothing leads to {service.name}: no entry, no call and no message "
                "from a service that does something"
            )
