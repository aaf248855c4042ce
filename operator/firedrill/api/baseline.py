"""Another model beside the one under test: asked afterwards, at the same time, or in its place."""

from enum import StrEnum

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from firedrill.api.base import Duration, Model
from firedrill.api.endpoint import ModelEndpoint


class BaselineMode(StrEnum):
    """When the baseline is asked, and what."""

    AFTER = "After"
    SHADOW = "Shadow"
    SPLIT = "Split"


class Baseline(Model):
    """Another model that the one under test is held against: the one in production, or the one before."""

    endpoint: ModelEndpoint = Field(description="The other model.")
    mode: BaselineMode = Field(
        default=BaselineMode.AFTER,
        description="After: it is sent the same rows once the load is over. Shadow: each request goes to both at once. "
        "Split: each request goes to one of both, drawn at random by load.seed.",
    )
    share: float | None = Field(
        default=None,
        ge=0.01,
        le=0.99,
        description="Split: share of the requests that the model under test gets; half of them unless set.",
    )
    max_loss: float | None = Field(
        default=None,
        ge=0,
        description="How much worse the model may be than the baseline: in accuracy, or in mean absolute error. Of "
        "mode After 0 unless set; of the others judged only where set. 0 passes what is certainly better alone.",
    )
    min_agreement: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="After and Shadow: share of rows of which both models say the same; 1: all, of all that either has "
        "answered. It needs no labels.",
    )
    max_score_difference: float | None = Field(
        default=None,
        ge=0,
        description="After and Shadow: mean difference of what both models answer to a row: of numbers, of scores of "
        "the positive class, or half the sum over the scores of all classes. It needs no labels.",
    )
    max_error_increase: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Shadow and Split: how far the error rate may be above that of the baseline. 0 passes a model "
        "alone that certainly fails less: two that are equal need room. It needs no labels.",
    )
    max_slowdown: Duration | None = Field(
        default=None,
        description="Shadow and Split: how much slower than the baseline it may be: the median of the differences of "
        "each row, with Split the difference of both medians. 0s passes a model alone that is certainly quicker: two "
        "that are equal need room. It needs no labels.",
    )

    @property
    def loss_allowed(self) -> float | None:
        """The limit of the loss that counts; None where it is told alone."""
        return 0.0 if self.max_loss is None and self.mode is BaselineMode.AFTER else self.max_loss

    @model_validator(mode="after")
    def _fits_the_mode(self) -> "Baseline":
        if self.share is not None and self.mode is not BaselineMode.SPLIT:
            raise ValueError("share needs mode: Split; with any other each model gets every request")
        unfit = _AT_ONCE if self.mode is BaselineMode.AFTER else _SAME_ROWS if self.mode is BaselineMode.SPLIT else ()
        given = next((name for name in unfit if getattr(self, name) is not None), None)
        if given in _AT_ONCE:
            raise ValueError(
                f"{to_camel(given)} needs mode: Shadow or Split, where both are under load at the same time"
            )
        if given is not None:
            raise ValueError(f"{to_camel(given)} needs mode: After or Shadow, where both are sent the same rows")
        limits = [name for name in (*_SAME_ROWS, *_AT_ONCE, "max_loss") if name not in unfit]
        if self.mode is not BaselineMode.AFTER and all(getattr(self, name) is None for name in limits):
            raise ValueError(f"mode: {self.mode} judges nothing by itself; set {', '.join(map(to_camel, limits))}")
        return self


#: Limits that need both answers to a row, and those that need both models under one load.
_SAME_ROWS = ("min_agreement", "max_score_difference")
_AT_ONCE = ("max_error_increase", "max_slowdown")
