"""What a try-out shows: cut off or not, ready or not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from firedrill.engines.fix.sandbox import CANARY, ISOLATE
from firedrill.engines.fix.views import ContainerView, PodView, pod_view

#: A pod without a readiness probe is ready the moment it starts; it has to stay so.
STAY = timedelta(seconds=5)


class TryOut(StrEnum):
    """Where a try-out stands."""

    WAITING = "Waiting"
    #: The isolation itself did not come about, or does not hold: the proposal has not been tried.
    NOT_ISOLATED = "NotIsolated"
    #: It could not be started for a reason that says nothing of the proposal.
    NOT_POSSIBLE = "NotPossible"
    READY = "Ready"
    FAILED = "Failed"


@dataclass(frozen=True)
class Attempt:
    """One connection that was tried."""

    address: str
    connected: bool
    detail: str = ""


@dataclass(frozen=True)
class TryOutLook:
    """What is seen of the try-out now."""

    state: TryOut
    message: str
    attempts: tuple[Attempt, ...] = ()
    ready: bool = False
    restarts: int = 0


def parse_attempts(text: str) -> tuple[Attempt, ...]:
    """What the canary has written; empty where it is not what a canary writes."""
    try:
        raw = json.loads(text)["attempts"]
        return tuple(Attempt(item["address"], bool(item["connected"]), item.get("detail", "")) for item in raw)
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
        return ()


def look_at(raw: Mapping[str, Any], wanted: Sequence[str]) -> TryOutLook:
    """What the try-out pod shows; ``wanted`` are the addresses that the canary must have tried in vain."""
    statuses = {item["name"]: item for item in (raw.get("status") or {}).get("initContainerStatuses") or ()}
    pod = pod_view(raw)
    attempts = parse_attempts(_end_of(statuses.get(CANARY, {})).get("message", ""))
    broken = _isolation_broken(statuses, attempts, wanted)
    if broken:
        return TryOutLook(TryOut.NOT_ISOLATED, broken, attempts)
    missing_image = [item for item in pod.containers if item.name in (ISOLATE, CANARY) and "Image" in item.waiting]
    if missing_image:
        item = missing_image[0]
        return TryOutLook(TryOut.NOT_POSSIBLE, f"Firedrill's image {item.image} can not be pulled: {item.waiting}")
    if pod.unscheduled:
        return TryOutLook(TryOut.NOT_POSSIBLE, f"the try-out is not scheduled: {pod.unscheduled[:300]}")
    tried = [item for item in pod.containers if item.name not in (ISOLATE, CANARY)]
    isolated = bool(_end_of(statuses.get(CANARY, {})))
    return TryOutLook(
        TryOut.WAITING,
        _describe(pod, tried),
        attempts,
        ready=pod.ready and isolated,
        restarts=sum(item.restarts for item in tried),
    )


@dataclass(frozen=True)
class TryOutWatch:
    """Looks at a try-out over time."""

    started: datetime
    limit: timedelta
    ready_since: datetime | None = None
    ready_after: float | None = None
    restarts: int = 0

    def seen(self, look: TryOutLook, now: datetime) -> "TryOutWatch":
        """With one more look. A restart begins the time of readiness anew."""
        steady = look.ready and (look.restarts == self.restarts or self.ready_since is None)
        if not steady:
            return TryOutWatch(self.started, self.limit, restarts=look.restarts)
        since = self.ready_since or now
        return TryOutWatch(self.started, self.limit, since, (since - self.started).total_seconds(), look.restarts)

    def conclusion(self, look: TryOutLook, now: datetime) -> TryOut:
        """WAITING while looking again may change the answer."""
        if look.state is TryOut.NOT_ISOLATED:
            return look.state
        if self.ready_since is not None:
            in_time = self.ready_since - self.started <= self.limit
            if in_time and now - self.ready_since >= STAY:
                return TryOut.READY
        late = now - self.started > self.limit + (STAY if self.ready_since is not None else timedelta())
        if not late:
            return TryOut.WAITING
        return TryOut.NOT_POSSIBLE if look.state is TryOut.NOT_POSSIBLE else TryOut.FAILED


def _end_of(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a container has ended, the last time where it is started again."""
    for state in (status.get("state") or {}, status.get("lastState") or {}):
        if state.get("terminated"):
            ended: Mapping[str, Any] = state["terminated"]
            return ended
    return {}


def _isolation_broken(
    statuses: Mapping[str, Mapping[str, Any]], attempts: Sequence[Attempt], wanted: Sequence[str]
) -> str:
    rules, canary = _end_of(statuses.get(ISOLATE, {})), _end_of(statuses.get(CANARY, {}))
    if rules and rules.get("exitCode") != 0:
        return f"the rules could not be installed: {(rules.get('message') or rules.get('reason', '')).strip()[:300]}"
    reached = [item.address for item in attempts if item.connected]
    if reached:
        return f"the canary reached {', '.join(reached)} from inside the sandbox"
    if not canary:
        return ""
    if canary.get("exitCode") != 0:
        return f"the canary failed: {(canary.get('message') or canary.get('reason', '')).strip()[:300]}"
    untried = sorted(set(wanted) - {item.address for item in attempts})
    return f"the canary did not try {', '.join(untried)}" if untried else ""


def _describe(pod: PodView, containers: Sequence[ContainerView]) -> str:
    parts = [_describe_container(item) for item in containers if not item.ready]
    return "; ".join(parts) or ("ready" if pod.ready else f"pod is {pod.phase or 'unknown'}")


def _describe_container(item: ContainerView) -> str:
    text = f"{item.name} ({item.image}): {item.waiting or item.terminated or 'running, not ready'}"
    if item.exit_code is not None:
        text += f", exit {item.exit_code}"
    if item.restarts:
        text += f", {item.restarts} restarts"
    return text + (f": {item.message[:200]}" if item.message else "")
