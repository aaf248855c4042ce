"""AutoFix: propose a repair, prove it in a sandbox, apply it after approval, verify, or roll back."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field, model_validator

from firedrill.api.base import Duration, Model, parse_duration
from firedrill.api.run import Name, RunSpec


class Approval(StrEnum):
    """Who lets a proven proposal be applied."""

    MANUAL = "manual"
    AUTO = "auto"


class DeploymentRef(Model):
    """A Deployment in the target; its namespace must opt in by label."""

    namespace: Name = Field(description="Namespace of the Deployment.")
    name: Name = Field(description="Name of the Deployment.")


class AutoFixTarget(Model):
    """What is to be repaired."""

    deployment: DeploymentRef = Field(description="The Deployment that is looked at.")


#: Beside the waiting that the spec itself limits, a run looks at the rollout (60 s at most) and sees its sandbox go.
OVERHEAD = timedelta(seconds=90)


class AutoFixSpec(RunSpec):
    """Looks for a rollout whose image can not be pulled, and goes back to the last healthy revision."""

    target: AutoFixTarget = Field(description="What is looked at and repaired.")
    approval: Approval = Field(
        default=Approval.MANUAL,
        description="manual waits for the approve annotation; auto goes on by itself.",
    )
    approval_timeout: Duration = Field(
        default=parse_duration("24h"),
        description="Without approval until then: Inconclusive, ApprovalExpired.",
    )
    sandbox_timeout: Duration = Field(
        default=parse_duration("60s"),
        description="The try-out must be Ready in the sandbox within this time.",
    )
    verify_timeout: Duration = Field(
        default=parse_duration("120s"),
        description="The rollout must be complete within this time, else it is undone.",
    )

    @model_validator(mode="after")
    def _times_fit(self) -> "AutoFixSpec":
        for name, value in (
            ("approvalTimeout", self.approval_timeout),
            ("sandboxTimeout", self.sandbox_timeout),
            ("verifyTimeout", self.verify_timeout),
        ):
            if not 1 <= value.total_seconds() <= 7 * 86400:
                raise ValueError(f"{name} must be between 1s and 168h")
        needed = self.sandbox_timeout + self.verify_timeout + OVERHEAD
        if self.timeout < needed:
            raise ValueError(
                f"timeout must be at least sandboxTimeout + verifyTimeout + 90s ({needed.total_seconds():g} s); "
                "approvalTimeout comes on top"
            )
        return self
