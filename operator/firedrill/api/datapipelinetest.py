"""DataPipelineTest: does a data set, or what a pipeline makes, hold what it must?"""

from typing import Any, Final

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from firedrill.api import datachecks as asked
from firedrill.api.base import Duration, Model, exactly_one, parse_duration
from firedrill.api.credentials import CredentialsRef, Host, Port
from firedrill.api.data import DataSource
from firedrill.api.datachecks import TableName
from firedrill.api.run import Name, RunSpec
from firedrill.api.window import ColumnName

_TOPIC: Final = r"^[A-Za-z0-9._-]+$"


class NamedTable(Model):
    """Another table that checks refer to by its name."""

    name: TableName = Field(description="Its name here.")
    source: DataSource = Field(description="Where it comes from.")


class CronJobPipeline(Model):
    """A Job made of the template of a CronJob, as `kubectl create job --from` makes it. The CronJob must have the label
    firedrill.dev/hub-namespace with the namespace of the resource, and its namespace be one of the chart's
    target.pipelines.namespaces."""

    namespace: Name = Field(description="Namespace of the CronJob in the target.")
    cron_job: Name = Field(description="Name of the CronJob; it may be suspended.")
    timeout: Duration = Field(default=parse_duration("5m"), description="A run that is longer has failed.")


class TopicPipeline(Model):
    """Messages are written to a topic, and awaited in another one. Each is a row of a table as a JSON object."""

    host: Host = Field(description="A broker's name, seen from the target.")
    port: Port = Field(default=9092, description="TCP port.")
    secret_ref: CredentialsRef | None = Field(default=None, description="Secret with username and password.")
    tls: bool = Field(default=False, description="Whether to use TLS.")
    messages: TableName = Field(description="Name of the table whose rows are written.")
    input: str = Field(min_length=1, max_length=249, pattern=_TOPIC, description="Topic that is written to.")
    output: str = Field(min_length=1, max_length=249, pattern=_TOPIC, description="Topic that is read.")
    key: ColumnName = Field(description="Field with an identifier, in what goes in and in what comes out.")
    rate: float = Field(default=100.0, gt=0, le=100_000, description="Messages a second that are written.")
    timeout: Duration = Field(default=parse_duration("1m"), description="What has not come out by then is missing.")


class Pipeline(Model):
    """Exactly one kind of pipeline that the test starts before it looks at the data."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    cron_job: CronJobPipeline | None = Field(default=None, description="A Job from the template of a CronJob.")
    topic: TopicPipeline | None = Field(default=None, description="From one topic of a Kafka to another.")

    @model_validator(mode="after")
    def _exactly_one(self) -> "Pipeline":
        if (self.cron_job is None) == (self.topic is None):
            raise ValueError("set exactly one of cronJob, topic")
        return self


class DataCheck(Model):
    """Exactly one thing that is asked of the data."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: schema.update(
            minProperties=1,
            maxProperties=3,
            **exactly_one(name for name in schema["properties"] if name not in ("name", "weight")),
        )
    )

    name: str | None = Field(default=None, min_length=1, max_length=100, description="Shown instead of what is asked.")
    weight: float = Field(default=1.0, ge=0, le=1000, description="Share in the score.")
    schema_: asked.SchemaCheck | None = Field(default=None, alias="schema", description="Columns and their types.")
    nulls: asked.NullsCheck | None = Field(default=None, description="Values that are missing.")
    range: asked.RangeCheck | None = Field(default=None, description="Numbers within bounds.")
    unique: asked.UniqueCheck | None = Field(default=None, description="Rows that are told apart.")
    allowed: asked.AllowedCheck | None = Field(default=None, description="Values from a list.")
    pattern: asked.PatternCheck | None = Field(default=None, description="Texts of a form.")
    references: asked.ReferencesCheck | None = Field(default=None, description="Values that another table has.")
    distribution: asked.DistributionCheck | None = Field(default=None, description="Statistics within bounds.")
    freshness: asked.FreshnessCheck | None = Field(default=None, description="Age of the newest row.")
    volume: asked.VolumeCheck | None = Field(default=None, description="Number of rows.")
    reconcile: asked.ReconcileCheck | None = Field(default=None, description="The rows of its source, and no others.")
    idempotence: asked.IdempotenceCheck | None = Field(default=None, description="Run twice, the same rows.")
    speed: asked.SpeedCheck | None = Field(default=None, description="Duration and throughput of the pipeline.")
    ledger_balances: asked.LedgerBalancesCheck | None = Field(default=None, description="Double entry adds up.")
    fhir: asked.FhirCheck | None = Field(default=None, description="Resources of FHIR are valid.")
    hl7: asked.Hl7Check | None = Field(default=None, description="Messages of HL7 version 2 parse.")
    device_series: asked.DeviceSeriesCheck | None = Field(default=None, description="Readings of devices.")

    @model_validator(mode="after")
    def _exactly_one(self) -> "DataCheck":
        given = [name for name in CHECKS if getattr(self, name) is not None]
        if len(given) != 1:
            shown = ", ".join(to_camel(name.rstrip("_")) for name in CHECKS)
            raise ValueError(f"set exactly one of {shown}; {len(given)} are set")
        return self

    @property
    def member(self) -> str:
        """Name of the member that is set."""
        return next(name for name in CHECKS if getattr(self, name) is not None)

    @property
    def what(self) -> Any:
        """The check that is set."""
        return getattr(self, self.member)

    @property
    def kind(self) -> str:
        """Its kind as it is written in YAML."""
        return to_camel(self.member.rstrip("_"))


#: Members of the union, in the order of the model.
CHECKS: Final = tuple(name for name in DataCheck.model_fields if name not in ("name", "weight"))


class SampleRows(Model):
    """Rows that fail, as the report shows them: letters as a, digits as 9, but for columns that may be shown."""

    rows: int = Field(default=5, ge=0, le=50, description="How many rows of a check; 0 for none.")
    show: list[ColumnName] = Field(
        default_factory=list, max_length=100, description="Columns whose values may be shown as they are."
    )
    masked: bool = Field(default=True, description="Whether values of other columns are masked.")


class DataPipelineTestSpec(RunSpec):
    """Holds a table against what is asked of it, after running the pipeline that makes it where one is given."""

    data: DataSource = Field(description="The table under test.")
    tables: list[NamedTable] = Field(default_factory=list, max_length=16, description="Other tables, by name.")
    pipeline: Pipeline | None = Field(default=None, description="Started before the data is read.")
    checks: list[DataCheck] = Field(min_length=1, max_length=200, description="What is asked of the data.")
    min_rows: int = Field(default=1, ge=0, le=1_000_000_000, description="Fewer rows: Inconclusive, unless one fails.")
    samples: SampleRows = Field(default_factory=SampleRows, description="Rows that fail, in the report.")

    @field_validator("tables")
    @classmethod
    def _names_differ(cls, value: list[NamedTable]) -> list[NamedTable]:
        names = [table.name for table in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the name {twice[0]!r} is given twice")
        return value

    @model_validator(mode="after")
    def _refers_to_what_is_there(self) -> "DataPipelineTestSpec":
        known = {table.name for table in self.tables}
        for number, check in enumerate(self.checks):
            for name in _tables_of(check):
                if name not in known:
                    raise ValueError(f"checks[{number}].{check.kind}: there is no table {name!r} in tables")
            if self.pipeline is None and check.member in ("idempotence", "speed"):
                raise ValueError(f"checks[{number}].{check.kind}: needs a pipeline")
            if check.speed is not None and self.pipeline is not None and self.pipeline.topic is None:
                for field in ("max_p50", "max_p95", "max_p99"):
                    if getattr(check.speed, field) is not None:
                        raise ValueError(f"checks[{number}].speed.{to_camel(field)}: needs pipeline.topic")
            if check.idempotence is not None and self.pipeline is not None and self.pipeline.cron_job is None:
                raise ValueError(f"checks[{number}].idempotence: needs pipeline.cronJob")
        if self.pipeline is not None and self.pipeline.topic is not None and self.pipeline.topic.messages not in known:
            raise ValueError(f"pipeline.topic.messages: there is no table {self.pipeline.topic.messages!r} in tables")
        return self

    @property
    def runs(self) -> int:
        """How often the pipeline is run."""
        return 2 if any(check.idempotence is not None for check in self.checks) else 1


def _tables_of(check: DataCheck) -> list[str]:
    if check.volume is not None:
        return list(check.volume.history)
    what = check.references or check.reconcile
    return [what.table] if what is not None else []
