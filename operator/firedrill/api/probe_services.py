"""Probes of services that do not speak HTTP: gRPC, SQL, Kafka, Redis."""

import re
from typing import Final

from pydantic import Field, field_validator, model_validator

from firedrill.api.base import Duration, parse_duration
from firedrill.api.credentials import CredentialsRef, Host, Port, somebody_logs_in
from firedrill.api.probe import Probe

_EVERY: Final = "Time between two questions, 10ms to 60s; each is asked anew."
_CREDENTIALS: Final = "Secret with username and password, and ca.crt for TLS."
_TLS: Final = "Whether to use TLS, verified by ca.crt of the Secret, else by the system's authorities."
#: What reads; the transaction is read-only besides.
_READING: Final = re.compile(r"\s*(select|with|values|table|show)\b", re.IGNORECASE)


class GrpcProbe(Probe):
    """grpc.health.v1.Health/Check, which must answer SERVING in time, over a connection of its own."""

    host: Host = Field(description="Its name, seen from the target.")
    port: Port = Field(description="TCP port.")
    service: str = Field(default="", max_length=253, description="Name of the service asked about; empty for all.")
    tls: bool = Field(default=False, description=_TLS)
    secret_ref: CredentialsRef | None = Field(default=None, description="Secret with ca.crt for TLS.")


class SqlProbe(Probe):
    """A query of a Postgres whose single value must be as expected, over a connection of its own, in a read-only
    transaction. A server that does not answer is a failure."""

    host: Host = Field(description="Its name, seen from the target.")
    port: Port = Field(default=5432, description="TCP port.")
    database: str = Field(min_length=1, max_length=63, description="Name of the database.")
    username: str | None = Field(default=None, max_length=63, description="When absent, username of the Secret.")
    secret_ref: CredentialsRef | None = Field(default=None, description=_CREDENTIALS)
    tls: bool = Field(default=False, description=_TLS)
    query: str = Field(
        min_length=1, max_length=4096, description="One statement with one value; without any row, it fails."
    )
    equals: str | None = Field(default=None, max_length=1024, description="The value as text, as Postgres writes it.")
    min: float | None = Field(default=None, description="Least value that is good.")
    max: float | None = Field(default=None, description="Largest value that is good.")
    timeout: Duration = Field(
        default=parse_duration("2s"), description="A slower answer is a failure; the server gives up then, too."
    )
    interval: Duration = Field(default=parse_duration("1s"), description=_EVERY)

    @field_validator("query")
    @classmethod
    def _reads(cls, value: str) -> str:
        if not _READING.match(value):
            raise ValueError("must begin with SELECT, WITH, VALUES, TABLE or SHOW")
        return value

    @model_validator(mode="after")
    def _expects_one_thing(self) -> "SqlProbe":
        bounded = self.min is not None or self.max is not None
        if bounded == (self.equals is not None):
            raise ValueError("set equals, or min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be above max")
        somebody_logs_in(self.username, self.secret_ref)
        return self


class KafkaProbe(Probe):
    """The lag of a consumer group on a topic: messages that wait, over all partitions. A broker that does not answer
    is a failure; a group that never committed anything says nothing."""

    host: Host = Field(
        description="A broker's name, seen from the target. Brokers that advertise a name without a dot are looked for "
        "in the namespace of this one."
    )
    port: Port = Field(default=9092, description="TCP port.")
    group: str = Field(min_length=1, max_length=249, description="Name of the consumer group.")
    topic: str = Field(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$", description="Name of the topic.")
    max_lag: int = Field(ge=0, description="Most messages that may wait.")
    secret_ref: CredentialsRef | None = Field(default=None, description=_CREDENTIALS + " With it, SASL PLAIN is used.")
    tls: bool = Field(default=False, description=_TLS)
    timeout: Duration = Field(default=parse_duration("5s"), description="A slower answer is a failure.")
    interval: Duration = Field(default=parse_duration("2s"), description=_EVERY)


class RedisProbe(Probe):
    """A ping, or the value of a key, of a Redis or Valkey. A server that does not answer is a failure."""

    host: Host = Field(description="Its name, seen from the target.")
    port: Port = Field(default=6379, description="TCP port.")
    database: int = Field(default=0, ge=0, le=1023, description="Number of the database.")
    key: str | None = Field(
        default=None, min_length=1, max_length=1024, description="A key that must be there; else a ping is all."
    )
    equals: str | None = Field(default=None, max_length=1024, description="The value that the key must have.")
    secret_ref: CredentialsRef | None = Field(default=None, description=_CREDENTIALS)
    tls: bool = Field(default=False, description=_TLS)
    interval: Duration = Field(default=parse_duration("500ms"), description=_EVERY)

    @model_validator(mode="after")
    def _expects_a_key(self) -> "RedisProbe":
        if self.equals is not None and self.key is None:
            raise ValueError("equals needs key")
        return self
