"""Faults that other engines carry out."""

import json
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, field_validator, model_validator

from firedrill.api.base import Duration, Model
from firedrill.api.faults.about import About, Family, FaultModel, Hits
from firedrill.api.run import Name

#: A document of another engine, as it travels in a resource and lies in a record.
MOST_BYTES: Final = 64 * 1024
_DEEPEST: Final = 32
_OPEN: Final[dict[str, Any]] = {"x-kubernetes-preserve-unknown-fields": True}
_VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"


def bounded(document: dict[str, Any]) -> dict[str, Any]:
    """The document, where it is small and flat enough to be kept; raises ValueError."""
    if _depth(document, _DEEPEST) > _DEEPEST:
        raise ValueError(f"is nested more than {_DEEPEST} levels deep")
    size = len(json.dumps(document).encode())
    if size > MOST_BYTES:
        raise ValueError(f"takes {size} bytes as JSON, at most {MOST_BYTES} are kept")
    return document


def _depth(value: Any, left: int) -> int:
    if left < 0:
        return 1
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(each, left - 1) for each in inner), default=0)


class ExperimentSource(Model):
    """A key of a ConfigMap in the runner namespace of the target, labelled for the namespace on the hub."""

    name: Name = Field(description="ConfigMap with the label firedrill.dev/hub-namespace.")
    key: str = Field(
        default="experiment.json",
        min_length=1,
        max_length=253,
        pattern=r"^[-._a-zA-Z0-9]+$",
        description="Which key: JSON or YAML.",
    )


class HypothesisStrategy(StrEnum):
    """When the steady-state hypothesis of the experiment is checked."""

    DEFAULT = "Default"
    BEFORE_METHOD = "BeforeMethod"
    AFTER_METHOD = "AfterMethod"
    DURING_METHOD = "DuringMethod"
    CONTINUOUSLY = "Continuously"
    SKIP = "Skip"


class ChaosToolkit(FaultModel):
    """An experiment of Chaos Toolkit, whole. Its rollbacks are always run."""

    about: ClassVar[About] = About(
        Family.CHAOS_TOOLKIT,
        Hits.ENGINE,
        "runs an experiment of Chaos Toolkit, for no longer than the duration",
        "by the experiment's own rollbacks, each until it has succeeded; what has none is not undone by them",
        "the probe, and actions of the method that Chaos Toolkit tells as succeeded",
        "policy.chaosToolkit of the TargetCluster, which names the modules that may be called",
    )

    experiment: dict[str, Any] | None = Field(
        default=None,
        description="The experiment, as Chaos Toolkit defines it; at most 64 KiB.",
        json_schema_extra=_OPEN,
    )
    config_map: ExperimentSource | None = Field(default=None, description="Where the experiment is, else.")
    env: dict[Annotated[str, Field(max_length=128, pattern=_VARIABLE)], Annotated[str, Field(max_length=4096)]] = Field(
        default_factory=dict,
        max_length=64,
        description="Values for what the experiment reads from the environment; nothing of the runner's own is given.",
    )
    hypothesis: HypothesisStrategy = Field(
        default=HypothesisStrategy.DEFAULT,
        description="When the experiment's hypothesis is checked: Default (before and after the method), BeforeMethod, "
        "AfterMethod, DuringMethod, Continuously or Skip.",
    )
    frequency: Duration | None = Field(
        default=None, description="How often it is checked with DuringMethod and Continuously; 1s when absent."
    )

    @field_validator("experiment")
    @classmethod
    def _bounded(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if value is None else bounded(value)

    @model_validator(mode="after")
    def _one_source(self) -> "ChaosToolkit":
        if (self.experiment is None) == (self.config_map is None):
            raise ValueError("set exactly one of experiment and configMap")
        return self
