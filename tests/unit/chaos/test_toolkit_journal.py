"""What follows from the journal of an experiment of Chaos Toolkit."""

from typing import Any

import pytest
from experiment_builders import observation

from firedrill.api.verdict import Verdict
from firedrill.engines.chaos.measurements import measure
from firedrill.engines.chaos.outcome import EngineOutcome
from firedrill.engines.chaos.toolkit.journal import Activity, Hypothesis, Journal, Phase, outcome
from firedrill.engines.chaos.verdict import rule

MET = Hypothesis(met=True, probes=[Activity(name="p", type="probe", succeeded=True, met=True, output="200")])
NOT_MET = Hypothesis(
    probes=[Activity(name="p", type="probe", succeeded=True, met=False, output="500", tolerance="200")]
)
BROKEN = Hypothesis(probes=[Activity(name="p", type="probe", succeeded=False, met=False, error="no route")])
KILL = Activity(name="kill", type="action", succeeded=True, output='["pod-1"]', seconds=0.2)
FAILED = Activity(name="kill", type="action", succeeded=False, error="Forbidden")


def journal(**fields: Any) -> Journal:
    return Journal(**{"phase": Phase.ENDED, "status": "completed", "method": [KILL], **fields})


@pytest.mark.parametrize(
    ("seen", "verdict", "reason", "says"),
    [
        (journal(), None, "", ""),
        (journal(before=MET, after=MET), None, "", ""),
        (journal(method=[]), None, "", ""),
        (
            journal(before=MET, after=NOT_MET, deviated=True),
            Verdict.FAILED,
            "Deviated",
            "probe p said 500, tolerance 200",
        ),
        (journal(before=MET, after=BROKEN, deviated=True, status="failed"), Verdict.FAILED, "Deviated", "no route"),
        (journal(before=NOT_MET, method=[]), Verdict.INCONCLUSIVE, "HypothesisNotMet", "which was not begun"),
        (
            journal(before=BROKEN, status="failed", method=[]),
            Verdict.INCONCLUSIVE,
            "HypothesisNotChecked",
            "no route",
        ),
        (journal(status="interrupted"), Verdict.INCONCLUSIVE, "Interrupted", "before its method had ended"),
        (journal(status="aborted", error="boom"), Verdict.ERROR, "ToolkitAborted", "boom"),
        (journal(status="failed", error="why"), Verdict.INCONCLUSIVE, "ToolkitFailed", "why"),
        (journal(method=[KILL, FAILED]), Verdict.INCONCLUSIVE, "ActionFailed", "kill failed: Forbidden"),
        (journal(status=""), Verdict.ERROR, "ToolkitCrashed", "no status"),
        (journal(phase=Phase.METHOD, status=""), Verdict.ERROR, "ToolkitCrashed", "killed"),
    ],
)
def test_a_journal_says(seen: Journal, verdict: Verdict | None, reason: str, says: str) -> None:
    found = outcome(seen)
    assert (found.verdict, found.reason) == (verdict, reason)
    assert says in found.message


@pytest.mark.parametrize(
    ("engine", "aborted", "reason"),
    [
        (EngineOutcome(Verdict.FAILED, "Deviated", "m"), "", "Deviated"),
        (EngineOutcome(Verdict.FAILED, "Deviated", "m"), "Superseded: new", "Superseded"),
        (EngineOutcome(), "", "SteadyStateHeld"),
    ],
)
def test_its_word_has_its_place_among_ours(engine: EngineOutcome, aborted: str, reason: str) -> None:
    assert rule(observation(engine=engine, aborted=aborted)).reason == reason


def test_a_fault_that_may_be_on_comes_first() -> None:
    seen = observation(engine=EngineOutcome(Verdict.FAILED, "Deviated", "m"), undone=False)
    assert rule(seen).reason == "UndoNotVerified"


def test_probes_and_actions_are_measurements() -> None:
    seen = outcome(journal(before=MET, after=NOT_MET, during=[MET, NOT_MET], deviated=True, rollbacks=[KILL]))
    found = {each.name: each for each in measure(observation(engine=seen))}
    assert (found["hypothesisBefore: p"].value, found["hypothesisBefore: p"].passed) == (200.0, True)
    assert found["hypothesisAfter: p"].passed is False
    assert found["hypothesisDuring"].value == 0.5
    assert (found["method: kill"].value, found["method: kill"].weight) == (0.2, 0.0)
    assert "succeeded" in found["rollback: kill"].detail
    assert seen.report["chaosToolkit"]["deviated"] is True


def test_an_action_that_succeeded_is_proof() -> None:
    assert outcome(journal()).proven
    assert not outcome(journal(method=[FAILED])).proven
    assert not outcome(journal(method=[])).proven
