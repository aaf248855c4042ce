"""What an industry consists of, and the words that the industries are written in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from firedrill.api.objective import Availability, Indicator, LatencyIndicator, Slo
from firedrill.api.run import Resources
from firedrill.api.servicegraph import (
    CacheOperation,
    CacheStep,
    CallStep,
    Consumer,
    Endpoint,
    Graph,
    Latency,
    LeafStep,
    PublishStep,
    QueryStep,
    Service,
    Step,
)
from firedrill.api.simulation import ExtendedResource, Load


@dataclass(frozen=True)
class Blueprint:
    """A graph with the objectives, load and settings that go with it."""

    graph: Graph
    slos: Sequence[Slo]
    load: Load
    settings: Mapping[str, str] = field(default_factory=dict)
    extended_resources: Sequence[ExtendedResource] = ()


def time(median: float, p99: float | None = None) -> Latency:
    """A time by its median and 99th percentile, in milliseconds."""
    return Latency(median=timedelta(milliseconds=median), p99=None if p99 is None else timedelta(milliseconds=p99))


def call(service: str, path: str | None = None, share: float = 1.0, timeout: float | None = None) -> Step:
    """A call; the timeout in milliseconds."""
    limit = None if timeout is None else timedelta(milliseconds=timeout)
    return Step(call=CallStep(service=service, path=path, share=share, timeout=limit))


def compute(median: float) -> Step:
    """Processor time, in milliseconds."""
    return Step(compute=time(median))


def sleep(median: float, p99: float) -> Step:
    """A pause, in milliseconds."""
    return Step(sleep=time(median, p99))


def publish(broker: str, topic: str) -> Step:
    """A message."""
    return Step(publish=PublishStep(broker=broker, topic=topic))


def query(database: str, operation: str) -> Step:
    """A statement."""
    return Step(query=QueryStep(database=database, operation=operation))


def cached(cache: str, hit_ratio: float = 0.9) -> Step:
    """A key that is looked up."""
    return Step(cache=CacheStep(cache=cache, operation=CacheOperation.GET, hit_ratio=hit_ratio))


def together(*steps: Step) -> Step:
    """Leaf steps side by side."""
    return Step(parallel=[LeafStep(**{name: getattr(step, name) for name in LeafStep.model_fields}) for step in steps])


def endpoint(path: str, *script: Step, latency: Latency | None = None, error_rate: float = 0.0) -> Endpoint:
    """What a service offers."""
    return Endpoint(path=path, latency=latency, error_rate=error_rate, script=list(script))


def consumer(broker: str, topic: str, group: str, *script: Step) -> Consumer:
    """What a service takes from a topic."""
    return Consumer(broker=broker, topic=topic, group=group, script=list(script))


def service(name: str, *endpoints: Endpoint, **more: object) -> Service:
    """A service of role http, where no other role is given."""
    return Service.model_validate({"name": name, "endpoints": list(endpoints), **more})


def acting(name: str, role: str, options: Mapping[str, str], **more: object) -> Service:
    """A service of a special role with its options."""
    return Service.model_validate({"name": name, "role": role, "options": dict(options), **more})


def extended(resource: str) -> Resources:
    """Resources of a small service that asks for one of an extended resource."""
    return Resources(requests={"cpu": "5m", "memory": "16Mi", resource: "1"}, limits={"memory": "64Mi", resource: "1"})


def available(name: str, of: str, objective: float, path: str | None = None) -> Slo:
    """An objective of availability."""
    return Slo(name=name, service=of, objective=objective, indicator=Indicator(availability=Availability(path=path)))


def fast(name: str, of: str, milliseconds: float, objective: float, path: str | None = None) -> Slo:
    """An objective of latency."""
    threshold = timedelta(milliseconds=milliseconds)
    indicator = Indicator(latency=LatencyIndicator(path=path, threshold=threshold))
    return Slo(name=name, service=of, objective=objective, indicator=indicator)
