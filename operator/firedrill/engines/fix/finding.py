"""What is wrong with a rollout, if anything: the finding that a proposal answers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from firedrill.engines.fix.views import PodView, Rollout

#: Reasons for which the kubelet says that it can not get an image.
IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
#: Reasons of a container that has yet to start; they say nothing of what is wrong.
STARTING_REASONS = frozenset({"", "ContainerCreating", "PodInitializing"})
#: One failed pull may be a hiccup of the registry; the finding has to hold this long.
CONFIRM = timedelta(seconds=5)


class Diagnosis(StrEnum):
    """What a look at a rollout says; also the reason that the run gives."""

    IMAGE_NOT_PULLED = "ImageNotPulled"
    NOTHING_TO_FIX = "NothingToFix"
    STARTING = "RolloutInProgress"
    NO_KNOWN_FIX = "NoKnownFix"
    PAUSED = "DeploymentPaused"
    SCALED_TO_ZERO = "ScaledToZero"
    DELETING = "DeploymentNotFound"


@dataclass(frozen=True)
class PullFailure:
    """Evidence: a container whose image can not be pulled."""

    pod: str
    container: str
    image: str
    reason: str
    message: str
    #: Creation of the pod: the failure can not be older.
    since: str

    def to_wire(self) -> dict[str, Any]:
        """For the report."""
        return dict(vars(self))


@dataclass(frozen=True)
class Look:
    """What one look at a rollout says."""

    diagnosis: Diagnosis
    message: str
    evidence: tuple[PullFailure, ...] = ()
    #: Looking again would say the same.
    final: bool = False


def _deleting(rollout: Rollout) -> Look | None:
    if not rollout.deployment.deleting:
        return None
    return Look(Diagnosis.DELETING, f"{_name(rollout)} is being deleted", final=True)


def _image_not_pulled(rollout: Rollout) -> Look | None:
    newest = rollout.newest
    evidence = pull_failures(rollout.pods_of(newest)) if newest else ()
    if not newest or not evidence:
        return None
    first = evidence[0]
    pods = len({item.pod for item in evidence})
    return Look(
        Diagnosis.IMAGE_NOT_PULLED,
        f"{pods} of {len(rollout.pods_of(newest))} pods of revision {newest.revision} can not pull {first.image} "
        f"({first.reason}); {rollout.deployment.available} of {rollout.deployment.desired} replicas are available",
        evidence,
    )


def _paused(rollout: Rollout) -> Look | None:
    if not rollout.deployment.paused:
        return None
    return Look(Diagnosis.PAUSED, f"{_name(rollout)} is paused: a person has its rollout in hand", final=True)


def _scaled_to_zero(rollout: Rollout) -> Look | None:
    if rollout.deployment.desired != 0:
        return None
    return Look(Diagnosis.SCALED_TO_ZERO, f"{_name(rollout)} is scaled to zero: it has no pods to look at", final=True)


def _complete(rollout: Rollout) -> Look | None:
    deployment = rollout.deployment
    if not deployment.complete or rollout.newest is None:
        return None
    return Look(
        Diagnosis.NOTHING_TO_FIX,
        f"looked at {_name(rollout)}, revision {rollout.newest.revision}: its rollout is complete and "
        f"{deployment.available} of {deployment.desired} replicas are available",
        final=True,
    )


def _other_failure(rollout: Rollout) -> Look | None:
    newest = rollout.newest
    seen = sorted({text for pod in rollout.pods_of(newest) for text in _troubles(pod)}) if newest else []
    if not seen:
        return None
    message = f"{_name(rollout)} is not healthy for a reason without a fix: {'; '.join(seen[:5])}"
    return Look(Diagnosis.NO_KNOWN_FIX, message)


def _starting(rollout: Rollout) -> Look:
    deployment = rollout.deployment
    return Look(
        Diagnosis.STARTING,
        f"the rollout of {_name(rollout)} goes on: {deployment.updated} of {deployment.desired} replicas are updated, "
        f"{deployment.available} available",
    )


#: In this order. An image that can not be pulled counts before all that may only be its consequence, but a
#: Deployment that a person has paused is that person's.
_POLICIES: tuple[Callable[[Rollout], Look | None], ...] = (
    _deleting, _paused, _scaled_to_zero, _image_not_pulled, _complete, _other_failure, _starting,
)  # fmt: skip


def look(rollout: Rollout) -> Look:
    """What is seen now."""
    return next(answer for policy in _POLICIES if (answer := policy(rollout)) is not None)


def pull_failures(pods: tuple[PodView, ...]) -> tuple[PullFailure, ...]:
    """Every container of the pods that waits for an image that can not be pulled, in the order of names."""
    return tuple(
        PullFailure(pod.name, item.name, item.image, item.waiting, item.message[:512], pod.created)
        for pod in sorted(pods, key=lambda pod: pod.name)
        for item in pod.containers
        if item.waiting in IMAGE_REASONS
    )


def _troubles(pod: PodView) -> list[str]:
    if pod.ready:
        return []
    troubles = [
        f"container {item.name}: {item.waiting}"
        + (f" after {item.terminated} (exit {item.exit_code})" if item.terminated else "")
        for item in pod.containers
        if item.waiting not in STARTING_REASONS
    ]
    if pod.unscheduled:
        troubles.append(f"not scheduled: {pod.unscheduled[:200]}")
    if not troubles and pod.phase == "Running":
        unready = ", ".join(item.name for item in pod.containers if not item.ready and item.exit_code is None)
        troubles.append(f"running, but not ready: {unready or 'the pod'}")
    return troubles


def _name(rollout: Rollout) -> str:
    return f"Deployment {rollout.deployment.namespace}/{rollout.deployment.name}"


@dataclass(frozen=True)
class Watch:
    """Looks over time: when the finding has been seen without a break."""

    started: datetime
    last: Look | None = None
    failing_since: datetime | None = None

    def seen(self, current: Look, now: datetime) -> "Watch":
        """With one more look."""
        failing = current.diagnosis is Diagnosis.IMAGE_NOT_PULLED
        since = (self.failing_since or now) if failing else None
        return Watch(self.started, current, since)

    def conclusion(self, now: datetime, limit: timedelta) -> Look | None:
        """The look that decides, or None while looking again may say more."""
        if self.last is None:
            return None
        confirmed = self.failing_since is not None and now - self.failing_since >= CONFIRM
        # An image name that does not parse will not parse later either.
        certain = any(item.reason == "InvalidImageName" for item in self.last.evidence)
        out_of_time = now - self.started >= limit and self.failing_since is None
        return self.last if self.last.final or confirmed or certain or out_of_time else None
