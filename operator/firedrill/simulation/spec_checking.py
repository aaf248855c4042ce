"""What is wrong with the objectives, flags and overrides of a simulation against its graph."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firedrill.api.flag import Flag, FlagName
from firedrill.api.flag_ranges import RANGES
from firedrill.api.objective import Slo
from firedrill.api.servicegraph import BrokerKind, Graph, Service
from firedrill.api.simulation import Override
from firedrill.simulation.catalog import Catalog, capped, unknown
from firedrill.simulation.roles import ISSUER, option_problems, paths_of, role_of
from firedrill.simulation.topology import components_of, consumed, published

#: The load generator, which flags may name beside the services of the graph.
LOAD: Final = "load"
EVERY_SERVICE: Final = "*"


def check_spec(graph: Graph, slos: Sequence[Slo], flags: Sequence[Flag], overrides: Sequence[Override]) -> list[str]:
    """Names that the graph does not have, and flags that nothing would come of; empty where all is sound."""
    catalog = Catalog.of(graph)
    return capped([*_slos(slos, catalog), *_flags(flags, catalog), *_overrides(overrides, catalog)])


def _slos(slos: Sequence[Slo], catalog: Catalog) -> Iterator[str]:
    seen: set[str] = set()
    for number, slo in enumerate(slos):
        place = f"slos[{number}]"
        if slo.name in seen:
            yield f"{place}.name: there is already an objective {slo.name}"
        seen.add(slo.name)
        service = catalog.services.get(slo.service)
        if service is None:
            yield unknown(f"{place}.service", "service", slo.service, catalog.services)
        else:
            yield from _indicator(f"{place}.indicator", slo, service, catalog)


def _indicator(place: str, slo: Slo, service: Service, catalog: Catalog) -> Iterator[str]:
    indicator = slo.indicator
    for name, of_requests in (("availability", indicator.availability), ("latency", indicator.latency)):
        if of_requests is None:
            continue
        if not paths_of(service):
            yield f"{place}.{name}: {service.name} has no endpoint"
        elif of_requests.path and of_requests.path not in paths_of(service):
            what = f"endpoint of {service.name}"
            yield unknown(f"{place}.{name}.path", what, of_requests.path, paths_of(service))
    for name, of_messages in (("freshness", indicator.freshness), ("lag", indicator.lag)):
        if of_messages is None:
            continue
        brokers = {broker for broker, topic in consumed(service) if topic == of_messages.topic}
        if not brokers:
            topics = {topic for _, topic in consumed(service)}
            yield unknown(f"{place}.{name}.topic", f"topic that {service.name} consumes", of_messages.topic, topics)
        elif name == "lag" and not any(
            broker in catalog.brokers and catalog.brokers[broker].kind is BrokerKind.KAFKA for broker in brokers
        ):
            yield f"{place}.lag.topic: {of_messages.topic} is a topic of MQTT, whose brokers keep no offsets"


@dataclass(frozen=True)
class _Needs:
    """What a service must have for a flag to show."""

    what: str
    fits: Callable[[Service, Catalog], bool]


def _uses(kind: Callable[[Catalog], Mapping[str, object]]) -> Callable[[Service, Catalog], bool]:
    return lambda service, catalog: not components_of(service).isdisjoint(kind(catalog))


_NEEDS: Final[Mapping[FlagName, _Needs]] = {
    FlagName.QUEUE_PROBLEMS: _Needs("a service that consumes messages", lambda service, _: bool(consumed(service))),
    FlagName.POISON_MESSAGE: _Needs("a service that publishes messages", lambda service, _: bool(published(service))),
    FlagName.CACHE_FAILURE: _Needs("a service that uses a cache", _uses(lambda catalog: catalog.caches)),
    FlagName.SLOW_QUERIES: _Needs("a service that uses a database", _uses(lambda catalog: catalog.databases)),
    FlagName.STALE_CONFIG: _Needs("a service that reads the settings", lambda service, _: service.settings),
    FlagName.HEARTBEAT_LOSS: _Needs(
        "a service of role device-fleet", lambda service, _: service.role == "device-fleet"
    ),
    FlagName.EXPIRED_CERTIFICATE: _Needs(
        f"a service with TLS or of role {ISSUER}", lambda service, _: role_of(service).tls or service.role == ISSUER
    ),
}


def _flags(flags: Sequence[Flag], catalog: Catalog) -> Iterator[str]:
    seen: set[tuple[str, FlagName]] = set()
    for number, flag in enumerate(flags):
        place = f"flags[{number}]"
        if (flag.service, flag.name) in seen:
            yield f"{place}: {flag.name} of {flag.service} is given twice"
        seen.add((flag.service, flag.name))
        low, high = RANGES[flag.name]
        if not low <= flag.value <= high:
            yield f"{place}.value: {flag.name} must be between {low:g} and {high:g}, and is {flag.value:g}"
        yield from _target(place, flag, catalog)


def _target(place: str, flag: Flag, catalog: Catalog) -> Iterator[str]:
    if flag.service == EVERY_SERVICE:
        return
    if (flag.name is FlagName.FLOOD_ENTRY) != (flag.service == LOAD):
        yield f"{place}.service: {FlagName.FLOOD_ENTRY} is a flag of {LOAD}, and the only one it has"
        return
    if flag.service == LOAD:
        return
    service = catalog.services.get(flag.service)
    if service is None:
        yield unknown(f"{place}.service", "service", flag.service, catalog.services)
        return
    needs = _NEEDS.get(flag.name)
    if needs and not needs.fits(service, catalog):
        yield f"{place}.service: {flag.name} needs {needs.what}, which {service.name} is not"


def _overrides(overrides: Sequence[Override], catalog: Catalog) -> Iterator[str]:
    seen: set[str] = set()
    for number, override in enumerate(overrides):
        place = f"overrides[{number}]"
        if override.service in seen:
            yield f"{place}.service: {override.service} is overridden twice"
        seen.add(override.service)
        service = catalog.services.get(override.service)
        if service is None:
            yield unknown(f"{place}.service", "service", override.service, catalog.services)
            continue
        for name, reason in option_problems(service, override.options, complete=False):
            yield f"{place}.options.{name}: {reason}"
