"""Blackout windows: which stands in the way, until when, and when there is time again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.errors import InvalidInput
from firedrill.api.resource import parse_spec
from firedrill.api.safety import BlackoutWindow
from firedrill.api.targetcluster import TargetPolicy
from firedrill.core.blackout import PREPARING, blackout, in_the_way, reach
from support import builders

#: A Monday.
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def window(**fields: Any) -> BlackoutWindow:
    return BlackoutWindow.model_validate(fields)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time of March 2026 in UTC."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


MARKET = {"days": ["Mon", "Tue", "Wed", "Thu", "Fri"], "from": "09:00", "to": "17:30", "timeZone": "America/New_York"}


@pytest.mark.parametrize(
    ("windows", "now", "needed", "free"),
    [
        # Nothing stands in the way.
        ([], NOON, HOUR, None),
        ([{"from": "13:00", "to": "14:00"}], NOON, HOUR, None),
        ([{"from": "11:00", "to": "12:00"}], NOON, HOUR, None),
        ([{"days": ["Tue"], "from": "11:00", "to": "14:00"}], NOON, HOUR, None),
        ([{"schedule": "0 13 * * *", "duration": "1h"}], NOON, HOUR, None),
        # In one, and one that would be reached.
        ([{"from": "11:00", "to": "14:00"}], NOON, HOUR, at(2, 14)),
        ([{"from": "12:30", "to": "14:00"}], NOON, HOUR, at(2, 14)),
        ([{"schedule": "30 11 * * *", "duration": "1h"}], NOON, HOUR, at(2, 12, 30)),
        # Over midnight, begun on the day before.
        ([{"days": ["Sun"], "from": "22:00", "to": "13:00"}], NOON, HOUR, at(2, 13)),
        ([{"from": "00:00", "to": "24:00", "days": ["Mon", "Tue"]}], NOON, HOUR, at(4, 0)),
        # A gap that is too short is none.
        ([{"from": "11:00", "to": "14:00"}, {"from": "14:30", "to": "18:00"}], NOON, HOUR, at(2, 18)),
        # On the eighth of March New York sets its clocks forward: 17:30 there is 21:30 UTC from then on.
        ([MARKET], at(6, 15), HOUR, at(6, 22, 30)),
        ([MARKET], at(9, 15), HOUR, at(9, 21, 30)),
    ],
)
def test_what_stands_in_the_way(
    windows: list[dict[str, Any]], now: datetime, needed: timedelta, free: datetime | None
) -> None:
    found = blackout([window(**each) for each in windows], now, needed)
    assert (found.free if found else None) == free


@pytest.mark.parametrize(
    "windows", [[{"from": "00:00", "to": "24:00"}], [{"schedule": "* * * * *", "duration": "5m"}]], ids=["days", "cron"]
)
def test_a_target_that_is_never_free(windows: list[dict[str, Any]]) -> None:
    found = blackout([window(**each) for each in windows], NOON, HOUR)
    assert found is not None
    assert found.free is None
    assert "no time is free in two weeks" in found.told


def test_the_message_names_the_window_and_the_next_free_time() -> None:
    found = blackout([window(name="month end", **{"from": "11:00", "to": "14:00"})], NOON, HOUR)
    assert found is not None
    assert found.told == (
        "the fault would be on in the blackout window month end, 2026-03-02 11:00 to 2026-03-02 14:00 UTC "
        "(policy.blackoutWindows); the next free time is 2026-03-02 14:00 UTC"
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"from": "1:00", "to": "02:00", "timeZone": "Mars/Base"}, "from"),
        ({"from": "01:00"}, "give from and to"),
        ({"schedule": "0 1 * * *"}, "give from and to"),
        ({"from": "01:00", "to": "02:00", "schedule": "0 1 * * *", "duration": "1h"}, "give from and to"),
        ({"schedule": "0 1 * * *", "duration": "1h", "days": ["Mon"]}, "give from and to"),
        ({"schedule": "0 1 * * *", "duration": "1s"}, "between 1m and 7 days"),
    ],
)
def test_windows_that_say_nothing_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        window(**fields)


@pytest.mark.parametrize(
    "fields",
    [{"from": "01:00", "to": "02:00", "timeZone": "Mars/Base"}, {"schedule": "0 1 * * 99", "duration": "1h"}],
)
def test_what_can_not_be_read_names_the_policy(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"policy\.blackoutWindows"):
        blackout([window(**fields)], NOON, HOUR)


times = st.integers(0, 23 * 60 + 59).map(lambda minutes: f"{minutes // 60:02}:{minutes % 60:02}")
daily = st.builds(
    lambda days, begins, ends: window(days=days, **{"from": begins, "to": ends}),
    st.lists(st.sampled_from(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]), max_size=3, unique=True),
    times,
    times,
)


@given(st.lists(daily, max_size=4), st.integers(0, 14 * 24 * 60), st.integers(1, 600))
def test_the_next_free_time_is_free_and_no_earlier_minute_is(
    windows: list[BlackoutWindow], offset: int, minutes: int
) -> None:
    now, needed = NOON + timedelta(minutes=offset), timedelta(minutes=minutes)
    found = blackout(windows, now, needed)
    if found is None or found.free is None:
        return
    assert blackout(windows, found.free, needed) is None
    earlier = found.free - timedelta(minutes=1)
    if earlier >= now:
        assert blackout(windows, earlier, needed) is not None


def experiment(**fields: Any) -> ChaosExperimentSpec:
    return parse_spec(ChaosExperimentSpec, builders.chaos(**fields)["spec"])


SOON = TargetPolicy.model_validate({"blackoutWindows": [{"from": "12:01", "to": "13:00"}]})
ADMITS = SOON.model_copy(update={"allow_opt_outs": ["BlackoutWindows"]})
OPT_OUT = {"ignoreBlackoutWindows": True}


def test_a_fault_that_would_reach_into_a_window_is_not_begun() -> None:
    assert reach(experiment()) == PREPARING + timedelta(seconds=12)
    assert in_the_way(SOON, experiment(), NOON) is not None
    assert in_the_way(SOON, experiment(), NOON - timedelta(seconds=10)) is not None
    assert in_the_way(SOON, experiment(), NOON - timedelta(seconds=12)) is None


def test_a_dry_run_changes_nothing_and_may_be_made_at_any_time() -> None:
    assert in_the_way(SOON, experiment(dryRun=True), NOON) is None


def test_an_opt_out_counts_only_where_the_policy_admits_it() -> None:
    assert in_the_way(SOON, experiment(safety=OPT_OUT), NOON) is not None
    assert in_the_way(ADMITS, experiment(safety=OPT_OUT), NOON) is None
    assert in_the_way(ADMITS, experiment(), NOON) is not None
