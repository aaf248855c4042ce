"""When a run is due: around changes of the clocks, after missed times, by annotation and by spec."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.errors import InvalidInput
from firedrill.api.kinds import DRIFT_CHECK
from firedrill.api.run import RunStatus
from firedrill.core.naming import spec_hash
from firedrill.core.schedule import check_schedule, due_trigger, missed, next_fire, planned_run
from support.seen import T0, after, resource


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "zone", "start", "fires"),
    [
        ("0 */6 * * *", None, "2026-03-02 01:00", ["2026-03-02 06:00", "2026-03-02 12:00"]),
        # Zurich: 02:00 becomes 03:00 on 29 March 2026. 02:30 does not exist: it runs right after the gap, once.
        ("30 2 * * *", "Europe/Zurich", "2026-03-28 12:00", ["2026-03-29 01:00", "2026-03-30 00:30"]),
        # An hourly schedule goes on hour by hour through the gap.
        ("0 * * * *", "Europe/Zurich", "2026-03-29 00:00", ["2026-03-29 01:00", "2026-03-29 02:00"]),
        # Zurich: 03:00 becomes 02:00 on 25 October 2026. 02:30 exists twice and runs once.
        ("30 2 * * *", "Europe/Zurich", "2026-10-24 12:00", ["2026-10-25 00:30", "2026-10-26 01:30"]),
        # New York: the gap is on 8 March 2026, the overlap on 1 November.
        ("30 2 * * *", "America/New_York", "2026-03-07 12:00", ["2026-03-08 07:00", "2026-03-09 06:30"]),
        ("30 1 * * *", "America/New_York", "2026-10-31 12:00", ["2026-11-01 05:30", "2026-11-02 06:30"]),
        # Lord Howe moves its clocks by half an hour: 02:00 becomes 02:30 on 4 October 2026.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 03:00", ["2026-10-03 15:30", "2026-10-04 15:15"]),
        # Kathmandu is 5:45 ahead, for ever.
        ("0 9 * * *", "Asia/Kathmandu", "2026-03-02 00:00", ["2026-03-02 03:15", "2026-03-03 03:15"]),
        # Days that exist in leap years alone.
        ("0 0 29 2 *", None, "2026-03-02 00:00", ["2028-02-29 00:00", "2032-02-29 00:00"]),
    ],
)
def test_next_fire(schedule: str, zone: str | None, start: str, fires: list[str]) -> None:
    moment, found = utc(start), []
    for _ in fires:
        next_one = next_fire(schedule, zone, moment)
        assert next_one is not None
        found.append(next_one)
        moment = next_one
    assert found == [utc(text) for text in fires]


@given(
    zone=st.sampled_from(["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Tehran"]),
    schedule=st.sampled_from(["*/5 * * * *", "30 2 * * *", "0 */6 * * *", "15 1,2,3 * * 0", "59 23 31 * *"]),
    start=st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
)
def test_the_next_time_is_later_and_none_lies_between(zone: str, schedule: str, start: datetime) -> None:
    first = next_fire(schedule, zone, start)
    assert first is not None
    assert first > start
    # Asked again from just before it, it is the same; and what follows is later still.
    assert next_fire(schedule, zone, first - timedelta(seconds=1)) == first
    following = next_fire(schedule, zone, first)
    assert following is not None
    assert following > first


@pytest.mark.parametrize(
    ("spec", "field_name"),
    [
        ({"schedule": "61 * * * *"}, "spec.schedule"),
        ({"schedule": "0 0 * * * * *"}, "spec.schedule"),
        ({"schedule": "*/5 * * * * *"}, "spec.schedule"),
        ({"schedule": "not a cron"}, "spec.schedule"),
        ({"schedule": "0 0 * * *", "timeZone": "Europe/Nowhere"}, "spec.timeZone"),
        ({"schedule": "0 0 * * *", "timeZone": "../../etc/passwd"}, "spec.timeZone"),
        ({"schedule": "0 0 * * *", "timeZone": "America"}, "spec.timeZone"),
        ({"timeZone": "Europe/Zurich"}, "spec.timeZone"),
    ],
)
def test_a_wrong_schedule_names_its_field(spec: dict[str, str], field_name: str) -> None:
    of = resource(DRIFT_CHECK, **spec)
    assert of.spec is not None
    with pytest.raises(InvalidInput, match=field_name):
        check_schedule(of.spec, T0)


@dataclass
class Row:
    """What a resource has gone through, and what is due now."""

    name: str
    due: str = ""
    spec: dict[str, Any] = field(default_factory=dict)
    annotation: str = ""
    visited: bool = True
    changed: bool = False
    handled_run_at: str = ""
    next_run: datetime | None = None
    at: float = 0
    missed: bool = False
    planned: datetime | None = None


HOURLY = {"schedule": "0 * * * *"}
ROWS = [
    Row("new", "Spec", visited=False),
    Row("new with a run-at that it came with", "Spec", visited=False, annotation="2026"),
    Row("new and held", visited=False, spec={"onCreate": "Hold"}),
    Row("new and held with a run-at that it came with", visited=False, spec={"onCreate": "Hold"}, annotation="2026"),
    Row("held, then asked", "RunAt", spec={"onCreate": "Hold"}, annotation="now"),
    Row("held, then changed", "Spec", spec={"onCreate": "Hold"}, changed=True),
    Row("new and suspended", visited=False, spec={"suspend": True}),
    Row("new and scheduled", visited=False, spec=HOURLY, planned=after(3600)),
    Row("nothing new"),
    Row("changed", "Spec", changed=True),
    Row("changed while suspended", changed=True, spec={"suspend": True}),
    Row("changed with a schedule", changed=True, spec=HOURLY, planned=after(3600)),
    Row("asked", "RunAt", annotation="now"),
    Row("asked with the value handled before", annotation="now", handled_run_at="now"),
    Row("asked anew", "RunAt", annotation="now", handled_run_at="before"),
    Row("asked with a value longer than status holds", annotation="x" * 300, handled_run_at="x" * 253),
    Row("asked while suspended", annotation="now", spec={"suspend": True}),
    Row("asked with a schedule", "RunAt", annotation="now", spec=HOURLY, planned=after(3600)),
    Row("scheduled, not yet", spec=HOURLY, next_run=after(3600), at=3599, planned=after(3600)),
    Row("scheduled, now", "Schedule", spec=HOURLY, next_run=after(3600), at=3600, planned=after(3600)),
    Row("scheduled, missed by far, made up for once", "Schedule", spec=HOURLY, next_run=after(3600), at=90000,
        planned=after(3600)),
    Row("scheduled, missed beyond its deadline", spec={**HOURLY, "startingDeadlineSeconds": 60},
        next_run=after(3600), at=3661, missed=True, planned=after(3600)),
    Row("scheduled, late within its deadline", "Schedule", spec={**HOURLY, "startingDeadlineSeconds": 60},
        next_run=after(3600), at=3660, planned=after(3600)),
    Row("scheduled and suspended", spec={**HOURLY, "suspend": True}, next_run=after(3600), at=3600),
    Row("the schedule was changed since", spec={"schedule": "30 * * * *"}, next_run=after(3600), at=3600,
        planned=after(5400)),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_due(row: Row) -> None:
    of = resource(DRIFT_CHECK, **row.spec)
    status = RunStatus(
        handled_spec=None if not row.visited else "else" if row.changed else spec_hash(of.raw_spec),
        handled_run_at=row.handled_run_at or None,
        next_run=row.next_run,
    )
    annotations = {"firedrill.dev/run-at": row.annotation} if row.annotation else {}
    of = resource(DRIFT_CHECK, status, annotations=annotations, **row.spec)
    assert of.spec is not None
    trigger = due_trigger(of, of.spec, after(row.at))
    assert (trigger.cause if trigger else "") == row.due
    assert missed(of, of.spec, after(row.at)) == row.missed
    assert planned_run(of, of.spec, after(row.at)) == row.planned
