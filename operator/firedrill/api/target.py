"""Which pods an experiment is aimed at."""

from enum import StrEnum

from pydantic import Field, model_validator

from firedrill.api.base import Model
from firedrill.api.run import Labels, Name


class TargetMode(StrEnum):
    """How many of the matching pods are hit."""

    ONE = "One"
    ALL = "All"
    FIXED = "Fixed"
    PERCENT = "Percent"


class PodTarget(Model):
    """Which pods are hit."""

    namespace: Name = Field(description="Namespace in the target; it must opt in by label.")
    match_labels: Labels = Field(min_length=1, max_length=16, description="Labels of the pods.")
    mode: TargetMode = Field(default=TargetMode.ONE, description="One, All, Fixed or Percent.")
    value: int | None = Field(default=None, ge=1, le=1000, description="Count for Fixed, 1 to 100 for Percent.")
    seed: int = Field(default=1, ge=0, description="Seed of the choice among the matching pods.")

    @model_validator(mode="after")
    def _value_fits_mode(self) -> "PodTarget":
        needs = self.mode in (TargetMode.FIXED, TargetMode.PERCENT)
        if needs != (self.value is not None):
            raise ValueError("value must be set for mode Fixed and Percent, and only for these")
        if self.mode is TargetMode.PERCENT and (self.value or 0) > 100:
            raise ValueError("value must be at most 100 for mode Percent")
        return self
