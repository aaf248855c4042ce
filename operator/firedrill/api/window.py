"""A part of a table by time, fixed or relative to the start of the run."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, model_validator

from firedrill.api.base import Duration, Model, Time

ColumnName = Annotated[str, Field(min_length=1, max_length=253)]


class TimeWindow(Model):
    """Rows from a time on, and before another one. ``last: 1h, offset: 168h`` is this hour, a week ago."""

    column: ColumnName | None = Field(
        default=None,
        description="Column with the time of a row: a timestamp, ISO 8601, or Unix seconds or milliseconds. Messages "
        "of Kafka and samples of Prometheus have a time of their own.",
    )
    from_: Time | None = Field(default=None, alias="from", description="Rows at or after this time.")
    until: Time | None = Field(default=None, description="Rows before this time.")
    last: Duration | None = Field(default=None, description="The time up to the start of the run, less the offset.")
    offset: Duration | None = Field(default=None, description="How far back a window of last ends, such as 168h.")

    @model_validator(mode="after")
    def _says_when(self) -> "TimeWindow":
        fixed = self.from_ is not None or self.until is not None
        if fixed == (self.last is not None):
            raise ValueError("set last, or from, until or both")
        if self.offset is not None and self.last is None:
            raise ValueError("offset needs last")
        if self.last is not None and self.last <= timedelta():
            raise ValueError("last must be longer than 0s")
        if self.from_ is not None and self.until is not None and self.from_ >= self.until:
            raise ValueError("from must be before until")
        return self

    def span(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """First time of the window, and the first after it; None where it is open."""
        if self.last is None:
            return self.from_, self.until
        end = now - (self.offset or timedelta())
        return end - self.last, end
