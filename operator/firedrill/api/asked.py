"""What asks a system: exactly one probe, and from how many answers on they say something."""

from typing import Final

from pydantic import Field, model_validator

from firedrill.api.base import Model
from firedrill.api.probe import HttpProbe, Probe, PrometheusProbe, TcpProbe
from firedrill.api.probe_cluster import CommandProbe, KubernetesProbe
from firedrill.api.probe_resource import ResourceProbe
from firedrill.api.probe_services import GrpcProbe, KafkaProbe, RedisProbe, SqlProbe

#: With fewer requests in a window its success rate says nothing.
MIN_REQUESTS: Final = 5
PROBES: Final = ("http", "tcp", "prometheus", "kubernetes", "grpc", "sql", "kafka", "redis", "command", "resource")


class Probed(Model):
    """Something that may be asked by a probe of its own; by one at most."""

    http: HttpProbe | None = Field(default=None, description="A request that must be answered.")
    tcp: TcpProbe | None = Field(default=None, description="A connection that must be accepted.")
    prometheus: PrometheusProbe | None = Field(default=None, description="A query whose value must be within bounds.")
    kubernetes: KubernetesProbe | None = Field(default=None, description="Objects that must be as expected.")
    grpc: GrpcProbe | None = Field(default=None, description="A gRPC service that must be serving.")
    sql: SqlProbe | None = Field(default=None, description="A query of a Postgres with an expected value.")
    kafka: KafkaProbe | None = Field(default=None, description="A consumer group that must keep up.")
    redis: RedisProbe | None = Field(default=None, description="A Redis that must answer.")
    command: CommandProbe | None = Field(default=None, description="A program that must end well.")
    resource: ResourceProbe | None = Field(default=None, description="Another check of Firedrill that must pass.")

    @model_validator(mode="after")
    def _at_most_one_probe(self) -> "Probed":
        if len(self.given) > 1:
            raise ValueError(f"set exactly one of {', '.join(PROBES)}; {', '.join(self.given)} is set")
        return self

    @property
    def given(self) -> list[str]:
        """The fields that are set, as they are spelled in a resource."""
        return [name for name in PROBES if getattr(self, name) is not None]

    @property
    def own_probe(self) -> Probe | None:
        """The one that is set, if any."""
        found: list[Probe] = [getattr(self, name) for name in self.given]
        return found[0] if found else None


class Asked(Probed):
    """Something that is asked by exactly one probe."""

    @model_validator(mode="after")
    def _one_probe(self) -> "Asked":
        if not self.given:
            raise ValueError(f"set exactly one of {', '.join(PROBES)}; none is set")
        return self

    @property
    def probe(self) -> Probe:
        """The one that is set."""
        found = self.own_probe
        assert found is not None  # checked as it was parsed
        return found
