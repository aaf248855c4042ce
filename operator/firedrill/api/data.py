"""Where a table of data comes from."""

from enum import StrEnum

from pydantic import ConfigDict, Field, model_validator

from firedrill.api.base import Duration, Model, parse_duration
from firedrill.api.run import Name

_ONE_OF = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})


class TableFormat(StrEnum):
    """File formats that are read."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"


class InlineSource(Model):
    """A small table written into the resource."""

    csv: str = Field(min_length=1, max_length=262144, description="CSV with a header line.")


class ConfigMapSource(Model):
    """A key of a ConfigMap in the runner namespace of the target; binaryData for Parquet."""

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


class DataSource(Model):
    """Exactly one place that a table comes from."""

    model_config = _ONE_OF

    inline: InlineSource | None = Field(default=None, description="Written into the resource.")
    config_map: ConfigMapSource | None = Field(default=None, description="A ConfigMap in the runner namespace.")
    http: HttpSource | None = Field(default=None, description="Fetched by HTTP.")
    file: FileSource | None = Field(default=None, description="A local file; for firedrill run --offline alone.")

    @model_validator(mode="after")
    def _exactly_one(self) -> "DataSource":
        given = [name for name in ("inline", "config_map", "http", "file") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"set exactly one of inline, configMap, http, file; {len(given)} are set")
        return self
