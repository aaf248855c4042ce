"""Simulation: a living industry in a target, built from a service graph."""

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from firedrill.api.base import Duration, Model, parse_duration
from firedrill.api.flag import Flag
from firedrill.api.objective import Slo
from firedrill.api.run import Name, Resources, RunSpec
from firedrill.api.servicegraph import DnsLabel, Graph, Share, Wait

_ONE_OF = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

#: Settings that look so are numbers for the services, all others are texts.
WHOLE_NUMBER = r"0|[1-9][0-9]{0,17}"

Namespace = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]


class IndustryName(StrEnum):
    """Industries that come with Firedrill."""

    FINANCE = "finance"
    HEALTHCARE = "healthcare"
    IOT = "iot"


class Size(StrEnum):
    """How much of an industry is built."""

    SMALL = "Small"
    FULL = "Full"


class Industry(Model):
    """An industry that comes with Firedrill."""

    name: IndustryName = Field(description="finance, healthcare or iot.")
    size: Size = Field(default=Size.SMALL, description="Small: about a dozen services. Full: the whole.")


class GeneratorModel(StrEnum):
    """How a large graph is drawn."""

    BARABASI_ALBERT = "BarabasiAlbert"
    TRACE_LIKE = "TraceLike"


class Generator(Model):
    """A large graph drawn from the seed."""

    model: GeneratorModel = Field(
        description="BarabasiAlbert: preferential attachment. TraceLike: depth and fan-out as in traces."
    )
    services: int = Field(ge=2, le=1000, description="How many services.")
    replicas: int = Field(default=1, ge=1, le=50, description="Pods of each.")
    links: int = Field(default=2, ge=1, le=8, description="BarabasiAlbert: callers that a new service gets.")
    depth: int = Field(default=5, ge=2, le=12, description="TraceLike: the longest chain of calls.")


class GraphKey(Model):
    """A key of a ConfigMap in the runner namespace of the target, holding a graph as YAML."""

    name: Name = Field(description="Name of the ConfigMap.")
    key: str = Field(default="graph.yaml", min_length=1, max_length=253, description="Key in data.")


class GraphSource(Model):
    """Exactly one place that the graph comes from."""

    model_config = _ONE_OF

    industry: Industry | None = Field(default=None, description="One that comes with Firedrill.")
    graph: Graph | None = Field(default=None, description="Written into the resource.")
    config_map: GraphKey | None = Field(default=None, description="In a ConfigMap of the runner namespace.")
    generate: Generator | None = Field(default=None, description="Drawn from the seed.")

    @model_validator(mode="after")
    def _exactly_one(self) -> "GraphSource":
        given = [name for name in ("industry", "graph", "config_map", "generate") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"set exactly one of industry, graph, configMap, generate; {len(given)} are set")
        return self


class LoadShape(Model):
    """A daily tide: the rate swings around its mean."""

    period: Duration = Field(default=parse_duration("24h"), description="Time from one peak to the next.")
    amplitude: Share = Field(default=0.3, description="Swing, as a share of the mean rate.")


class Bursts(Model):
    """Short peaks at times drawn from the seed, one in each interval."""

    every: Duration = Field(default=parse_duration("10m"), description="Interval that holds one burst.")
    duration: Duration = Field(default=parse_duration("20s"), description="How long a burst lasts.")
    factor: float = Field(default=2.0, ge=1, le=100, description="Times the rate of the moment.")

    @model_validator(mode="after")
    def _fits(self) -> "Bursts":
        if self.duration >= self.every:
            raise ValueError("duration must be shorter than every")
        return self


class Load(Model):
    """Open-loop load: arrivals do not wait for answers."""

    rate: float = Field(default=20.0, gt=0, le=10000, description="Mean requests per second over all entries.")
    shape: LoadShape = Field(default_factory=LoadShape, description="Daily shape.")
    bursts: Bursts | None = Field(default=None, description="Short peaks; none when absent.")
    timeout: Wait = Field(default=parse_duration("5s"), description="A slower answer counts as failed; at most 60s.")


class Override(Model):
    """A service of the graph, changed."""

    service: DnsLabel = Field(description="Its name.")
    replicas: int | None = Field(default=None, ge=0, le=50, description="Pods.")
    resources: Resources | None = Field(default=None, description="Requests and limits.")
    options: dict[str, Annotated[str, Field(max_length=256)]] = Field(
        default_factory=dict, max_length=32, description="Settings of its role, on top of those it has."
    )


class ExtendedResource(Model):
    """A countable resource that nodes are made to offer, such as a GPU that is not there."""

    name: Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9.-]+/[a-zA-Z0-9._-]+$")] = Field(
        description="Qualified name, such as sim.example/gpu."
    )
    per_node: int = Field(ge=0, le=1000, description="How many a node has.")


class FakedServices(StrEnum):
    """Which services have faked pods."""

    MARKED = "Marked"
    ALL = "All"


class Faked(Model):
    """Nodes that are not there, for many pods at little cost; one process serves for those that are up."""

    nodes: int = Field(ge=1, le=1000, description="How many nodes.")
    services: FakedServices = Field(
        default=FakedServices.MARKED,
        description="Marked: those with faked set. All: every one that needs no pod of its own.",
    )


class SimulationImages(Model):
    """Images, where the lab's own are not wanted."""

    simulator: str | None = Field(default=None, max_length=512, description="Services, load and flags.")
    kafka: str | None = Field(default=None, max_length=512, description="Such as apache/kafka:3.9.1.")
    postgres: str | None = Field(default=None, max_length=512, description="Such as postgres:15.")
    redis: str | None = Field(default=None, max_length=512, description="Such as redis:7.")
    mqtt: str | None = Field(default=None, max_length=512, description="Such as eclipse-mosquitto:2.")
    prometheus: str | None = Field(default=None, max_length=512, description="Such as prom/prometheus.")
    kwok: str | None = Field(default=None, max_length=512, description="Such as registry.k8s.io/kwok/kwok:v0.8.0.")


class Telemetry(Model):
    """What is kept of a simulation."""

    retention: Duration = Field(default=parse_duration("6h"), description="How long metrics, logs and events are kept.")
    scrape_interval: Duration = Field(
        default=parse_duration("15s"), description="How often metrics are read, 1s to 60s."
    )
    log_sample: Share = Field(default=0.1, description="Share of successful requests that are logged, by trace.")
    otlp_endpoint: str = Field(
        default="", max_length=512, pattern=r"^(https?://[^\s]+)?$", description="OTLP over HTTP; none when empty."
    )

    @field_validator("scrape_interval")
    @classmethod
    def _interval_is_sane(cls, value: Any) -> Any:
        if not 1 <= value.total_seconds() <= 60:
            raise ValueError("scrapeInterval must be between 1s and 60s")
        return value


class SimulationSpec(RunSpec):
    """Builds a simulated industry in a namespace of its own, and keeps it until the resource is deleted."""

    namespace: Namespace | None = Field(
        default=None, description="Namespace that is created for it; else the resource's name. It can not be changed."
    )
    seed: int = Field(default=1, ge=0, le=2**31 - 1, description="Same seed, same graph, records and load.")
    source: GraphSource = Field(description="Where the service graph comes from.")
    overrides: list[Override] = Field(default_factory=list, max_length=100, description="Changes to its services.")
    load: Load = Field(default_factory=Load, description="Load on the entries.")
    slos: list[Slo] = Field(
        default_factory=list, max_length=32, description="Objectives; an industry's own where none are given."
    )
    flags: list[Flag] = Field(default_factory=list, max_length=64, description="Inner faults that are on.")
    settings: dict[str, Annotated[str, Field(max_length=1024)]] = Field(
        default_factory=dict, max_length=64, description="Business settings that services read from a ConfigMap."
    )
    extended_resources: list[ExtendedResource] = Field(
        default_factory=list, max_length=4, description="Resources that nodes are made to offer while it stands."
    )
    faked: Faked | None = Field(default=None, description="Faked nodes and pods; none when absent.")
    telemetry: Telemetry = Field(default_factory=Telemetry, description="Metrics, logs, traces.")
    images: SimulationImages = Field(default_factory=SimulationImages, description="Other images.")

    @field_validator("settings")
    @classmethod
    def _settings_can_be_read(cls, value: dict[str, str]) -> dict[str, str]:
        if any(not 1 <= len(key) <= 253 for key in value):
            raise ValueError("keys must have 1 to 253 characters")
        version = value.get("version", "0")
        if not re.fullmatch(WHOLE_NUMBER, version):
            raise ValueError(f"version must be a whole number of at most 18 digits, and is {version!r}")
        return value

    def namespace_for(self, name: str) -> str:
        """The namespace that a Simulation of this name is built in."""
        return self.namespace or name
