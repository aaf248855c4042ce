"""What keeps an experiment from doing harm at a wrong time: blackout windows, error budgets, and named opt-outs."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from firedrill.api.base import Duration, Model
from firedrill.api.run import Name


class OptOut(StrEnum):
    """A guard that an experiment may leave out where the policy of the target admits it."""

    DISRUPTION_BUDGETS = "DisruptionBudgets"
    BLACKOUT_WINDOWS = "BlackoutWindows"


class Weekday(StrEnum):
    """A day of the week."""

    MON = "Mon"
    TUE = "Tue"
    WED = "Wed"
    THU = "Thu"
    FRI = "Fri"
    SAT = "Sat"
    SUN = "Sun"


TimeOfDay = Annotated[str, Field(max_length=5, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]


class BlackoutWindow(Model):
    """A time in which no fault may be on: by days and times of day, or by a cron schedule and a duration."""

    name: str = Field(default="", max_length=128, description="What it is for, such as market hours.")
    days: list[Weekday] = Field(
        default_factory=list, max_length=7, description="Days on which it begins; every day when empty."
    )
    from_: TimeOfDay | None = Field(default=None, alias="from", description="Begins at this time, such as 08:30.")
    to: TimeOfDay | None = Field(
        default=None, description="Ends at this time, 24:00 for midnight; on the next day where it is not after from."
    )
    schedule: str | None = Field(
        default=None, min_length=9, max_length=128, description="Cron expression of five fields: when it begins."
    )
    duration: Duration | None = Field(default=None, description="How long it is from each time of the schedule.")
    time_zone: str = Field(
        default="UTC", max_length=64, description="IANA time zone of the times, such as Europe/Zurich."
    )

    @model_validator(mode="after")
    def _one_form(self) -> "BlackoutWindow":
        daily = self.from_ is not None and self.to is not None
        by_schedule = self.schedule is not None and self.duration is not None
        mixed = (self.from_ or self.to or self.days) and (self.schedule or self.duration is not None)
        if mixed or daily == by_schedule:
            raise ValueError("give from and to (and days), or schedule and duration")
        return self

    @field_validator("duration")
    @classmethod
    def _duration_is_sane(cls, value: Any) -> Any:
        if value is not None and not 60 <= value.total_seconds() <= 7 * 86400:
            raise ValueError("duration must be between 1m and 7 days (168h)")
        return value


class PrometheusBudget(Model):
    """A query of what is left of an error budget."""

    url: str = Field(max_length=2048, pattern=r"^https?://[^\s]+$", description="Prometheus, seen from the target.")
    query: str = Field(
        min_length=1, max_length=4096, description="PromQL with one series: the share of the budget that is left."
    )


class SimulationBudget(Model):
    """The objectives of a Simulation that stands in the target."""

    name: Name = Field(description="Name of the Simulation, in the namespace of the experiment.")
    slo: str = Field(default="", max_length=40, description="Name of the objective; else the one with the least left.")


class ErrorBudget(Model):
    """An error budget that must not be spent: asked for before anything is changed."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    prometheus: PrometheusBudget | None = Field(default=None, description="Asked of Prometheus.")
    simulation: SimulationBudget | None = Field(default=None, description="Read from a Simulation.")
    min: float = Field(
        default=0.1, ge=0, le=1, description="Least share of the budget that must be left, 0 to 1, to begin."
    )

    @model_validator(mode="after")
    def _one_source(self) -> "ErrorBudget":
        if (self.prometheus is None) == (self.simulation is None):
            raise ValueError("set exactly one of prometheus, simulation")
        return self


class AcrossClusters(Model):
    """What holds for all targets of a run together."""

    max_concurrent: int | None = Field(
        default=None, ge=1, le=64, description="At most so many targets at the same time; the others wait their turn."
    )
    max_affected: int | None = Field(
        default=None,
        ge=1,
        le=100000,
        description="At most so many pods in all targets together, each of which has an equal part of it.",
    )
    abort_all: bool = Field(
        default=False,
        description="End the run in all targets, and undo it, as soon as one fails, errs or is stopped.",
    )


class Safety(Model):
    """What must be so before a fault is begun, beyond the policy of the target."""

    error_budget: ErrorBudget | None = Field(
        default=None, description="Begin only while this much of an error budget is left."
    )
    ignore_blackout_windows: bool = Field(
        default=False,
        description="Begin within the target's blackout windows; the policy must admit it in allowOptOuts.",
    )
