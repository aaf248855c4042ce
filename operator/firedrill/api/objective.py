"""Service level objectives of a simulation: what is measured, and which share of it must be good."""

from typing import Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from firedrill.api.base import Duration, Model, parse_duration
from firedrill.api.servicegraph import DnsLabel, Path, Topic

_ONE_OF = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

#: Bounds of the histograms that every simulated service keeps, in seconds.
LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
AGE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Availability(Model):
    """Good: a request that is answered, and not with 5xx.

    Of entries the load generator counts; of other endpoints the service itself, and its callers what got no answer.
    """

    path: Path | None = Field(
        default=None,
        description="Of this endpoint alone; else of the service's entries, or of all it has if none is one.",
    )


class LatencyIndicator(Model):
    """Good: a request answered within the threshold, whatever the answer; one without an answer is not.

    Of entries the time counts from the moment the request was due.
    """

    path: Path | None = Field(
        default=None,
        description="Of this endpoint alone; else of the service's entries, or of all it has if none is one.",
    )
    threshold: Duration = Field(description="One of 5ms 10ms 25ms 50ms 100ms 250ms 500ms 1s 2500ms 5s 10s.")

    @field_validator("threshold")
    @classmethod
    def _is_a_bound(cls, value: Any) -> Any:
        return _bound(value, LATENCY_BUCKETS)


class Freshness(Model):
    """Good: a message consumed within the threshold of its production. One that still waits does not count yet."""

    topic: Topic = Field(description="Topic that the service consumes.")
    threshold: Duration = Field(description="One of 50ms 100ms 250ms 500ms 1s 2500ms 5s 10s 30s 60s 5m.")

    @field_validator("threshold")
    @classmethod
    def _is_a_bound(cls, value: Any) -> Any:
        return _bound(value, AGE_BUCKETS)


class Lag(Model):
    """Good: a moment at which no more messages than this wait.

    A moment at which nobody can tell is not, once the lag has been seen.
    """

    topic: Topic = Field(description="Topic that the service consumes.")
    max_messages: int = Field(ge=0, le=100_000_000, description="Messages that may wait, over all partitions.")


def _bound(value: Any, bounds: tuple[float, ...]) -> Any:
    if value.total_seconds() not in bounds:
        told = ", ".join(f"{bound:g}" for bound in bounds)
        raise ValueError(f"threshold must be a bound of the histogram that services keep, in seconds: {told}")
    return value


class Indicator(Model):
    """Exactly one thing that is measured."""

    model_config = _ONE_OF

    availability: Availability | None = Field(default=None, description="Share of requests answered, and without 5xx.")
    latency: LatencyIndicator | None = Field(default=None, description="Share of requests that are fast enough.")
    freshness: Freshness | None = Field(default=None, description="Share of messages consumed soon enough.")
    lag: Lag | None = Field(default=None, description="Share of time with few messages waiting.")

    @model_validator(mode="after")
    def _exactly_one(self) -> "Indicator":
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"set exactly one of availability, latency, freshness, lag; {len(given)} are set")
        return self


class Slo(Model):
    """A service level objective."""

    name: DnsLabel = Field(description="Name of the objective.")
    service: DnsLabel = Field(description="A service of the graph.")
    indicator: Indicator = Field(description="What is measured.")
    objective: float = Field(gt=0, lt=1, description="Share that must be good.")
    window: Duration = Field(default=parse_duration("30m"), description="Time over which it is measured, 1m to 24h.")

    @field_validator("window")
    @classmethod
    def _window_is_sane(cls, value: Any) -> Any:
        if not 60 <= value.total_seconds() <= 86400:
            raise ValueError("window must be between 1m and 24h")
        return value
