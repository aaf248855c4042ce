"""AWS Fault Injection Service: what its experiments tell, in our words."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.chaos.outcome import EngineOutcome

#: States in which nothing is done any more, by what AWS documents.
ENDED: Final = ("completed", "stopped", "failed", "cancelled")
#: States of an action that has been begun.
_BEGUN: Final = ("running", "completed", "stopping", "stopped")


@dataclass(frozen=True)
class Action:
    """One action of an experiment: what it is, and where it stands."""

    action_id: str
    status: str
    reason: str = ""


@dataclass(frozen=True)
class Experiment:
    """One look at an experiment."""

    status: str
    reason: str = ""
    actions: Mapping[str, Action] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether nothing is done any more."""
        return self.status in ENDED

    @property
    def begun(self) -> list[str]:
        """Names of the actions that were begun."""
        return sorted(name for name, action in self.actions.items() if action.status in _BEGUN)

    def __str__(self) -> str:
        """In words."""
        told = ", ".join(f"{name} {action.status}" for name, action in sorted(self.actions.items()))
        why = f" ({self.reason[:200]})" if self.reason else ""
        return f"AWS FIS tells {self.status}{why}{f'; actions: {told[:400]}' if told else ''}"


def parsed(body: Mapping[str, Any]) -> Experiment:
    """An experiment as the service gives it."""
    state = body.get("state") or {}
    return Experiment(
        str(state.get("status") or "unknown"),
        str(state.get("reason") or ""),
        {
            name: Action(
                str(action.get("actionId") or ""),
                str((action.get("state") or {}).get("status") or "pending"),
                str((action.get("state") or {}).get("reason") or ""),
            )
            for name, action in (body.get("actions") or {}).items()
        },
    )


def outcome(found: Experiment | None) -> EngineOutcome:
    """What it says before we have asked it to stop."""
    if found is None:
        return EngineOutcome(Verdict.INCONCLUSIVE, "AwsFisUnknown", "AWS FIS has told nothing of the experiment")
    verdict, reason = _judged(found)
    counted = Counter(action.status for action in found.actions.values())
    return EngineOutcome(
        verdict,
        reason,
        str(found) if verdict else "",
        bool(found.begun),
        (
            Measurement(
                name="awsFis: actions begun",
                value=float(len(found.begun)),
                unit="count",
                detail=", ".join(f"{count} {status}" for status, count in sorted(counted.items())),
                weight=0.0,
            ),
        ),
        {
            "awsFis": {
                "status": found.status,
                "reason": found.reason,
                "actions": {name: vars(action) for name, action in found.actions.items()},
            }
        },
    )


def _judged(found: Experiment) -> tuple[Verdict | None, str]:
    match found.status:
        case "stopped" | "stopping":
            # Nobody of ours has asked for it yet: an alarm of its template has, or a person.
            return Verdict.FAILED, "AwsFisStopped"
        case "failed" | "cancelled":
            return Verdict.ERROR, f"AwsFis{found.status.capitalize()}"
        case "pending" | "initiating":
            return Verdict.INCONCLUSIVE, "AwsFisNotBegun"
    return None, ""
