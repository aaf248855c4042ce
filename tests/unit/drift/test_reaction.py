"""When a run acts on drift: only on drift that is shown, when it has lasted, once in a cool-down, and in time."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from firedrill.api.ondrift import DriftAction, OnDrift, Reacted, Webhook
from firedrill.api.run import FailureThreshold
from firedrill.api.verdict import Verdict
from firedrill.engines.drift.reaction import Situation, held

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def situation(**fields: Any) -> Situation:
    return Situation(**{"verdict": Verdict.FAILED, "now": NOW, "deadline": NOW + HOUR, "cooldown": 24 * HOUR} | fields)


def acted(ago: timedelta) -> Reacted:
    return Reacted(run_id="before", at=NOW - ago)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (situation(), None),
        (situation(verdict=Verdict.PASSED), "NotDrifted"),
        (situation(verdict=Verdict.INCONCLUSIVE), "NotDrifted"),
        (situation(threshold=FailureThreshold(failures=2, of=3)), "BelowThreshold"),
        (situation(threshold=FailureThreshold(failures=2, of=3), failed=1), None),
        (situation(last=acted(23 * HOUR)), "CoolingDown"),
        (situation(last=acted(24 * HOUR)), None),
        (situation(last=acted(HOUR), cooldown=timedelta()), None),
        (situation(deadline=NOW), "TooLate"),
    ],
)
def test_the_first_objection_decides(given: Situation, reason: str | None) -> None:
    why = held(given)
    assert (why.reason if why else None) == reason


def test_what_is_told_of_a_cool_down_names_the_run_the_time_and_the_field() -> None:
    why = held(situation(last=acted(HOUR)))
    assert why is not None
    assert "run before acted at 2026-05-01 11:00:00 UTC" in why.message
    assert "before 2026-05-02 11:00:00 UTC (onDrift.cooldown 24h)" in why.message


@given(
    gaps=st.lists(st.integers(1, 200), min_size=1, max_size=40),
    cooldown=st.integers(0, 500),
    drifted=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_no_two_runs_act_within_a_cool_down(gaps: list[int], cooldown: int, drifted: list[bool]) -> None:
    now, last, times = NOW, None, []
    for gap, drift in zip(gaps, drifted, strict=False):
        now += timedelta(minutes=gap)
        verdict = Verdict.FAILED if drift else Verdict.PASSED
        given = situation(
            verdict=verdict, now=now, deadline=now + HOUR, cooldown=timedelta(minutes=cooldown), last=last
        )
        if held(given) is None:
            times.append(now)
            last = Reacted(run_id="r", at=now)
    assert all(b - a >= timedelta(minutes=cooldown) for a, b in itertools.pairwise(times))


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ({}, "set exactly one of webhook, notification, job, argoWorkflow, sageMakerPipeline; 0 are set"),
        ({"job": {"namespace": "ml", "cronJob": "a"}, "webhook": {"url": "https://h/"}}, "2 are set"),
        ({"webhook": {"url": "http://h/"}}, "webhook.url"),
        ({"webhook": {"url": "https://h/", "timeout": "2m"}}, "at most 1m"),
        ({"webhook": {"url": "https://h/", "headers": {"Idempotency-Key": "x"}}}, "the request sets it"),
        ({"webhook": {"url": "https://h/", "tokenHeader": "X-Key"}}, "tokenHeader needs secretRef"),
        ({"webhook": {"url": "https://h/", "headers": {"X": "a\r\nB: c"}}}, "headers.X"),
        ({"notification": {}}, "notification.secretRef"),
        ({"sageMakerPipeline": {"pipelineName": "a b"}}, "pipelineName"),
        ({"job": {"namespace": "ML", "cronJob": "a"}}, "job.namespace"),
    ],
)
def test_wrong_actions_are_refused_by_field(action: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        OnDrift.model_validate({"actions": [action]})
    assert said in str(caught.value)


@pytest.mark.parametrize("cooldown", ["99999999h", "8785h", "a day"])
def test_a_cool_down_ends(cooldown: str) -> None:
    with pytest.raises(ValidationError, match="cooldown"):
        OnDrift.model_validate({"cooldown": cooldown, "actions": [{"job": {"namespace": "ml", "cronJob": "a"}}]})


def test_the_label_of_a_webhook_holds_nothing_secret() -> None:
    action = DriftAction(webhook=Webhook(url="https://user:pw@hooks.example/a/b?token=t#f"))
    assert action.label == "POST to hooks.example"
