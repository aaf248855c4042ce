"""The journal of an experiment of Chaos Toolkit, and what follows from it."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from firedrill.api.base import LenientModel, Time
from firedrill.api.verdict import Measurement, Verdict
from firedrill.api.written import number_in
from firedrill.engines.chaos.outcome import EngineOutcome

#: So many activities of a part are told as measurements; all of them are in the report.
_MEASURED: Final = 20


def _clipped(limit: int) -> BeforeValidator:
    return BeforeValidator(lambda value: str(value)[:limit])


class Phase(StrEnum):
    """How far an experiment has come."""

    STARTING = "Starting"
    BEFORE = "Before"
    METHOD = "Method"
    AFTER = "After"
    ROLLBACKS = "Rollbacks"
    ENDED = "Ended"


class Activity(LenientModel):
    """One probe or action that was carried out."""

    name: Annotated[str, _clipped(200)] = ""
    type: Annotated[str, _clipped(16)] = ""
    succeeded: bool = False
    met: bool | None = Field(default=None, description="Whether its tolerance was met, of a hypothesis' probe.")
    tolerance: Annotated[str, _clipped(120)] = ""
    output: Annotated[str, _clipped(1024)] = ""
    error: Annotated[str, _clipped(512)] = ""
    seconds: float = 0.0
    ended_at: Time | None = None


class Hypothesis(LenientModel):
    """One check of the steady-state hypothesis: its probes up to the first that was not met."""

    met: bool = False
    probes: list[Activity] = Field(default_factory=list)

    @property
    def checked(self) -> bool:
        """Whether every probe of it could be asked."""
        return all(probe.succeeded for probe in self.probes)


class Journal(LenientModel):
    """What is known of a run of an experiment; written anew whenever something has happened."""

    phase: Phase = Phase.STARTING
    status: str = Field(default="", description="completed, failed, aborted or interrupted, once it has ended.")
    deviated: bool = False
    before: Hypothesis | None = None
    during: list[Hypothesis] = Field(default_factory=list)
    after: Hypothesis | None = None
    method: list[Activity] = Field(default_factory=list)
    rollbacks: list[Activity] = Field(default_factory=list)
    rolled_back: list[int] = Field(default_factory=list, description="Rollbacks that have succeeded, by their place.")
    verified: Hypothesis | None = Field(default=None, description="The hypothesis, asked again after the rollbacks.")
    ended_at: Time | None = None
    error: Annotated[str, _clipped(1024)] = ""

    def actions(self, *, succeeded: bool) -> list[str]:
        """Names of the actions of the method that went well, or did not."""
        return [each.name for each in self.method if each.type == "action" and each.succeeded is succeeded]


def outcome(journal: Journal) -> EngineOutcome:
    """What the journal says of the system, in the words of Firedrill."""
    verdict, reason, message = _concluded(journal)
    return EngineOutcome(
        verdict, reason, message, bool(journal.actions(succeeded=True)), tuple(_measured(journal)), told(journal)
    )


def told(journal: Journal) -> dict[str, Any]:
    """The journal for the report."""
    return {"chaosToolkit": journal.to_wire()}


def _concluded(journal: Journal) -> tuple[Verdict | None, str, str]:
    if journal.phase is not Phase.ENDED:
        return Verdict.ERROR, "ToolkitCrashed", f"Chaos Toolkit left no end of its journal: {journal.error or 'killed'}"
    if journal.before is not None and not journal.before.checked:
        what = f"the hypothesis could not be checked before the method: {_failed(journal.before)}"
        return Verdict.INCONCLUSIVE, "HypothesisNotChecked", what
    if journal.before is not None and not journal.before.met:
        what = f"the hypothesis was not met before the method, which was not begun: {_failed(journal.before)}"
        return Verdict.INCONCLUSIVE, "HypothesisNotMet", what
    if journal.deviated:
        why = _failed(journal.after) if journal.after else "while the method ran"
        return Verdict.FAILED, "Deviated", f"the hypothesis was not met after the method: {why}"
    match journal.status:
        case "aborted":
            return Verdict.ERROR, "ToolkitAborted", f"Chaos Toolkit aborted: {journal.error or 'an unexpected error'}"
        case "interrupted":
            return Verdict.INCONCLUSIVE, "Interrupted", "the experiment was stopped before its method had ended"
        case "failed":
            return Verdict.INCONCLUSIVE, "ToolkitFailed", f"Chaos Toolkit tells that it failed: {journal.error}"
        case "completed":
            return _completed(journal)
    return Verdict.ERROR, "ToolkitCrashed", f"Chaos Toolkit ended with {journal.status or 'no status'}: {journal.error}"


def _completed(journal: Journal) -> tuple[Verdict | None, str, str]:
    failed = [each for each in journal.method if each.type == "action" and not each.succeeded]
    if failed:
        return Verdict.INCONCLUSIVE, "ActionFailed", f"action {failed[0].name} failed: {failed[0].error}"
    return None, "", ""


def _failed(state: Hypothesis) -> str:
    probe = state.probes[-1] if state.probes else Activity(name="none")
    said = probe.error or f"{probe.output or 'nothing'}, tolerance {probe.tolerance or 'none'}"
    return f"probe {probe.name} said {said}"[:600]


def _measured(journal: Journal) -> list[Measurement]:
    found: list[Measurement] = []
    for when, state in (("Before", journal.before), ("After", journal.after)):
        found += [_of_probe(when, probe, 1.0) for probe in (state.probes if state else [])[:_MEASURED]]
    if journal.during:
        met = sum(state.met for state in journal.during)
        found.append(
            Measurement(
                name="hypothesisDuring",
                value=met / len(journal.during),
                unit="ratio",
                detail=f"met in {met} of {len(journal.during)} checks while the method ran",
                weight=0.0,
            )
        )
    found += [_of_probe("Verified", probe, 0.0) for probe in (journal.verified.probes if journal.verified else [])[:5]]
    found += [_of_activity("method", each) for each in journal.method[:_MEASURED]]
    return found + [_of_activity("rollback", each) for each in journal.rollbacks[:_MEASURED]]


def _of_probe(when: str, probe: Activity, weight: float) -> Measurement:
    return Measurement(
        name=f"hypothesis{when}: {probe.name}",
        value=number_in(probe.output),
        limit=probe.tolerance,
        passed=bool(probe.met),
        detail=(probe.error or probe.output)[:500],
        weight=weight,
    )


def _of_activity(part: str, each: Activity) -> Measurement:
    said = f"{each.type} {'succeeded' if each.succeeded else 'failed'}"
    detail = f"{said}: {each.error or each.output or 'no output'}"[:500]
    return Measurement(name=f"{part}: {each.name}", value=each.seconds, unit="s", detail=detail, weight=0.0)
