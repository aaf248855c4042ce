"""What can be asked of a table. Each check is a member of the union in :mod:`firedrill.api.datapipelinetest`."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from firedrill.api.base import Duration, Model, parse_duration
from firedrill.api.window import ColumnName

TableName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
Columns = Annotated[list[ColumnName], Field(min_length=1, max_length=100)]
Share = Annotated[float, Field(ge=0, le=1)]
_MAX_SHARE = "Largest share of rows that may fail it."


class ColumnType(StrEnum):
    """Types of columns. Integers are numbers, too; dates are times, too."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIME = "time"


class SchemaColumn(Model):
    """A column that must be there."""

    name: ColumnName = Field(description="Its name.")
    type: ColumnType | None = Field(default=None, description="Its type; any when absent.")
    required: bool = Field(default=True, description="Whether it must be there.")


class SchemaCheck(Model):
    """Columns and their types, whatever the rows."""

    columns: list[SchemaColumn] = Field(min_length=1, max_length=500, description="Columns that are expected.")
    extra_allowed: bool = Field(default=True, description="Whether there may be other columns.")


class NullsCheck(Model):
    """Values that are missing: null, NaN, blank text."""

    columns: Columns = Field(description="Columns that are looked at, each for itself.")
    max_share: Share = Field(default=0.0, description="Largest share of rows without a value.")


class RangeCheck(Model):
    """Numbers within bounds. Missing values are not looked at."""

    columns: Columns = Field(description="Columns of numbers, each looked at for itself.")
    min: float | None = Field(default=None, description="Least value that is right.")
    max: float | None = Field(default=None, description="Largest value that is right.")
    max_share: Share = Field(default=0.0, description=_MAX_SHARE)

    @model_validator(mode="after")
    def _has_a_bound(self) -> "RangeCheck":
        if self.min is None and self.max is None:
            raise ValueError("set min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be above max")
        return self


class UniqueCheck(Model):
    """No two rows have the same values in these columns together. Rows that lack one of them are not looked at."""

    columns: Columns = Field(description="Columns that tell rows apart, together.")
    max_share: Share = Field(default=0.0, description="Largest share of rows that repeat an earlier one.")


class AllowedCheck(Model):
    """Values from a list. Missing values are not looked at."""

    column: ColumnName = Field(description="The column.")
    values: list[Annotated[str, Field(max_length=1024)]] = Field(
        min_length=1, max_length=1000, description="What is right, as text; 1 and 1.0 are the same number."
    )
    max_share: Share = Field(default=0.0, description=_MAX_SHARE)


class PatternCheck(Model):
    """Texts of a form. Missing values are not looked at."""

    column: ColumnName = Field(description="The column.")
    regex: str | None = Field(
        default=None, min_length=1, max_length=1024, description="Regular expression (RE2) of the whole text."
    )
    min_length: int | None = Field(default=None, ge=0, le=10_000_000, description="Least number of characters.")
    max_length: int | None = Field(default=None, ge=0, le=10_000_000, description="Largest number of characters.")
    max_share: Share = Field(default=0.0, description=_MAX_SHARE)

    @model_validator(mode="after")
    def _has_a_form(self) -> "PatternCheck":
        if self.regex is None and self.min_length is None and self.max_length is None:
            raise ValueError("set regex, minLength or maxLength")
        return self


class ReferencesCheck(Model):
    """Values that are in another table, as a foreign key. Rows that lack one of the columns are not looked at."""

    columns: Columns = Field(description="Columns of the data, together.")
    table: TableName = Field(description="Name of the other table.")
    to: list[ColumnName] = Field(
        default_factory=list, max_length=100, description="Its columns, in the same order; the same names when absent."
    )
    max_share: Share = Field(default=0.0, description="Largest share of rows whose values are not there.")

    @model_validator(mode="after")
    def _is_of_one_length(self) -> "ReferencesCheck":
        if self.to and len(self.to) != len(self.columns):
            raise ValueError(f"to has {len(self.to)} columns for {len(self.columns)}")
        return self


class Between(Model):
    """Bounds of a statistic."""

    min: float | None = Field(default=None, description="Least value that is right.")
    max: float | None = Field(default=None, description="Largest value that is right.")

    @model_validator(mode="after")
    def _has_a_bound(self) -> "Between":
        if self.min is None and self.max is None:
            raise ValueError("set min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be above max")
        return self


class QuantileBetween(Between):
    """Bounds of a quantile."""

    q: float = Field(gt=0, lt=1, description="Which quantile, such as 0.99.")


class ShareBetween(Between):
    """Bounds of the share of a value."""

    value: str = Field(max_length=1024, description="The value, as text.")


class DistributionCheck(Model):
    """Statistics of a column within bounds. Rows are taken for a sample: Passed when the whole interval is within them,
    Failed when it is wholly outside, else Inconclusive."""

    column: ColumnName = Field(description="The column.")
    mean: Between | None = Field(default=None, description="The mean of numbers.")
    standard_deviation: Between | None = Field(default=None, description="The standard deviation of numbers.")
    quantiles: list[QuantileBetween] = Field(default_factory=list, max_length=20, description="Quantiles of numbers.")
    shares: list[ShareBetween] = Field(default_factory=list, max_length=50, description="Shares of values.")
    confidence: float = Field(default=0.95, ge=0.5, lt=1, description="Of each interval.")

    @model_validator(mode="after")
    def _asks_something(self) -> "DistributionCheck":
        if self.mean is None and self.standard_deviation is None and not self.quantiles and not self.shares:
            raise ValueError("set mean, standardDeviation, quantiles or shares")
        return self


class FreshnessCheck(Model):
    """The newest time of a column is not old, nor in the future."""

    column: ColumnName = Field(description="Column of times: timestamps, ISO 8601, Unix seconds or milliseconds.")
    max_age: Duration = Field(description="Largest age of the newest row.")
    max_ahead: Duration = Field(default=parse_duration("5m"), description="How far in the future any row may be.")


class VolumeCheck(Model):
    """How many rows there are, also against other tables, such as those of the same hour of earlier weeks."""

    min: int | None = Field(default=None, ge=0, description="Least number of rows.")
    max: int | None = Field(default=None, ge=0, description="Largest number of rows.")
    history: list[TableName] = Field(
        default_factory=list, max_length=16, description="Tables whose median number of rows is what is usual."
    )
    min_ratio: float = Field(default=0.5, ge=0, le=1, description="Least part of what is usual.")
    max_ratio: float = Field(default=2.0, ge=1, le=1000, description="Largest multiple of what is usual.")

    @model_validator(mode="after")
    def _has_a_bound(self) -> "VolumeCheck":
        if self.min is None and self.max is None and not self.history:
            raise ValueError("set min, max or history")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be above max")
        return self


class ReconcileCheck(Model):
    """The data holds the rows of another table, its source: none missing, none extra, none changed."""

    table: TableName = Field(description="The source.")
    keys: Columns = Field(description="Columns that tell rows apart, in both. Of a key that repeats, rows are paired.")
    columns: list[ColumnName] = Field(
        default_factory=list, max_length=200, description="Columns that must agree; all that both have when absent."
    )
    tolerance: float = Field(default=0.0, ge=0, description="How far apart two numbers may be and still agree.")
    max_missing: Share = Field(default=0.0, description="Largest share of source rows that the data lacks.")
    max_extra: Share = Field(default=0.0, description="Largest share of data rows that the source lacks.")
    max_differing: Share = Field(default=0.0, description="Largest share of common rows that differ.")


class IdempotenceCheck(Model):
    """The pipeline run twice leaves the same rows, in any order."""

    ignore_columns: list[ColumnName] = Field(
        default_factory=list, max_length=100, description="Columns that may differ, such as the time of loading."
    )


class SpeedCheck(Model):
    """How long the pipeline took, how many rows a second that is, and how late messages came out."""

    max_duration: Duration | None = Field(default=None, description="Largest duration of a run.")
    min_rows_per_second: float | None = Field(default=None, gt=0, description="Least throughput.")
    max_p50: Duration | None = Field(default=None, description="Limit of the median latency of messages.")
    max_p95: Duration | None = Field(default=None, description="Of the 95th percentile; needs 90 messages.")
    max_p99: Duration | None = Field(default=None, description="Of the 99th percentile; needs 459 messages.")

    @model_validator(mode="after")
    def _has_a_limit(self) -> "SpeedCheck":
        if all(value is None for value in self.model_dump().values()):
            raise ValueError("set maxDuration, minRowsPerSecond, maxP50, maxP95 or maxP99")
        return self


class LedgerBalancesCheck(Model):
    """Double entry: in each transaction and currency, debits and credits add up to the same, exactly."""

    transaction: ColumnName = Field(description="Column with the identifier of the transaction.")
    currency: ColumnName | None = Field(default=None, description="Column with the currency; one when absent.")
    amount: ColumnName | None = Field(default=None, description="Column with signed amounts, which add up to zero.")
    debit: ColumnName | None = Field(default=None, description="Column with debits, beside credit.")
    credit: ColumnName | None = Field(default=None, description="Column with credits, beside debit.")
    scale: int = Field(default=4, ge=0, le=12, description="Decimal places of amounts; more of them are an error.")

    @model_validator(mode="after")
    def _has_amounts(self) -> "LedgerBalancesCheck":
        if (self.amount is None) == (self.debit is None) or (self.debit is None) != (self.credit is None):
            raise ValueError("set amount, or debit and credit")
        return self


class FhirCheck(Model):
    """Resources are valid by FHIR R4B: form of JSON, fields, types, cardinalities, codes that are a fixed choice.
    Profiles and terminologies are not looked at. A type that only R4 has leaves the check undecided."""

    column: ColumnName = Field(default="line", description="Column with a resource in JSON; line for format lines.")
    resource_types: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list, max_length=150, description="Types that may be there; all when absent."
    )
    max_share: Share = Field(default=0.0, description="Largest share of resources that are not valid.")


class Hl7Check(Model):
    """Messages of HL7 version 2 parse, and have what the header and the check ask for."""

    column: ColumnName = Field(default="message", description="Column with a message; message for format hl7.")
    message_types: list[Annotated[str, Field(max_length=16)]] = Field(
        default_factory=list, max_length=100, description="Types that may be there, such as ADT^A01; all when absent."
    )
    segments: list[Annotated[str, Field(min_length=3, max_length=3)]] = Field(
        default_factory=list, max_length=50, description="Segments that each message must have, such as PID."
    )
    structure: bool = Field(
        default=False, description="Also hold each against the structure of its type and version; 16 ms a message."
    )
    max_share: Share = Field(default=0.0, description="Largest share of messages that are not right.")


class DeviceSeriesCheck(Model):
    """Readings of devices: nothing is missing in between, twice, out of order, or of a wrong clock."""

    device: ColumnName = Field(description="Column with the device.")
    time: ColumnName = Field(description="Column with the time of the reading, by the clock of the device.")
    max_gap: Duration | None = Field(default=None, description="Longest silence of a device, at ends of the data too.")
    max_gaps: Share = Field(default=0.0, description="Largest share of longer steps, and of devices with such an end.")
    max_duplicates: Share = Field(default=0.0, description="Largest share of readings of a time that was there.")
    max_out_of_order: Share | None = Field(
        default=None, description="Largest share of rows older than one above them of the same device."
    )
    received: ColumnName | None = Field(default=None, description="Column with the time of arrival.")
    max_clock_skew: Duration | None = Field(
        default=None, description="How far a device's clock may be ahead of the arrival."
    )

    @model_validator(mode="after")
    def _has_both(self) -> "DeviceSeriesCheck":
        if (self.received is None) != (self.max_clock_skew is None):
            raise ValueError("set received and maxClockSkew, or neither")
        return self

    @field_validator("max_gap", "max_clock_skew")
    @classmethod
    def _is_some_time(cls, value: Duration | None) -> Duration | None:
        if value is not None and value.total_seconds() <= 0:
            raise ValueError("must be longer than 0s")
        return value
