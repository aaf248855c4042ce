"""The verdict on an experiment: a chain of policies, the first that has something to say decides."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from firedrill.api.base import format_duration
from firedrill.api.changes import (
    Change,
    Edit,
    EngineStarted,
    HeldInPod,
    ObjectCreated,
    ObjectDeleted,
    ObjectEdited,
    PacketsDropped,
    PodDeleted,
    ToolkitStarted,
)
from firedrill.api.verdict import Verdict
from firedrill.engines.chaos import aborting
from firedrill.engines.chaos.editing import told
from firedrill.engines.chaos.observation import Observation
from firedrill.engines.chaos.samples import MIN_SAMPLES, Share
from firedrill.engines.chaos.toolkit.document import names


@dataclass(frozen=True)
class Ruling:
    """A verdict with one word for programs and one sentence for people."""

    verdict: Verdict
    reason: str
    message: str


#: Changes that are told one by one, and how long the text of each may be.
_TOLD: Final = 5
_LONGEST: Final = 300

Policy = Callable[[Observation], Ruling | None]


def rule(observation: Observation) -> Ruling:
    """The verdict on an experiment whose fault was put in place."""
    for policy in POLICIES:
        ruling = policy(observation)
        if ruling:
            return ruling
    return _held(observation)


def rule_before(before: Share, min_rate: float) -> Ruling | None:
    """Why the experiment must not begin; None when the steady state holds."""
    if not before.enough:
        return Ruling(
            Verdict.INCONCLUSIVE,
            "TooFewSamples",
            f"{before.count} requests were sent before the fault, at least {MIN_SAMPLES} are needed: lengthen "
            "steadyState.window or shorten the interval of its probe",
        )
    if before.rate < min_rate:
        return Ruling(
            Verdict.INCONCLUSIVE,
            "SteadyStateNotMet",
            f"the steady state did not hold before the fault, so nothing was injected: success rate "
            f"{before.rate:.3f}, limit >= {min_rate:g} ({before.count} requests)",
        )
    return None


def inconclusive(reason: str, message: str) -> Ruling:
    """The ruling on a run that has nothing to say about its subject."""
    return Ruling(Verdict.INCONCLUSIVE, reason, message)


def rehearsed(planned: Sequence[Change]) -> Ruling:
    """The ruling on a run that only tells what it would do."""
    lines = [_would(change) for change in planned]
    more = f"; and {len(lines) - _TOLD} more" if len(lines) > _TOLD else ""
    return Ruling(Verdict.INCONCLUSIVE, "DryRun", f"nothing was changed; would be: {'; '.join(lines[:_TOLD])}{more}")


def _would(change: Change) -> str:
    match change:
        case PodDeleted():
            return f"pod {change.key} deleted"
        case PacketsDropped():
            return f"packets of pod {change.key} filtered for {change.seconds:g} s"
        case HeldInPod():
            return f"pod {change.key} hit for {change.seconds:g} s ({change.settings.get('mode', change.way)})"
        case ObjectEdited():
            # What is kept in a vault is told to nobody.
            shown = (
                told(edit.path) if change.kept_in else f"{told(edit.path)}: {_shown(edit)}" for edit in change.edits
            )
            edits = ", ".join(shown)
            return f"{change.kind} {change.key} changed at {edits}"[:_LONGEST]
        case ObjectCreated() | EngineStarted():
            return f"{change.kind} {change.key} created"
        case ObjectDeleted():
            return f"{change.kind} {change.key} deleted"
        case ToolkitStarted():
            method, back = names(change.body, "method"), names(change.body, "rollbacks")
            does = f"{', '.join(method) or 'no method'}; rolled back by {', '.join(back) or 'nothing'}"
            return f"experiment {change.name!r} of Chaos Toolkit run in {change.namespace}: {does}"[:_LONGEST]
    return f"{change.type} of {change.key}"


def _shown(edit: Edit) -> str:
    return f"{_before(edit)} -> {'absent' if edit.to_remove else json.dumps(edit.value)}"


def _before(edit: Edit) -> str:
    """What is there now, where that can be no secret: numbers, switches and images."""
    if edit.was_absent:
        return "absent"
    harmless = isinstance(edit.original, bool | int | float) or edit.path[-1] == "image"
    return json.dumps(edit.original) if harmless else "what it holds"


def not_undone(evidence: str) -> Ruling:
    """The ruling on a run that may have left a fault behind."""
    return Ruling(
        Verdict.ERROR,
        "UndoNotVerified",
        f"the fault was not seen undone; the guardian goes on: {evidence or 'no evidence'}",
    )


def aborted(reason: str, what: str) -> Ruling:
    """The ruling on a run that was asked to stop. ``Word: text`` gives the word as reason."""
    word, _, text = reason.partition(":")
    if re.fullmatch(r"[A-Z][A-Za-z0-9]{1,63}", word.strip()):
        return Ruling(Verdict.INCONCLUSIVE, word.strip(), f"{text.strip() or word.strip()}; {what}")
    return Ruling(Verdict.INCONCLUSIVE, "Aborted", f"{reason}; {what}")


def _not_undone(seen: Observation) -> Ruling | None:
    # A fault that may still be on is ours; what the system does under it says nothing about the system. A killed
    # pod leaves nothing of ours behind: that it does not come back is for _not_recovered.
    if seen.undone or seen.instant:
        return None
    return not_undone(seen.undo_evidence)


def _aborted(seen: Observation) -> Ruling | None:
    if not seen.aborted:
        return None
    return aborted(seen.aborted, f"the fault was ended after {seen.fault_seconds:.1f} s")


def _abort_condition(seen: Observation) -> Ruling | None:
    if not seen.abort_met:
        return None
    return Ruling(
        Verdict.FAILED, aborting.MET, f"{seen.abort_met}; the fault was ended after {seen.fault_seconds:.1f} s"
    )


def _broken(seen: Observation) -> Ruling | None:
    return Ruling(Verdict.INCONCLUSIVE, *seen.broken) if seen.broken else None


def _failed_beside(seen: Observation) -> Ruling | None:
    for each in seen.judged:
        if each.measurement.weight and each.measurement.passed is False:
            return Ruling(Verdict.FAILED, each.failed, each.sentence)
    return None


def _undecided_beside(seen: Observation) -> Ruling | None:
    for each in seen.judged:
        if each.measurement.weight and each.measurement.passed is None:
            return Ruling(Verdict.INCONCLUSIVE, each.undecided, each.sentence)
    return None


def _reverted(seen: Observation) -> Ruling | None:
    if not seen.reverted:
        return None
    return Ruling(
        Verdict.INCONCLUSIVE,
        "Reverted",
        f"somebody else ended the fault before its time in {', '.join(seen.reverted[:3])}"
        + (f" and {len(seen.reverted) - 3} more" if len(seen.reverted) > 3 else ""),
    )


def _engine(seen: Observation) -> Ruling | None:
    if seen.engine is None or seen.engine.verdict is None:
        return None
    return Ruling(seen.engine.verdict, seen.engine.reason, seen.engine.message)


def _not_observed(seen: Observation) -> Ruling | None:
    if seen.observed:
        return None
    if seen.broken:
        return _broken(seen)
    return Ruling(
        Verdict.INCONCLUSIVE,
        "FaultNotObserved",
        f"the fault {seen.what} was put in place, but nothing was seen to suffer by it (its proof: "
        f"{seen.proof}), and the answers were not clearly worse than before: "
        f"{seen.during.describe()}; does the probe go through what is hit?",
    )


def _too_few_during(seen: Observation) -> Ruling | None:
    if not seen.spec.steady_state.min_success_rate_during or seen.during.enough:
        return None
    return Ruling(
        Verdict.INCONCLUSIVE,
        "TooFewSamples",
        f"{seen.during.count} requests were sent during the fault, at least {MIN_SAMPLES} are needed",
    )


def _violated(seen: Observation) -> Ruling | None:
    limit = seen.spec.steady_state.min_success_rate_during
    if seen.during.rate >= limit:
        return None
    return Ruling(
        Verdict.FAILED,
        "SteadyStateViolated",
        f"success rate during the fault was {seen.during.rate:.3f}, limit >= {limit:g} ({seen.during.count} requests)",
    )


def _cut_short(seen: Observation) -> Ruling | None:
    if not seen.cut_short or (seen.recovery and seen.undone):
        return None
    return Ruling(
        Verdict.INCONCLUSIVE,
        "Timeout",
        f"the run's time was over before recoveryTimeout, {format_duration(seen.spec.recovery_timeout)}, had passed",
    )


def _not_recovered(seen: Observation) -> Ruling | None:
    limit = format_duration(seen.spec.recovery_timeout)
    seconds = seen.recovery_seconds
    if seconds is None or seconds > seen.spec.recovery_timeout.total_seconds():
        return Ruling(
            Verdict.FAILED,
            "NotRecovered",
            f"the steady state did not hold again within {limit} of the fault's end: success rate "
            f"{seen.after.rate:.3f}, limit >= {seen.spec.steady_state.min_success_rate:g} "
            f"({seen.after.count} requests)",
        )
    if not seen.undone:
        return Ruling(
            Verdict.FAILED,
            "NotRecovered",
            f"the steady state holds, but the pods did not come back within {limit}: {seen.undo_evidence}",
        )
    return None


def _held(seen: Observation) -> Ruling:
    state = seen.spec.steady_state
    during = f", limit >= {state.min_success_rate_during:g}" if state.min_success_rate_during else ""
    return Ruling(
        Verdict.PASSED,
        "SteadyStateHeld",
        f"success rate {seen.before.rate:.3f} before, {seen.during.rate:.3f} during the fault{during} "
        f"({seen.during.count} requests); it held again {seen.recovery_seconds or 0.0:.1f} s after the fault's end, "
        f"limit {format_duration(seen.spec.recovery_timeout)}",
    )


#: In this order: what makes the observation worthless first, then failures.
POLICIES: Final[tuple[Policy, ...]] = (
    _not_undone,
    _abort_condition,
    _aborted,
    _reverted,
    _engine,
    _not_observed,
    _too_few_during,
    _violated,
    _failed_beside,
    _cut_short,
    _not_recovered,
    _broken,
    _undecided_beside,
)
