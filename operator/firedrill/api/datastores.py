"""Stores that a table is read from: volumes, S3, Postgres, Kafka, Prometheus."""

import re
from typing import Final

from pydantic import Field, field_validator, model_validator

from firedrill.api.base import Duration, Model, parse_duration
from firedrill.api.credentials import CredentialsRef, Host, Port, somebody_logs_in
from firedrill.api.run import Name
from firedrill.api.tableformat import TableFormat

_TLS: Final = "Whether to use TLS, verified by ca.crt of the Secret, else by the system's authorities."
_CREDENTIALS: Final = "Secret with username and password, and ca.crt for TLS."
_READING: Final = re.compile(r"\s*(select|with|values|table)\b", re.IGNORECASE)
_NAMED: Final = "Else taken from the file's name."


class VolumeSource(Model):
    """A file of a PersistentVolumeClaim in the runner namespace of the target, labelled firedrill.dev/hub-namespace
    with the namespace of the resource. It is mounted into the runner's pod, read-only."""

    claim: Name = Field(description="Name of the PersistentVolumeClaim.")
    path: str = Field(
        min_length=1,
        max_length=1024,
        description="Path in the volume: a file, or a folder, whose files are read as one table.",
    )
    format: TableFormat | None = Field(default=None, description=_NAMED)

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if value.startswith("/") or ".." in value.split("/"):
            raise ValueError("must be a path in the volume, without .. and not beginning with /")
        return value


class S3Source(Model):
    """An object of an S3-compatible store, or all objects below a prefix as one table. Without secretRef, the SDK's own
    chain finds credentials, such as those of the runner's service account."""

    bucket: str = Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]*$", description="The bucket.")
    key: str | None = Field(default=None, min_length=1, max_length=1024, description="Key of one object.")
    prefix: str | None = Field(default=None, min_length=1, max_length=1024, description="What the keys begin with.")
    format: TableFormat | None = Field(default=None, description=_NAMED)
    region: str | None = Field(
        default=None, max_length=32, pattern=r"^[a-z0-9-]+$", description="Else the SDK's own; us-east-1 without any."
    )
    endpoint_url: str | None = Field(
        default=None, max_length=2048, pattern=r"^https?://[^\s]+$", description="Of a store that is not Amazon's."
    )
    secret_ref: CredentialsRef | None = Field(
        default=None, description="Secret with an access key as username and password, and ca.crt for TLS."
    )
    max_objects: int = Field(default=100, ge=1, le=1000, description="More objects below the prefix are an error.")
    timeout: Duration = Field(default=parse_duration("5m"), description="Limit for finding and reading everything.")

    @model_validator(mode="after")
    def _says_which(self) -> "S3Source":
        if (self.key is None) == (self.prefix is None):
            raise ValueError("set exactly one of key, prefix")
        return self


class SqlSource(Model):
    """Rows of a query of a Postgres, in a read-only transaction, through a cursor of the server."""

    host: Host = Field(description="Its name, seen from the target.")
    port: Port = Field(default=5432, description="TCP port.")
    database: str = Field(min_length=1, max_length=63, description="Name of the database.")
    username: str | None = Field(default=None, max_length=63, description="When absent, username of the Secret.")
    secret_ref: CredentialsRef | None = Field(default=None, description=_CREDENTIALS)
    tls: bool = Field(default=False, description=_TLS)
    query: str = Field(min_length=1, max_length=16384, description="One statement that reads.")
    timeout: Duration = Field(default=parse_duration("1m"), description="Longer, and the server gives it up.")
    max_rows: int = Field(default=1_000_000, ge=1, le=100_000_000, description="More rows are an error.")

    @field_validator("query")
    @classmethod
    def _reads(cls, value: str) -> str:
        if not _READING.match(value):
            raise ValueError("must begin with SELECT, WITH, VALUES or TABLE")
        return value

    @model_validator(mode="after")
    def _says_who(self) -> "SqlSource":
        somebody_logs_in(self.username, self.secret_ref)
        return self


class KafkaSource(Model):
    """Messages of a topic: those of the window, the last ones, or else all that are kept. No group is joined, and
    nothing is committed."""

    host: Host = Field(
        description="A broker's name, seen from the target. Brokers that advertise a name without a dot are looked for "
        "in the namespace of this one."
    )
    port: Port = Field(default=9092, description="TCP port.")
    topic: str = Field(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$", description="Name of the topic.")
    last_messages: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Only the last ones, over all partitions."
    )
    max_messages: int = Field(default=1_000_000, ge=1, le=10_000_000, description="More messages are an error.")
    format: TableFormat = Field(
        default=TableFormat.JSONL,
        description="Of a message: jsonl (a JSON object), lines, hl7, kserveLog or sagemakerCapture.",
    )
    secret_ref: CredentialsRef | None = Field(default=None, description=_CREDENTIALS + " With it, SASL PLAIN is used.")
    tls: bool = Field(default=False, description=_TLS)
    timeout: Duration = Field(default=parse_duration("1m"), description="Limit for reading everything.")

    @field_validator("format")
    @classmethod
    def _is_of_messages(cls, value: TableFormat) -> TableFormat:
        if not value.of_lines:
            raise ValueError("must be jsonl, lines, hl7, kserveLog or sagemakerCapture")
        return value


class PrometheusSource(Model):
    """Samples of a query over the window: a row each, with time, value and the labels of its series."""

    url: str = Field(max_length=2048, pattern=r"^https?://[^\s]+$", description="Address of the server.")
    query: str = Field(min_length=1, max_length=4096, description="The query, in PromQL.")
    step: Duration = Field(default=parse_duration("1m"), description="Time between two samples, at least 1s.")

    @field_validator("step")
    @classmethod
    def _is_not_tiny(cls, value: Duration) -> Duration:
        if value.total_seconds() < 1:
            raise ValueError("step must be at least 1s")
        return value
