"""The shape of a service graph: who leads to whom by calls and messages, how deep, and how much a request causes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter

from firedrill.api.servicegraph import CallStep, Graph, LeafStep, Service, Step
from firedrill.simulation.roles import paths_of, role_of

#: Hops after which the work that a request causes is no longer followed: messages may go in circles.
_MOST_HOPS = 64


class EdgeKind(StrEnum):
    """How one service leads to another."""

    CALL = "call"
    MESSAGE = "message"


@dataclass(frozen=True, order=True)
class Edge:
    """One service leads to another."""

    source: str
    target: str
    kind: EdgeKind


@dataclass(frozen=True)
class Place:
    """A service's path, or one of its consumers (``<number>``)."""

    service: str
    part: str


def leaves(script: Sequence[Step], place: str = "script") -> Iterator[tuple[str, LeafStep]]:
    """The steps of a script with their places, those side by side one after the other."""
    for number, step in enumerate(script):
        if step.parallel:
            for inner, leaf in enumerate(step.parallel):
                yield f"{place}[{number}].parallel[{inner}]", leaf
        else:
            yield f"{place}[{number}]", step


def scripts_of(service: Service) -> Iterator[tuple[str, Sequence[Step]]]:
    """The scripts of endpoints and consumers, with their places below the service."""
    for number, endpoint in enumerate(service.endpoints):
        yield f"endpoints[{number}].script", endpoint.script
    for number, consumer in enumerate(service.consumes):
        yield f"consumes[{number}].script", consumer.script


def steps_of(service: Service) -> Iterator[tuple[str, LeafStep]]:
    """All steps of a service, with their places below it."""
    for place, script in scripts_of(service):
        yield from leaves(script, place)


def components_of(service: Service) -> frozenset[str]:
    """Names of the brokers, databases and caches that a service uses."""
    found = {*service.uses, *(consumer.broker for consumer in service.consumes)}
    for _, step in steps_of(service):
        if step.publish:
            found.add(step.publish.broker)
        elif step.query:
            found.add(step.query.database)
        elif step.cache:
            found.add(step.cache.cache)
    return frozenset(found)


def called_path(call: CallStep, callee: Service) -> str:
    """The path that a call goes to; empty where the callee serves none."""
    return call.path or next(iter(paths_of(callee)), "")


def published(service: Service) -> set[tuple[str, str]]:
    """Broker and topic of all that a service publishes."""
    found = {(step.publish.broker, step.publish.topic) for _, step in steps_of(service) if step.publish}
    return found | {(broker, topic) for broker in service.uses for topic in role_of(service).publishes}


def consumed(service: Service) -> set[tuple[str, str]]:
    """Broker and topic of all that a service consumes."""
    found = {(consumer.broker, consumer.topic) for consumer in service.consumes}
    return found | {(broker, topic) for broker in service.uses for topic in role_of(service).subscribes}


def edges(graph: Graph) -> list[Edge]:
    """Who leads to whom, in order and each once. What only reads metrics leads nowhere."""
    found: set[Edge] = set()
    consumers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for service in graph.services:
        for topic in consumed(service):
            consumers[topic].append(service.name)
    for service in graph.services:
        called = [step.call.service for _, step in steps_of(service) if step.call]
        if not role_of(service).observes:
            called += service.calls
        found.update(Edge(service.name, callee, EdgeKind.CALL) for callee in called)
        found.update(
            Edge(service.name, consumer, EdgeKind.MESSAGE)
            for topic in published(service)
            for consumer in consumers[topic]
        )
    return sorted(found)


def reachable(graph: Graph) -> frozenset[str]:
    """Names of the services that do something: entries lead to them, or services that act by themselves."""
    known = {service.name for service in graph.services}
    targets: dict[str, list[str]] = defaultdict(list)
    for edge in edges(graph):
        targets[edge.source].append(edge.target)
    acting = (service.name for service in graph.services if role_of(service).acts)
    waiting = [name for name in (*acting, *(entry.service for entry in graph.entries)) if name in known]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(target for target in targets[name] if target in known)
    return frozenset(found)


def synchronous_calls(graph: Graph) -> list[tuple[str, str, str]]:
    """Caller, callee and place of each call that keeps a caller waiting: not those that a message sets off."""
    found: list[tuple[str, str, str]] = []
    for number, service in enumerate(graph.services):
        for at, endpoint in enumerate(service.endpoints):
            for place, step in leaves(endpoint.script, f"services[{number}].endpoints[{at}].script"):
                if step.call:
                    found.append((service.name, step.call.service, f"{place}.call.service"))
        if not role_of(service).observes:
            found += [
                (service.name, callee, f"services[{number}].calls[{at}]") for at, callee in enumerate(service.calls)
            ]
    return found


def find_cycle(calls: Iterable[tuple[str, str]]) -> list[str] | None:
    """A chain of callers that ends where it begins, or None."""
    callers: dict[str, list[str]] = defaultdict(list)
    for caller, callee in calls:
        callers[callee].append(caller)
    try:
        TopologicalSorter(callers).prepare()
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return None


def _calls_from(graph: Graph) -> dict[Place, list[tuple[Place, float]]]:
    """Calls and messages from each path and consumer, with how often one visit makes them."""
    by_name = {service.name: service for service in graph.services}
    consumers: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for service in graph.services:
        for number, consumer in enumerate(service.consumes):
            consumers[consumer.broker, consumer.topic].append(Place(service.name, f"<{number}>"))
    found: dict[Place, list[tuple[Place, float]]] = defaultdict(list)
    for service in graph.services:
        parts = [(endpoint.path, endpoint.script) for endpoint in service.endpoints]
        parts += [(f"<{number}>", consumer.script) for number, consumer in enumerate(service.consumes)]
        for part, script in parts:
            source = Place(service.name, part)
            for _, step in leaves(script):
                if step.call:
                    callee = Place(step.call.service, called_path(step.call, by_name[step.call.service]))
                    found[source].append((callee, step.call.share))
                elif step.publish:
                    found[source] += [(to, 1.0) for to in consumers[step.publish.broker, step.publish.topic]]
    return found


def depth(graph: Graph) -> int:
    """The longest chain of synchronous calls from an entry: 0 where an entry calls nothing.

    Raises ValueError where calls go in a circle.
    """
    calls: dict[Place, list[Place]] = {
        source: [target for target, _ in targets if not target.part.startswith("<")]
        for source, targets in _calls_from(graph).items()
        if not source.part.startswith("<")
    }
    longest: dict[Place, int] = {}
    for place in TopologicalSorter(calls).static_order():
        longest[place] = max((1 + longest[target] for target in calls.get(place, ())), default=0)
    return max((longest.get(Place(entry.service, entry.path), 0) for entry in graph.entries), default=0)


def visits(graph: Graph) -> dict[str, float]:
    """How often a service works, by call or message, for one request at the entries; the entry itself counts."""
    sources = _calls_from(graph)
    total = sum(entry.weight for entry in graph.entries)
    wave = {Place(entry.service, entry.path): 0.0 for entry in graph.entries}
    for entry in graph.entries:
        wave[Place(entry.service, entry.path)] += entry.weight / total
    found: dict[str, float] = defaultdict(float)
    for _ in range(_MOST_HOPS):
        following: dict[Place, float] = defaultdict(float)
        for place, rate in wave.items():
            found[place.service] += rate
            for target, share in sources.get(place, ()):
                following[target] += rate * share
        wave = following
    return dict(found)


def calls_per_request(graph: Graph) -> float:
    """Mean number of calls and messages that one request at the entries causes."""
    return sum(visits(graph).values()) - 1.0 if graph.entries else 0.0
