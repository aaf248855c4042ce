"""Faults of what workloads are configured by."""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from firedrill.api.faults.about import About, Family, FaultModel, Hits
from firedrill.api.flag import Flag

_UNDONE: Final = "each field is put back where it still holds our value"
_PROBE: Final = "the probe alone: that our value is there says nothing"
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]


def _about(does: str, needs: str = "") -> About:
    return About(Family.CONFIG, Hits.NAMED, does, _UNDONE, _PROBE, needs)


class ConfigDrift(FaultModel):
    """A value in a ConfigMap that is wrong."""

    about: ClassVar[About] = _about("sets a key of a ConfigMap", "an application that reads it again, or is restarted")

    name: ObjectName = Field(description="Name of the ConfigMap.")
    key: str = Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$", description="Which key.")
    value: str | None = Field(default=None, max_length=65536, description="The wrong value; when absent the key goes.")


class WrongPort(FaultModel):
    """A Service that leads to a port where nobody listens."""

    about: ClassVar[About] = _about("sets the target port of a Service")

    service: ObjectName = Field(description="Name of the Service.")
    port: int | None = Field(default=None, ge=1, le=65535, description="Which of its ports; when absent the first.")
    target_port: int = Field(default=1, ge=1, le=65535, description="Where it is to lead.")


class WrongSelector(FaultModel):
    """A Service that selects no pod."""

    about: ClassVar[About] = _about("adds a label to the selector of a Service that no pod has")

    service: ObjectName = Field(description="Name of the Service.")


_BACK: Final = "it is created again as it was, unless somebody else has done so"


class ServiceDelete(FaultModel):
    """A Service that is gone."""

    about: ClassVar[About] = About(Family.CONFIG, Hits.NAMED, "deletes a Service", _BACK, _PROBE)

    service: ObjectName = Field(description="Name of the Service.")


class ConfigMapDelete(FaultModel):
    """A ConfigMap that is gone."""

    about: ClassVar[About] = About(
        Family.CONFIG,
        Hits.NAMED,
        "deletes a ConfigMap: pods that start without it wait for it",
        _BACK,
        _PROBE,
        "an application that needs it to start, and is started",
    )

    name: ObjectName = Field(description="Name of the ConfigMap.")


class HpaSqueeze(FaultModel):
    """An autoscaler that may not scale."""

    about: ClassVar[About] = _about("lowers the bounds of a HorizontalPodAutoscaler")

    name: ObjectName = Field(description="Name of the HorizontalPodAutoscaler.")
    max_replicas: int = Field(default=1, ge=1, le=1000, description="The most pods that it may ask for.")


class SimulationFlag(FaultModel):
    """A flag of a Simulation, by which one of its services suffers from the inside."""

    about: ClassVar[About] = About(
        Family.CONFIG,
        Hits.NAMED,
        "sets a flag of the Simulation that stands in the target's namespace",
        "the flags are as they were before, unless somebody else has set others",
        _PROBE,
        "a Simulation in the target's namespace",
    )

    flag: Flag = Field(description="Which service suffers, by what, and how much.")
