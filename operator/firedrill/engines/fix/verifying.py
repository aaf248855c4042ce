"""Whether an applied fix has mended the rollout."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from firedrill.engines.fix.views import DeploymentView

#: A container that crashes at once is available for a moment; the rollout has to stay complete.
STAY = timedelta(seconds=5)


class Verification(StrEnum):
    """Where the verification stands."""

    WAITING = "Waiting"
    COMPLETE = "Complete"
    TOO_LATE = "TooLate"
    #: Somebody else has changed the Deployment: whatever is seen now is not the fix.
    OVERTAKEN = "Overtaken"


@dataclass(frozen=True)
class VerifyWatch:
    """Looks at the Deployment since the fix was applied."""

    applied: datetime
    limit: timedelta
    complete_since: datetime | None = None
    last: DeploymentView | None = None

    def seen(self, deployment: DeploymentView, now: datetime) -> "VerifyWatch":
        """With one more look."""
        since = (self.complete_since or now) if deployment.complete else None
        return replace(self, complete_since=since, last=deployment)

    @property
    def complete_after(self) -> float | None:
        """Seconds from the change to the complete rollout."""
        return None if self.complete_since is None else (self.complete_since - self.applied).total_seconds()

    def conclusion(self, *, ours: bool, now: datetime) -> Verification:
        """WAITING while looking again may change the answer."""
        if not ours:
            return Verification.OVERTAKEN
        if self.complete_since is not None and self.complete_since - self.applied <= self.limit:
            return Verification.COMPLETE if now - self.complete_since >= STAY else Verification.WAITING
        return Verification.TOO_LATE if now - self.applied > self.limit else Verification.WAITING


def counts(deployment: DeploymentView) -> str:
    """The counts of a rollout in words."""
    return (
        f"{deployment.updated} of {deployment.desired} replicas updated, {deployment.available} available, "
        f"{deployment.total} in all"
    )
