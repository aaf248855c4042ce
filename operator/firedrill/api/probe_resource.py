"""A probe that is another resource of Firedrill: what it says of the system is the answer."""

from enum import StrEnum

from pydantic import Field

from firedrill.api.base import Duration, parse_duration
from firedrill.api.probe import Probe
from firedrill.api.run import Name


class CheckKind(StrEnum):
    """Kinds that look and change nothing."""

    MODEL_VALIDATION = "ModelValidation"
    PERFORMANCE_BENCHMARK = "PerformanceBenchmark"
    DRIFT_CHECK = "DriftCheck"
    DATA_PIPELINE_TEST = "DataPipelineTest"


class ResourceProbe(Probe):
    """A check of the experiment's namespace, carried out anew each time as it was when the run began.

    Passed is a good answer, Failed a bad one; Inconclusive and Error say nothing.
    """

    kind: CheckKind = Field(description="ModelValidation, PerformanceBenchmark, DriftCheck or DataPipelineTest.")
    name: Name = Field(description="Its name, in the namespace of the experiment.")
    timeout: Duration = Field(default=parse_duration("30s"), description="A slower answer is a failure.")
    interval: Duration = Field(
        default=parse_duration("10s"), description="Time between two questions, 10ms to 60s; each is asked anew."
    )

    @property
    def key(self) -> str:
        """Kind and name, as a task lists what was resolved."""
        return f"{self.kind}/{self.name}"
