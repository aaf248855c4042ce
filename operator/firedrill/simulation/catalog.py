"""What a graph declares, by name, and how to tell a person that a name is not among it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from firedrill.api.servicegraph import Broker, Cache, Database, Graph, Service


@dataclass(frozen=True)
class Catalog:
    """The declarations of a graph by name; of two with the same name, the first."""

    services: Mapping[str, Service]
    brokers: Mapping[str, Broker]
    databases: Mapping[str, Database]
    caches: Mapping[str, Cache]

    @classmethod
    def of(cls, graph: Graph) -> "Catalog":
        """The declarations of a graph."""
        return cls(
            {service.name: service for service in reversed(graph.services)},
            {broker.name: broker for broker in reversed(graph.brokers)},
            {database.name: database for database in reversed(graph.databases)},
            {cache.name: cache for cache in reversed(graph.caches)},
        )

    @property
    def components(self) -> frozenset[str]:
        """Names of brokers, databases and caches."""
        return frozenset((*self.brokers, *self.databases, *self.caches))


def unknown(place: str, what: str, name: str, known: Iterable[str]) -> str:
    """The problem that no such thing is known at a place, with the name that was probably meant."""
    meant = get_close_matches(name, sorted(known), n=1)
    return f"{place}: no {what} is called {name}" + (f"; did you mean {meant[0]}?" if meant else "")


def capped(problems: Iterable[str], limit: int = 50) -> list[str]:
    """The first problems up to the limit, and how many more there are."""
    found = list(dict.fromkeys(problems))
    return found if len(found) <= limit else [*found[:limit], f"and {len(found) - limit} more"]
