"""Where a table of data comes from."""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from firedrill.api.base import Duration, Model, exactly_one, parse_duration
from firedrill.api.datastores import KafkaSource, PrometheusSource, S3Source, SqlSource, VolumeSource
from firedrill.api.run import Name
from firedrill.api.tableformat import TableFormat
from firedrill.api.window import ColumnName, TimeWindow


class InlineSource(Model):
    """A small table written into the resource."""

    csv: str = Field(min_length=1, max_length=262144, description="CSV with a header line.")


class ConfigMapSource(Model):
    """A key of a ConfigMap in the runner namespace of the target; binaryData for Parquet and Arrow."""

    name: Name = Field(description="Name of the ConfigMap.")
    key: str = Field(min_length=1, max_length=253, description="Key in data or binaryData.")
    format: TableFormat = Field(default=TableFormat.CSV, description="Format of the value.")


class HttpSource(Model):
    """A file fetched by HTTP GET from inside the target."""

    url: str = Field(max_length=2048, pattern=r"^https?://[^\s]+$", description="Address of the file.")
    format: TableFormat = Field(default=TableFormat.CSV, description="Format of the body.")
    timeout: Duration = Field(default=parse_duration("30s"), description="Limit for the whole download.")


class FileSource(Model):
    """A file of the machine that the command line runs on; refused in a cluster."""

    path: str = Field(min_length=1, max_length=4096, description="Path of the file.")
    format: TableFormat | None = Field(default=None, description="Else taken from the file's name.")


_PLACES: Final = {
    "inline": "inline",
    "config_map": "configMap",
    "http": "http",
    "file": "file",
    "volume": "volume",
    "s3": "s3",
    "sql": "sql",
    "kafka": "kafka",
    "prometheus": "prometheus",
}
_ONE_PLACE: Final = f"set exactly one of {', '.join(_PLACES.values())}"


class TableSource(Model):
    """Exactly one place that a table comes from."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    inline: InlineSource | None = Field(default=None, description="Written into the resource.")
    config_map: ConfigMapSource | None = Field(default=None, description="A ConfigMap in the runner namespace.")
    http: HttpSource | None = Field(default=None, description="Fetched by HTTP.")
    file: FileSource | None = Field(default=None, description="A local file; for firedrill run --offline alone.")
    volume: VolumeSource | None = Field(default=None, description="A PersistentVolumeClaim in the runner namespace.")
    s3: S3Source | None = Field(default=None, description="An S3-compatible store.")
    sql: SqlSource | None = Field(default=None, description="A Postgres.")
    kafka: KafkaSource | None = Field(default=None, description="A topic of a Kafka.")
    prometheus: PrometheusSource | None = Field(default=None, description="A Prometheus, over a window.")

    @model_validator(mode="after")
    def _exactly_one(self) -> "TableSource":
        given = [name for name in _PLACES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{_ONE_PLACE}; {len(given)} are set")
        return self


class LateLabels(Model):
    """Labels that become known later, such as whether a payment was a fraud, joined to the rows by an identifier."""

    source: TableSource = Field(description="A table with the identifier and the labels.")
    id_column: ColumnName = Field(
        description="The identifier, a column of both tables. Rows without a label yet have nulls; of an identifier "
        "that has several, the last row counts."
    )

    @model_validator(mode="after")
    def _has_no_time(self) -> "LateLabels":
        if self.source.prometheus is not None:
            raise ValueError("labels can not come from prometheus")
        return self


class DataSource(TableSource):
    """Exactly one place that a table comes from, and which part of it is taken."""

    model_config = ConfigDict(
        json_schema_extra={"minProperties": 1, "maxProperties": 4, **exactly_one(_PLACES.values())}
    )

    window: TimeWindow | None = Field(default=None, description="Only rows of this time.")
    labels: LateLabels | None = Field(default=None, description="Columns that are joined to the rows.")
    feature_names: list[ColumnName] = Field(
        default_factory=list,
        max_length=1000,
        description="Names of the features of an inference log, in order, where it has none: else feature_0 and so on.",
    )

    @model_validator(mode="after")
    def _has_a_time(self) -> "DataSource":
        if self.prometheus is not None:
            if self.window is None or (self.window.last is None and self.window.from_ is None):
                raise ValueError("prometheus needs a window with last or from")
            if self.window.column is not None:
                raise ValueError("window.column must not be set for prometheus: its samples have a time of their own")
        elif self.window is not None and self.window.column is None and self.kafka is None:
            raise ValueError("window.column must be set: the column with the time of a row")
        if self.kafka is not None and self.kafka.last_messages is not None and self.window is not None:
            raise ValueError("set kafka.lastMessages or window, not both")
        return self


class ReferenceProfile(Model):
    """A file that is saved as the reference, such as by `firedrill profile`, and pinned: by its content, and by the
    model that it belongs to."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", max_length=64, description="SHA-256 of the file, in hexadecimal.")
    model_version: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="Version of the model; must be that of the profile where it tells one.",
    )
    version_column: ColumnName | None = Field(
        default=None,
        description="Column of the current data with the version of the model that answered; must be modelVersion "
        "wherever it is told.",
    )

    @model_validator(mode="after")
    def _has_a_version(self) -> "ReferenceProfile":
        if self.version_column is not None and self.model_version is None:
            raise ValueError("versionColumn needs modelVersion")
        return self


class ReferenceSource(DataSource):
    """Exactly one place that the reference comes from, which part of it is taken, and which content it must be."""

    model_config = ConfigDict(
        json_schema_extra={"minProperties": 1, "maxProperties": 5, **exactly_one(_PLACES.values())}
    )

    profile: ReferenceProfile | None = Field(default=None, description="Pins the file; it is taken whole.")

    @model_validator(mode="after")
    def _is_one_file(self) -> "ReferenceSource":
        if self.profile is None:
            return self
        if not any((self.inline, self.config_map, self.http, self.file, self.volume, self.s3 and self.s3.key)):
            raise ValueError("profile pins one file: of configMap, http, volume, file, inline or s3.key")
        if self.window is not None or self.labels is not None or self.feature_names:
            raise ValueError("window, labels and featureNames can not be set with profile: it is taken whole")
        return self


def claims_of(value: object) -> frozenset[str]:
    """Names of all PersistentVolumeClaims that a spec reads from, wherever in it they are named."""
    if isinstance(value, VolumeSource):
        return frozenset({value.claim})
    if isinstance(value, BaseModel):
        return frozenset().union(*(claims_of(getattr(value, name)) for name in type(value).model_fields))
    if isinstance(value, Mapping):
        return frozenset().union(*(claims_of(each) for each in value.values()))
    if isinstance(value, list | tuple):
        return frozenset().union(*(claims_of(each) for each in value))
    return frozenset()
