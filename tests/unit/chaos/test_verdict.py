"""The verdict, its order, and the measurements and findings that go with it."""

from typing import Any

import pytest
from experiment_builders import KILL, LOSS, at, observation

from firedrill.api.verdict import ConditionStatus, Verdict
from firedrill.engines.chaos import measurements, verdict
from firedrill.engines.chaos.recovery import Recovery
from firedrill.engines.chaos.samples import Share

#: No proof of its own, and answers that are hardly worse than before.
UNSEEN: dict[str, Any] = {"proven": False, "during": Share(50, 47)}
LIMIT = {"minSuccessRateDuring": 0.9}
LATE = Recovery(at(99), Share(25, 25))

VERDICTS: list[tuple[str, Any, dict[str, Any], str, str]] = [
    ("held", LOSS, {}, "Passed", "SteadyStateHeld"),
    ("held, killed", KILL, {}, "Passed", "SteadyStateHeld"),
    ("not undone", LOSS, {"undone": False}, "Error", "UndoNotVerified"),
    ("not undone and aborted", LOSS, {"undone": False, "aborted": "Superseded"}, "Error", "UndoNotVerified"),
    ("aborted", LOSS, {"aborted": "Superseded: new spec"}, "Inconclusive", "Superseded"),
    ("aborted in words", LOSS, {"aborted": "a person asked"}, "Inconclusive", "Aborted"),
    ("reverted", LOSS, {"reverted": ("payments/a",)}, "Inconclusive", "Reverted"),
    ("unseen", LOSS, {**UNSEEN, "first_failure": None}, "Inconclusive", "FaultNotObserved"),
    ("a few failures may be chance", LOSS, UNSEEN, "Inconclusive", "FaultNotObserved"),
    ("seen by the probe", LOSS, {"proven": False}, "Passed", "SteadyStateHeld"),
    ("seen by the kernel", LOSS, {"first_failure": None}, "Passed", "SteadyStateHeld"),
    ("no limit, all lost", LOSS, {"during": Share(50, 0)}, "Passed", "SteadyStateHeld"),
    ("limit not met", LOSS, {"limits": LIMIT}, "Failed", "SteadyStateViolated"),
    ("limit met", LOSS, {"limits": LIMIT, "during": Share(50, 45)}, "Passed", "SteadyStateHeld"),
    ("too few", LOSS, {"limits": LIMIT, "during": Share(4, 0)}, "Inconclusive", "TooFewSamples"),
    ("violated and not recovered", LOSS, {"limits": LIMIT, "recovery": None}, "Failed", "SteadyStateViolated"),
    ("not recovered", LOSS, {"recovery": None, "after": Share(25, 3)}, "Failed", "NotRecovered"),
    ("recovered too late", LOSS, {"recovery": LATE}, "Failed", "NotRecovered"),
    ("out of time", LOSS, {"recovery": None, "cut_short": True}, "Inconclusive", "Timeout"),
    ("pods not back", KILL, {"undone": False}, "Failed", "NotRecovered"),
    ("pods not back, out of time", KILL, {"undone": False, "cut_short": True}, "Inconclusive", "Timeout"),
]


@pytest.mark.parametrize(
    ("fault", "fields", "expected", "reason"), [row[1:] for row in VERDICTS], ids=[row[0] for row in VERDICTS]
)
def test_verdict(fault: Any, fields: dict[str, Any], expected: str, reason: str) -> None:
    ruling = verdict.rule(observation(fault, **fields))
    assert (ruling.verdict, ruling.reason) == (Verdict(expected), reason)
    assert len(ruling.message) > 10


@pytest.mark.parametrize(
    ("fault", "fields", "expected", "reason"), [row[1:] for row in VERDICTS], ids=[row[0] for row in VERDICTS]
)
def test_passed_has_no_failed_measurement_and_failed_has_one(
    fault: Any, fields: dict[str, Any], expected: str, reason: str
) -> None:
    seen = observation(fault, **fields)
    outcomes = [item.passed for item in measurements.measure(seen)]
    if expected == "Passed":
        assert False not in outcomes
    if reason == "SteadyStateViolated":
        assert False in outcomes


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (Share(25, 25), None),
        (Share(100, 95), None),
        (Share(100, 94), "SteadyStateNotMet"),
        (Share(4, 4), "TooFewSamples"),
        (Share(0, 0), "TooFewSamples"),
    ],
)
def test_the_state_before(before: Share, reason: str | None) -> None:
    ruling = verdict.rule_before(before, 0.95)
    assert (ruling.reason if ruling else None) == reason


def test_measurements_of_a_good_run() -> None:
    found = {item.name: item for item in measurements.measure(observation())}
    assert found["recoveryTime"].value == pytest.approx(0.4)
    assert found["recoveryTime"].limit == "<= 60"
    assert found["timeToDetect"].value == pytest.approx(1.0)
    assert found["droppedPackets"].value == 40
    assert found["successRateDuring"].weight == 0
    assert "30 of 50 requests" in found["successRateDuring"].detail
    assert [item.name for item in found.values() if item.weight] == [
        "successRateBefore",
        "successRateAfter",
        "recoveryTime",
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "True True True"),
        ({"reverted": ("a",)}, "False True True"),
        (UNSEEN, "Unknown True True"),
        ({"recovery": None}, "True False Unknown"),
        ({"recovery": None, "aborted": "Superseded"}, "True Unknown Unknown"),
        ({"undone": False}, "True True False"),
    ],
)
def test_findings(fields: dict[str, Any], expected: str) -> None:
    found = measurements.findings(observation(**fields))
    assert [item.type for item in found] == ["Injected", "Recovered", "RecoveryVerified"]
    assert [item.status for item in found] == [ConditionStatus(word) for word in expected.split()]


def test_findings_where_nothing_was_injected() -> None:
    found = measurements.not_injected("NoTargets", "none")
    assert [item.status for item in found] == ["False", "Unknown", "Unknown"]
