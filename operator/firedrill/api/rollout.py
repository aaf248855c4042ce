"""A run on a rollout: which workload is looked at, and what status remembers of it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_validator

from firedrill.api.base import Duration, LenientModel, Model, Time, parse_duration

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


class WorkloadKind(StrEnum):
    """A kind of ``apps/v1`` that rolls out its pod template."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"

    @property
    def plural(self) -> str:
        """As in paths and roles."""
        return f"{self.value.lower()}s"


@dataclass(frozen=True)
class Workload:
    """A workload by its name, in whatever target."""

    kind: WorkloadKind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.namespace}/{self.name}"


class OnRollout(Model):
    """The workload whose rollouts start runs, in each target in which it has been rolled out."""

    kind: WorkloadKind = Field(description="Deployment, StatefulSet or DaemonSet.")
    namespace: Annotated[str, Field(min_length=1, max_length=63, pattern=f"^{_LABEL}$")] = Field(
        description="Its namespace in the target."
    )
    name: Annotated[str, Field(min_length=1, max_length=253, pattern=rf"^{_LABEL}(\.{_LABEL})*$")] = Field(
        description="Its name."
    )
    delay: Duration = Field(
        default=parse_duration("0s"),
        description="How long after a rollout was seen complete the run starts; at most 24h.",
    )

    @field_validator("delay")
    @classmethod
    def _delay_is_sane(cls, value: Any) -> Any:
        if value > timedelta(hours=24):
            raise ValueError("delay must be at most 24h")
        return value

    @property
    def workload(self) -> Workload:
        """What is looked at."""
        return Workload(self.kind, self.namespace, self.name)


class RolloutSeen(LenientModel):
    """What was seen of the workload in one target: the template that was run for last, and one that is to be."""

    cluster: str = Field(max_length=253, description="Name of the TargetCluster.")
    workload: str = Field(max_length=16, description="Hash of what was looked at: the cluster, and the workload.")
    template: str = Field(
        max_length=16,
        description="Hash of the pod template that was there at first, or that a run was begun for; empty where that "
        "run was cut short.",
    )
    revision: str = Field(default="", max_length=16, description="Hash of what its controller calls that template.")
    new_template: str = Field(
        default="", max_length=16, description="Hash of a template that has been rolled out, and that no run began for."
    )
    new_revision: str = Field(default="", max_length=16, description="Hash of what its controller calls that one.")
    completed_at: Time | None = Field(default=None, description="When that one was seen completely rolled out.")
