"""What a steady state is asked by: each probe is one question, asked again and again at a fixed rate."""

from typing import Any

from pydantic import Field, field_validator, model_validator

from firedrill.api.base import Duration, Model, parse_duration

_SHORTEST, _LONGEST = 0.01, 60.0


class Probe(Model):
    """One question. ``timeout`` and ``interval`` are between 10 ms and 60 s."""

    timeout: Duration = Field(default=parse_duration("1s"), description="A slower answer is a failure.")
    interval: Duration = Field(
        default=parse_duration("200ms"), description="Time between two questions, 10ms to 60s; each is asked anew."
    )

    @field_validator("interval", "timeout")
    @classmethod
    def _time_is_sane(cls, value: Any) -> Any:
        if not _SHORTEST <= value.total_seconds() <= _LONGEST:
            raise ValueError("must be between 10ms and 60s")
        return value


class HttpProbe(Probe):
    """A GET that must answer with an expected status in time, over a connection of its own."""

    url: str = Field(max_length=2048, pattern=r"^https?://[^\s]+$", description="Address, seen from the target.")
    expect_status: int = Field(default=200, ge=100, le=599, description="The status that counts as success.")


class TcpProbe(Probe):
    """A connection that must be accepted in time."""

    host: str = Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-zA-Z0-9.:_-]+$",
        description="Its name, seen from the target.",
    )
    port: int = Field(ge=1, le=65535, description="TCP port.")


class PrometheusProbe(Probe):
    """A query whose value must be within bounds. A server that does not answer says nothing, neither good nor bad."""

    url: str = Field(max_length=2048, pattern=r"^https?://[^\s]+$", description="Prometheus, seen from the target.")
    query: str = Field(min_length=1, max_length=4096, description="PromQL with one series; without any, it fails.")
    min: float | None = Field(default=None, description="Least value that is good.")
    max: float | None = Field(default=None, description="Largest value that is good.")
    timeout: Duration = Field(default=parse_duration("5s"), description="A slower answer is no answer.")
    interval: Duration = Field(
        default=parse_duration("1s"), description="Time between two questions, 10ms to 60s; each is asked anew."
    )

    @model_validator(mode="after")
    def _bounds(self) -> "PrometheusProbe":
        if self.min is None and self.max is None:
            raise ValueError("set min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be above max")
        return self
