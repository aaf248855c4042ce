"""PerformanceBenchmark: how fast is a service or a model under load, and up to which rate?"""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from firedrill.api.base import Duration, Model, parse_duration
from firedrill.api.credentials import CredentialsRef, Host
from firedrill.api.data import DataSource
from firedrill.api.endpoint import ModelEndpoint, Url
from firedrill.api.run import Labels, Name, Regression, RunSpec

_ONE_OF = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})
Rate = Annotated[float, Field(gt=0, le=100_000)]


class HttpMethod(StrEnum):
    """Methods of a request."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class HttpTarget(Model):
    """One request to a service over HTTP/1.1, sent again and again."""

    url: Url = Field(description="Address, as seen from inside the target.")
    method: HttpMethod = Field(default=HttpMethod.GET, description="Method.")
    headers: dict[
        Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")],
        Annotated[str, Field(max_length=4096, pattern=r"^[^\r\n\x00]*$")],
    ] = Field(default_factory=dict, max_length=32, description="Headers beside Host and Content-Length.")
    body: str | None = Field(default=None, max_length=65536, description="Body, as text.")
    contains: str | None = Field(
        default=None, min_length=1, max_length=1024, description="Text that every good answer holds."
    )
    timeout: Duration = Field(default=parse_duration("5s"), description="Limit for one request.")
    credentials: CredentialsRef | None = Field(
        default=None, description="Secret with token, or username and password, and ca.crt; each may be absent."
    )
    tls_server_name: Host | None = Field(default=None, description="Name in the certificate, if not the host's.")


class ModelTarget(Model):
    """Rows sent to a model, one a request, in turn."""

    endpoint: ModelEndpoint = Field(description="The model.")
    source: DataSource = Field(description="Where rows come from; those with blanks are not sent.")
    ignore_columns: list[Annotated[str, Field(max_length=253)]] = Field(
        default_factory=list, max_length=1000, description="Not sent to the model, such as labels."
    )


class BenchmarkTarget(Model):
    """What load is put on."""

    model_config = _ONE_OF

    http: HttpTarget | None = Field(default=None, description="A service over HTTP.")
    model: ModelTarget | None = Field(default=None, description="A served model.")

    @model_validator(mode="after")
    def _exactly_one(self) -> "BenchmarkTarget":
        if (self.http is None) == (self.model is None):
            raise ValueError("set exactly one of http, model")
        return self

    @property
    def timeout_seconds(self) -> float:
        """Limit for one request."""
        limit = self.http.timeout if self.http is not None else self.model.endpoint.timeout if self.model else None
        assert limit is not None, "the model admits no target without a member"
        return limit.total_seconds()


class OpenLoop(Model):
    """Poisson arrivals, whatever becomes of the requests before: as users come, who do not know of each other."""

    rate: Rate = Field(description="Requests a second, of all workers together.")
    duration: Duration = Field(default=parse_duration("60s"), description="How long.")


class ClosedLoop(Model):
    """Clients that each ask again when they have an answer. A server that stalls is asked less, which hides it."""

    concurrency: int = Field(ge=1, le=10_000, description="Clients, of all workers together.")
    duration: Duration = Field(default=parse_duration("60s"), description="How long.")


class Ramp(Model):
    """Open loops at growing rates up to the knee: the highest rate at which every limit holds."""

    start: Rate = Field(description="First rate in requests a second.")
    end: Rate = Field(description="Highest rate that is tried.")
    factor: float = Field(default=1.5, ge=1.05, le=10, description="From one rate to the next.")
    refinements: int = Field(default=2, ge=0, le=8, description="Steps that halve the gap around the knee.")
    step: Duration = Field(default=parse_duration("20s"), description="How long each rate is held.")

    @model_validator(mode="after")
    def _rises(self) -> "Ramp":
        if self.end < self.start:
            raise ValueError("end must not be below start")
        return self


class LoadShape(Model):
    """How requests are sent."""

    model_config = _ONE_OF

    open_loop: OpenLoop | None = Field(default=None, description="At a rate.")
    closed_loop: ClosedLoop | None = Field(default=None, description="At a concurrency.")
    ramp: Ramp | None = Field(default=None, description="At growing rates.")
    soak: OpenLoop | None = Field(
        default=None, description="At a rate for long; its last third is compared with its first."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> "LoadShape":
        given = [name for name in ("open_loop", "closed_loop", "ramp", "soak") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"set exactly one of openLoop, closedLoop, ramp, soak; {len(given)} are set")
        return self


class ServingPods(Model):
    """Pods whose memory and processor are watched during the load, by the metrics API of the target."""

    namespace: Name = Field(description="Their namespace in the target.")
    match_labels: Labels = Field(min_length=1, max_length=16, description="Labels that they carry.")


class BenchmarkThresholds(Model):
    """Limits; each that is set is one measurement. Latency counts from the time a request should have left."""

    max_p50: Duration | None = Field(default=None, description="Median latency. Needs 7 requests.")
    max_p95: Duration | None = Field(default=None, description="95th percentile of latency. Needs 90 requests.")
    max_p99: Duration | None = Field(default=None, description="99th percentile of latency. Needs 459 requests.")
    max_p999: Duration | None = Field(default=None, description="99.9th percentile of latency. Needs 4,603 requests.")
    max_error_rate: float | None = Field(default=0.01, ge=0, le=1, description="Share of requests that failed.")
    min_throughput: float | None = Field(default=None, gt=0, description="Good answers a second.")
    min_knee: float | None = Field(
        default=None, gt=0, description="Ramp alone: rate in requests a second up to which every other limit holds."
    )
    max_memory_mi_b: float | None = Field(
        default=None, gt=0, alias="maxMemoryMiB", description="Memory of the largest serving pod, in MiB."
    )
    max_cpu_cores: float | None = Field(
        default=None, gt=0, description="Processor of the busiest serving pod, in cores."
    )
    max_first_token_p95: Duration | None = Field(default=None, description="Chat: 95th percentile to the first token.")
    max_between_tokens_p95: Duration | None = Field(default=None, description="Chat: 95th percentile between tokens.")
    min_tokens_per_second: float | None = Field(
        default=None, gt=0, description="Chat: tokens a second, of all answers."
    )
    max_soak_growth: float | None = Field(
        default=None, ge=0, le=100, description="Soak: growth of the median latency from the first third to the last."
    )


class PerformanceBenchmarkSpec(RunSpec):
    """Puts load on a service or a model and holds latency, errors and throughput against limits."""

    target: BenchmarkTarget = Field(description="What load is put on, as seen from inside the target.")
    load: LoadShape = Field(description="How requests are sent.")
    warmup: Duration = Field(
        default=parse_duration("5s"), description="The same load before, reported and not measured; 0s for none."
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Pods that share the load; their figures are merged exactly."
    )
    max_in_flight: int = Field(
        default=512,
        ge=1,
        le=16384,
        description="Requests of a worker open at once; beyond, the next waits, which counts.",
    )
    seed: int = Field(default=1, ge=0, le=2**53, description="Seed of arrivals.")
    pods: ServingPods | None = Field(default=None, description="Watched during the load.")
    regression: Regression | None = Field(default=None, description="Comparison with the last runs.")
    thresholds: BenchmarkThresholds = Field(default_factory=BenchmarkThresholds, description="Limits.")

    @property
    def crew_size(self) -> int:
        """Pods that share the load."""
        return self.workers

    @property
    def load_seconds(self) -> float:
        """How long the load takes at most, without warm-up."""
        ramp = self.load.ramp
        if ramp is None:
            held = self.load.open_loop or self.load.closed_loop or self.load.soak
            assert held is not None, "the model admits no load without a member"
            return held.duration.total_seconds()
        steps, rate = 1, ramp.start
        while rate < ramp.end:
            rate, steps = rate * ramp.factor, steps + 1
        return (steps + ramp.refinements) * ramp.step.total_seconds()

    @model_validator(mode="after")
    def _agrees(self) -> "PerformanceBenchmarkSpec":
        needed = self.warmup.total_seconds() + self.load_seconds + self.target.timeout_seconds + 5
        if needed > self.timeout.total_seconds():
            raise ValueError(f"timeout must be at least warm-up, load and one request's timeout: {needed:.4g} s")
        if self.workers > 1 and self.load.ramp is not None:
            raise ValueError("a ramp needs workers: 1, since each rate depends on what came of the one before")
        closed = self.load.closed_loop
        if closed is not None and closed.concurrency < self.workers:
            raise ValueError("load.closedLoop.concurrency must be at least workers")
        limits = self.thresholds
        if limits.min_knee is not None and self.load.ramp is None:
            raise ValueError("thresholds.minKnee needs load.ramp")
        of_latency = (limits.max_p50, limits.max_p95, limits.max_p99, limits.max_p999)
        certain = limits.max_error_rate is None or limits.max_error_rate >= 1
        if limits.min_knee is not None and certain and all(limit is None for limit in of_latency):
            raise ValueError("thresholds.minKnee needs a limit on latency, or a maxErrorRate below 1")
        if limits.max_soak_growth is not None and self.load.soak is None:
            raise ValueError("thresholds.maxSoakGrowth needs load.soak")
        if (limits.max_memory_mi_b is not None or limits.max_cpu_cores is not None) and self.pods is None:
            raise ValueError("thresholds.maxMemoryMiB and maxCpuCores need pods")
        chat = self.target.model is not None and self.target.model.endpoint.chat is not None
        asked = (limits.max_first_token_p95, limits.max_between_tokens_p95, limits.min_tokens_per_second)
        if any(limit is not None for limit in asked) and not chat:
            raise ValueError("thresholds of tokens need target.model.endpoint.chat")
        return self
