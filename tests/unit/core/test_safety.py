"""What the hub itself refuses before a run, and what it tells of guards that are left out."""

from datetime import timedelta
from typing import Any

import pytest

from firedrill.core.actions import EnsureRun, PublishEvent
from firedrill.core.refusal import refusal
from firedrill.core.step import step
from support.seen import T0, resource, seen, view, with_status, written

PODS = {"namespace": "payments", "matchLabels": {"app": "ledger"}}
WINDOW = {"name": "month end", "from": "11:00", "to": "14:00"}


@pytest.mark.parametrize(
    ("policy", "spec", "reason", "words"),
    [
        ({}, {}, "", ""),
        ({"blackoutWindows": [WINDOW]}, {}, "BlackoutWindow", "next free time is 2026-03-02 14:00 UTC"),
        ({"blackoutWindows": [WINDOW]}, {"dryRun": True}, "", ""),
        ({"blackoutWindows": [{**WINDOW, "timeZone": "Mars/Base"}]}, {}, "NotPermitted", "finance: policy.blackoutW"),
        (
            {"blackoutWindows": [WINDOW]},
            {"safety": {"ignoreBlackoutWindows": True}},
            "NotPermitted",
            "opt-out BlackoutWindows (spec.policy.allowOptOuts)",
        ),
        (
            {"blackoutWindows": [WINDOW], "allowOptOuts": ["BlackoutWindows"]},
            {"safety": {"ignoreBlackoutWindows": True}},
            "",
            "",
        ),
        ({}, {"target": {**PODS, "ignoreDisruptionBudgets": True}}, "NotPermitted", "DisruptionBudgets"),
    ],
)
def test_what_is_refused(policy: dict[str, Any], spec: dict[str, Any], reason: str, words: str) -> None:
    found = refusal(resource(**spec), view(policy=policy), T0)
    assert (found.reason if found else "") == reason
    assert words in (found.message if found else "")


def test_a_run_in_a_blackout_window_ends_before_anything_is_created() -> None:
    there = seen(resource(), view(policy={"blackoutWindows": [WINDOW]}))
    begun = written(step(there, T0))
    assert begun is not None
    assert begun.clusters[0].job == ""
    ended = step(seen(with_status(there.resource, begun), view(policy={"blackoutWindows": [WINDOW]})), T0)
    status = written(ended)
    assert status is not None
    assert (status.clusters[0].verdict, status.clusters[0].reason) == ("Inconclusive", "BlackoutWindow")
    assert not [action for action in ended.actions if isinstance(action, EnsureRun)]


def test_the_same_run_is_begun_when_the_window_is_over() -> None:
    decision = step(seen(resource(), view(policy={"blackoutWindows": [WINDOW]})), T0 + timedelta(hours=2))
    status = written(decision)
    assert status is not None
    assert status.clusters[0].job


def events(**spec: Any) -> list[tuple[str, str]]:
    policy = {"allowOptOuts": ["DisruptionBudgets", "BlackoutWindows"]}
    decision = step(seen(resource(**spec), view(policy=policy)), T0)
    return [(each.reason, each.message) for each in decision.actions if isinstance(each, PublishEvent)]


def test_guards_that_are_left_out_are_told_by_an_event() -> None:
    assert events() == []
    both = {"target": {**PODS, "ignoreDisruptionBudgets": True}, "safety": {"ignoreBlackoutWindows": True}}
    told = "begun without the guard DisruptionBudgets, BlackoutWindows in finance"
    assert events(**both) == [("SafetyOptOut", told)]
