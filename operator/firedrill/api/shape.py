"""The shape of an experiment: several faults, stages, repetitions; what else is asked, and when it is broken off."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, field_validator, model_validator

from firedrill.api.asked import MIN_REQUESTS, Asked, Probed
from firedrill.api.base import Duration, Model, parse_duration
from firedrill.api.faults.about import Hits
from firedrill.api.faults.union import Fault
from firedrill.api.target import PodTarget, TargetMode

MAX_STEPS: Final = 8
MAX_STAGES: Final = 10

#: A name within one resource.
Label = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]


class Over(StrEnum):
    """What grows from stage to stage."""

    TARGET = "Target"
    PERCENT = "Percent"


class Ramp(Model):
    """Stages of equal length in which a growing share is hit; the last hits what the step asks for."""

    stages: int = Field(ge=2, le=MAX_STAGES, description="How many stages.")
    over: Over = Field(
        default=Over.TARGET,
        description="Target: each stage hits more of the pods, those of before stay hit. Percent: the fault's own "
        "percent grows, and between two stages it is undone.",
    )


class Step(Model):
    """One fault among several."""

    name: Label = Field(description="Its name, by which others wait for it.")
    target: PodTarget = Field(description="Which pods are hit.")
    fault: Fault = Field(description="What is done to them.")
    duration: Duration = Field(default=parse_duration("10s"), description="How long the fault stays on.")
    after: list[Label] = Field(
        default_factory=list,
        max_length=MAX_STEPS,
        description="Steps that must have been undone before this one begins; without any, it begins at once.",
    )
    delay: Duration = Field(default=parse_duration("0s"), description="It begins so much later.")
    ramp: Ramp | None = Field(default=None, description="Hit a growing share in stages.")

    @field_validator("duration")
    @classmethod
    def _duration_is_sane(cls, value: Any) -> Any:
        if value.total_seconds() < 1:
            raise ValueError("must be at least 1s")
        return value

    @model_validator(mode="after")
    def _ramp_fits(self) -> "Step":
        check_ramp(self.ramp, self.target, self.fault, self.duration.total_seconds())
        return self


def check_ramp(ramp: Ramp | None, target: PodTarget, fault: Fault, seconds: float) -> None:
    """Raise ValueError where a ramp can not grow over what it is to grow over."""
    if ramp is None:
        return
    if seconds < ramp.stages:
        raise ValueError("ramp: duration must be at least 1s for each of ramp.stages")
    if ramp.over is Over.PERCENT:
        percent = getattr(fault.chosen, "percent", None)
        if not isinstance(percent, int) or percent < ramp.stages:
            raise ValueError("ramp.over Percent needs a fault with a percent of at least ramp.stages")
        return
    if fault.about.hits is not Hits.PODS:
        raise ValueError(f"ramp.over Target needs a fault of chosen pods; {fault.name} hits {fault.about.hits.value}")
    if target.mode is TargetMode.ONE or (target.value is not None and target.value < ramp.stages):
        raise ValueError("ramp.over Target needs target.mode All, or a target.value of at least ramp.stages")


class Repeat(Model):
    """The whole experiment several times in one run, so that times become a distribution."""

    times: int = Field(ge=2, le=50, description="How often.")
    pause: Duration = Field(default=parse_duration("0s"), description="Rest between two, after recovery.")
    confidence: float = Field(
        default=0.95,
        ge=0.5,
        le=0.999,
        description="Of the interval for a median; 0.95 needs 6 repetitions, 0.9 needs 5, 0.99 needs 8.",
    )
    max_median_recovery: Duration | None = Field(
        default=None, description="The interval of the median recovery time must lie below this."
    )
    max_median_detection: Duration | None = Field(
        default=None, description="The interval of the median time to the first failed request must lie below this."
    )


class AbortCondition(Probed):
    """Ends the run, and undoes everything, as soon as it is met while a fault is on."""

    name: Label = Field(description="Its name, which the verdict tells.")
    max_failure_rate: float = Field(
        default=0.5, ge=0, lt=1, description="More failures than this share of a window meet the condition."
    )
    window: Duration = Field(
        default=parse_duration("3s"), description="The last so many seconds count; it must hold at least 5 requests."
    )

    @model_validator(mode="after")
    def _window_holds_requests(self) -> "AbortCondition":
        probe = self.own_probe
        if probe is not None and self.window < MIN_REQUESTS * probe.interval:
            raise ValueError(f"window must be at least {MIN_REQUESTS} times {self.given[0]}.interval")
        return self


class When(StrEnum):
    """Which answers of a probe are judged."""

    BEFORE = "Before"
    DURING = "During"
    AFTER = "After"
    CONTINUOUS = "Continuous"


class ExtraProbe(Asked):
    """A probe beside the one of the steady state, with a limit of its own."""

    name: Label = Field(description="Its name, in the measurements.")
    when: list[When] = Field(
        min_length=1,
        max_length=4,
        description="Before, During and After the fault, or Continuous: over the whole run. Each is judged.",
    )
    min_success_rate: float = Field(default=0.95, gt=0, le=1, description="Least share of good answers in each.")


class SuccessRateDrop(Model):
    """How much smaller the success rate may be during the fault than before it."""

    max_drop: float = Field(ge=0, lt=1, description="Largest difference that is accepted, such as 0.05.")


class LatencyRise(Model):
    """How much slower good answers may be during the fault than before it."""

    max_increase: Duration = Field(description="Largest shift of the distribution that is accepted, such as 50ms.")


class Compare(Model):
    """The time before the fault against the time during it, by a test of two samples."""

    success_rate: SuccessRateDrop | None = Field(
        default=None, description="Score interval of the difference of two proportions (Newcombe)."
    )
    latency: LatencyRise | None = Field(
        default=None, description="Rank sum test (Mann-Whitney) and shift (Hodges-Lehmann) of good answers."
    )
    significance: float = Field(
        default=0.05, ge=0.0001, le=0.2, description="Chance of a false alarm that is accepted, for each of the two."
    )

    @model_validator(mode="after")
    def _compares_something(self) -> "Compare":
        if self.success_rate is None and self.latency is None:
            raise ValueError("set successRate, latency or both")
        return self
