"""The service graph: what a simulated industry is made of, as a person writes it."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from firedrill.api.base import Duration, Model
from firedrill.api.run import Labels, Resources

DnsLabel = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]
Topic = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9._/-]+$")]
Path = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^/[A-Za-z0-9._/-]*$")]
Share = Annotated[float, Field(ge=0, le=1)]

LONGEST_WAIT: Final = timedelta(seconds=60)


def _is_a_wait(value: timedelta) -> timedelta:
    if not timedelta(0) < value <= LONGEST_WAIT:
        raise ValueError(f"must be more than 0s and at most 60s, and is {value.total_seconds():g}s")
    return value


#: A time that a request may take or wait: more than 0 s, at most 60 s.
Wait = Annotated[Duration, AfterValidator(_is_a_wait)]

_ONE_OF = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})


class Latency(Model):
    """A time that varies: lognormal by its median and its 99th percentile, or constant without one."""

    median: Wait = Field(description="Half of the times are shorter; at most 60s.")
    p99: Wait | None = Field(default=None, description="One time in a hundred is longer, at most 60s; none: always so.")

    @model_validator(mode="after")
    def _is_ordered(self) -> "Latency":
        if self.p99 is not None and self.p99 < self.median:
            raise ValueError("p99 can not be less than median")
        return self


class CallStep(Model):
    """A request to another service of the graph."""

    service: DnsLabel = Field(description="Who is called.")
    path: Path | None = Field(default=None, description="Which of its endpoints; else its first.")
    share: Share = Field(default=1.0, description="Share of requests that make this call.")
    timeout: Wait | None = Field(default=None, description="A slower answer is a failure; at most 60s, else 2s.")
    retries: int = Field(default=0, ge=0, le=5, description="Tries after a failure.")


class PublishStep(Model):
    """A message to a topic."""

    broker: DnsLabel = Field(description="A broker of the graph.")
    topic: Topic = Field(description="A topic of that broker.")


class QueryStep(Model):
    """A statement against a database."""

    database: DnsLabel = Field(description="A database of the graph.")
    operation: DnsLabel = Field(description="What the database's schema offers, such as transfer, read or write.")


class CacheOperation(StrEnum):
    """What is asked of a cache."""

    GET = "get"
    SET = "set"


class CacheStep(Model):
    """A command to a cache."""

    cache: DnsLabel = Field(description="A cache of the graph.")
    operation: CacheOperation = Field(default=CacheOperation.GET, description="get or set.")
    hit_ratio: Share = Field(default=0.9, description="Share of keys asked for that are there once it is warm.")


class LeafStep(Model):
    """One thing that a request does: exactly one of these."""

    model_config = _ONE_OF

    call: CallStep | None = Field(default=None, description="Call another service.")
    sleep: Latency | None = Field(default=None, description="Wait.")
    compute: Latency | None = Field(default=None, description="Burn processor time.")
    publish: PublishStep | None = Field(default=None, description="Publish a message.")
    query: QueryStep | None = Field(default=None, description="Ask a database.")
    cache: CacheStep | None = Field(default=None, description="Ask a cache.")

    @model_validator(mode="after")
    def _exactly_one(self) -> "LeafStep":
        names = sorted(type(self).model_fields)
        given = [name for name in names if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"set exactly one of {', '.join(names)}; {len(given)} are set")
        return self


class Step(LeafStep):
    """A leaf, or several side by side."""

    parallel: list[LeafStep] = Field(
        default_factory=list, max_length=64, description="Steps side by side; the slowest counts, and any that fails."
    )


Script = Annotated[list[Step], Field(max_length=64)]


class Endpoint(Model):
    """What a service offers."""

    path: Path = Field(description="Path of the URL.")
    error_rate: Share = Field(default=0.0, description="Share of requests that fail by themselves.")
    latency: Latency | None = Field(default=None, description="Own time, before the script.")
    response_bytes: int = Field(default=256, ge=0, le=1_048_576, description="Size of the answer.")
    timeout: Wait | None = Field(default=None, description="Limit for the whole request; at most 60s, else 5s.")
    script: Script = Field(default_factory=list, description="What it does, one after the other.")


class Consumer(Model):
    """What a service takes from a topic."""

    broker: DnsLabel = Field(description="A broker of the graph.")
    topic: Topic = Field(description="A topic of that broker.")
    group: DnsLabel = Field(description="Consumer group; its members share the partitions.")
    script: Script = Field(default_factory=list, description="What is done with each message.")


class Autoscaling(Model):
    """A HorizontalPodAutoscaler."""

    min_replicas: int = Field(default=1, ge=1, le=50, description="Never fewer.")
    max_replicas: int = Field(ge=1, le=100, description="Never more.")
    cpu_percent: int = Field(default=70, ge=1, le=1000, description="Wanted use of the processor request.")

    @model_validator(mode="after")
    def _is_ordered(self) -> "Autoscaling":
        if self.max_replicas < self.min_replicas:
            raise ValueError("maxReplicas can not be less than minReplicas")
        return self


class Service(Model):
    """A service: some pods of the same program."""

    name: DnsLabel = Field(description="Name of its Deployment and Service.")
    role: DnsLabel = Field(default="http", description="What its program is: http, or a special one such as fhir.")
    options: dict[str, Annotated[str, Field(max_length=256)]] = Field(
        default_factory=dict, max_length=32, description="Settings of a special role."
    )
    replicas: int = Field(default=1, ge=0, le=50, description="Pods.")
    resources: Resources = Field(default_factory=Resources, description="Requests and limits; else small ones.")
    labels: Labels = Field(default_factory=dict, max_length=16, description="More labels of its objects.")
    zone: DnsLabel | None = Field(default=None, description="Zone that its pods run in, where nodes are labelled.")
    faked: bool = Field(
        default=False, description="Its pods are on faked nodes, and one process serves for it while any of them is up."
    )
    settings: bool = Field(default=False, description="Whether it reads the business settings of the simulation.")
    ports: list[Annotated[int, Field(ge=1024, le=65535)]] = Field(
        default_factory=list, max_length=8, description="TCP ports beside 8080 that its role listens on."
    )
    calls: list[DnsLabel] = Field(
        default_factory=list, max_length=64, description="Services that its role calls beside those in scripts."
    )
    uses: list[DnsLabel] = Field(
        default_factory=list, max_length=16, description="Brokers, databases, caches that its role uses beside scripts."
    )
    endpoints: list[Endpoint] = Field(default_factory=list, max_length=32, description="What it offers.")
    consumes: list[Consumer] = Field(default_factory=list, max_length=16, description="Topics that it consumes.")
    autoscaling: Autoscaling | None = Field(default=None, description="Scales it by its use of processor time.")


class BrokerKind(StrEnum):
    """Message brokers."""

    KAFKA = "Kafka"
    MQTT = "Mqtt"


class TopicSpec(Model):
    """A topic that is created with its broker."""

    name: Topic = Field(description="Name of the topic.")
    partitions: int = Field(default=1, ge=1, le=64, description="Partitions; for Kafka alone.")


class Broker(Model):
    """A message broker."""

    name: DnsLabel = Field(description="Name of its Service.")
    kind: BrokerKind = Field(description="Kafka or Mqtt.")
    topics: list[TopicSpec] = Field(default_factory=list, max_length=64, description="Topics of the graph.")


class Database(Model):
    """A PostgreSQL database."""

    name: DnsLabel = Field(description="Name of its Service and of the database.")
    table_model: DnsLabel = Field(
        default="generic", description="Tables and operations that it holds: generic, ledger, fhir or telemetry."
    )


class Cache(Model):
    """A Redis cache."""

    name: DnsLabel = Field(description="Name of its Service.")


class Body(StrEnum):
    """What a generated request carries."""

    NONE = "none"
    PAYMENT = "payment"


class Entry(Model):
    """Where load comes in."""

    service: DnsLabel = Field(description="A service of the graph.")
    path: Path = Field(description="One of its endpoints.")
    weight: float = Field(default=1.0, gt=0, le=1000, description="Share of the load, against the other entries.")
    body: Body = Field(default=Body.NONE, description="none, or payment: a synthetic card payment.")


class ZoneLatency(Model):
    """What the way between two zones costs."""

    model_config = ConfigDict(json_schema_extra={})

    between: list[DnsLabel] = Field(min_length=2, max_length=2, description="Two zones; both directions.")
    latency: Latency = Field(description="Added to each call.")


class Graph(Model):
    """Services that call each other, and what they rest on."""

    services: list[Service] = Field(min_length=1, max_length=1000, description="All services.")
    brokers: list[Broker] = Field(default_factory=list, max_length=8, description="Message brokers.")
    databases: list[Database] = Field(default_factory=list, max_length=16, description="Databases.")
    caches: list[Cache] = Field(default_factory=list, max_length=8, description="Caches.")
    entries: list[Entry] = Field(default_factory=list, max_length=64, description="Where load comes in.")
    zone_latencies: list[ZoneLatency] = Field(
        default_factory=list, max_length=64, description="Latency between zones; none where absent."
    )
