"""ModelValidation: does a served model still answer rightly and fast?"""

from typing import Annotated

from pydantic import Field, model_validator

from firedrill.api.base import Duration, Model
from firedrill.api.data import DataSource
from firedrill.api.endpoint import ModelEndpoint
from firedrill.api.run import RunSpec


class LabelledData(Model):
    """Rows with their true labels."""

    source: DataSource = Field(description="Where the rows come from.")
    label_column: str = Field(min_length=1, max_length=253, description="Column with the true label.")
    ignore_columns: list[Annotated[str, Field(max_length=253)]] = Field(
        default_factory=list, max_length=1000, description="Not sent to the model."
    )


class ValidationLoad(Model):
    """How requests are sent: an open loop, so that a slow answer does not slow the questions."""

    requests: int = Field(default=500, ge=1, le=1_000_000, description="Measured requests, one row each.")
    warmup: int = Field(default=50, ge=0, le=100_000, description="Requests before, not measured but reported.")
    rate: float = Field(default=50.0, gt=0, le=10_000, description="Requests a second, Poisson arrivals.")
    seed: int = Field(default=1, ge=0, le=2**53, description="Seed of arrivals and of the order of rows.")
    max_in_flight: int = Field(
        default=256, ge=1, le=4096, description="Requests open at once; beyond, the next one waits, and that counts."
    )


class ValidationThresholds(Model):
    """Limits; each that is set is one measurement."""

    min_accuracy: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Passed when the whole 95% interval is at or above, failed when it is wholly below.",
    )
    max_error_rate: float | None = Field(default=0.01, ge=0, le=1, description="Share of requests that failed.")
    max_p50: Duration | None = Field(
        default=None,
        description="Limit of the median latency. Each latency limit needs 459 requests, fewer: Inconclusive.",
    )
    max_p95: Duration | None = Field(default=None, description="Limit of the 95th percentile of latency.")
    max_p99: Duration | None = Field(default=None, description="Limit of the 99th percentile of latency.")


class ModelValidationSpec(RunSpec):
    """Sends labelled rows to a model and holds answers and latency against limits."""

    endpoint: ModelEndpoint = Field(description="The model under test, as seen from inside the target.")
    dataset: LabelledData = Field(description="Labelled rows.")
    load: ValidationLoad = Field(default_factory=ValidationLoad, description="How requests are sent.")
    thresholds: ValidationThresholds = Field(default_factory=ValidationThresholds, description="Limits.")

    @model_validator(mode="after")
    def _load_fits_timeout(self) -> "ModelValidationSpec":
        needed = (self.load.requests + self.load.warmup) / self.load.rate + self.endpoint.timeout.total_seconds()
        if needed > self.timeout.total_seconds():
            raise ValueError(
                "timeout must be at least (load.requests + load.warmup) / load.rate + endpoint.timeout "
                f"({needed:.3g} s)"
            )
        return self
