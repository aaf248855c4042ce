"""What a run concludes: verdict, measurements, conditions."""

import math
from enum import StrEnum

from pydantic import Field, field_validator

from firedrill.api.base import LenientModel, Time


class Verdict(StrEnum):
    """The outcome of a run. Inconclusive is never a pass; Error is a fault of the run, not of its subject."""

    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


class ConditionStatus(StrEnum):
    """The three values of a Kubernetes condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Measurement(LenientModel):
    """One measured value against its limit."""

    name: str = Field(max_length=253, description="What was measured.")
    value: float | None = Field(default=None, description="The measured value; absent when it could not be.")
    unit: str = Field(default="", max_length=32, description="Unit of value and limit, such as s, ratio or count.")
    limit: str = Field(default="", max_length=128, description="The limit it was held against, such as '<= 0.01'.")
    passed: bool | None = Field(default=None, description="Whether the limit holds; absent when undecided.")
    p_value: float | None = Field(default=None, description="Where the limit speaks of one, after correction.")
    detail: str = Field(default="", max_length=512, description="Sample size, interval, test: how it was measured.")

    @field_validator("value")
    @classmethod
    def _finite(cls, value: float | None) -> float | None:
        """JSON has no infinity: what has no value is absent, and the detail says why."""
        return value if value is not None and math.isfinite(value) else None

    weight: float = Field(default=1.0, ge=0, description="Share of this measurement in the score.")


class Condition(LenientModel):
    """A condition in the form of the Kubernetes API conventions."""

    type: str = Field(max_length=64, description="Name of the condition.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: str = Field(max_length=64, description="One CamelCase word for programs.")
    message: str = Field(default="", max_length=2048, description="One sentence for people.")
    observed_generation: int | None = Field(default=None, description="Generation of the spec it speaks of.")
    last_transition_time: Time | None = Field(default=None, description="When the status last changed.")


class Finding(LenientModel):
    """A condition that a run sets on its resource, before the operator stamps generation and time on it."""

    type: str
    status: ConditionStatus
    reason: str
    message: str = ""
