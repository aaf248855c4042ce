"""Blackout windows: whether a fault would be on in one, and when there is time for it again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.errors import InvalidInput
from firedrill.api.safety import BlackoutWindow, OptOut, Weekday
from firedrill.api.targetcluster import TargetPolicy
from firedrill.core.schedule import next_fire

#: A free time is looked for so far ahead.
HORIZON: Final = timedelta(days=15)
#: From the first look at a target to the fault, beside the steady state: pods start, the guardian arms itself.
PREPARING: Final = timedelta(seconds=60)
#: Times of one schedule that are looked at; one that names more is on all the time.
_MOST_TIMES: Final = 5000


@dataclass(frozen=True)
class Blackout:
    """A window that stands in the way, and the next time that is free for as long as is needed; None without one."""

    window: str
    begins: datetime
    ends: datetime
    free: datetime | None

    @property
    def told(self) -> str:
        """A sentence for people."""
        free = f"the next free time is {self.free:%Y-%m-%d %H:%M} UTC" if self.free else "no time is free in two weeks"
        return (
            f"the fault would be on in the blackout window {self.window}, {self.begins:%Y-%m-%d %H:%M} to "
            f"{self.ends:%Y-%m-%d %H:%M} UTC (policy.blackoutWindows); {free}"
        )


def reach(spec: ChaosExperimentSpec) -> timedelta:
    """How long from now a fault may be felt: until it is begun, while it is on, and until the system has recovered."""
    return PREPARING + spec.whole


def in_the_way(policy: TargetPolicy, spec: ChaosExperimentSpec, now: datetime) -> Blackout | None:
    """The window that keeps an experiment from being begun now. Raises InvalidInput for one that can not be read."""
    ignored = OptOut.BLACKOUT_WINDOWS in spec.opt_outs and OptOut.BLACKOUT_WINDOWS in policy.allow_opt_outs
    if spec.dry_run or ignored:
        return None
    return blackout(policy.blackout_windows, now, reach(spec))


def blackout(windows: Sequence[BlackoutWindow], now: datetime, needed: timedelta) -> Blackout | None:
    """The first window that is on at any moment from ``now`` for as long as is ``needed``; None where none is."""
    spans = sorted(
        (begins, ends, _name(number, window))
        for number, window in enumerate(windows)
        for begins, ends in _spans(window, now, now + needed + HORIZON)
    )
    met = next((span for span in spans if span[0] < now + needed and span[1] > now), None)
    if met is None:
        return None
    free = now
    for begins, ends, _ in spans:
        if begins >= free + needed:
            break
        free = max(free, ends)
    return Blackout(met[2], met[0], met[1], free if free <= now + HORIZON else None)


def _name(number: int, window: BlackoutWindow) -> str:
    return window.name or f"blackoutWindows[{number}]"


def _spans(window: BlackoutWindow, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """All times of a window, in UTC, that are not over at ``start`` and begin before ``end``."""
    if window.schedule is not None and window.duration is not None:
        yield from _by_schedule(window.schedule, window.duration, window.time_zone, start, end)
        return
    assert window.from_ is not None  # one form or the other is given
    assert window.to is not None
    zone = _zone(window.time_zone)
    first, last = start.astimezone(zone).date() - timedelta(days=1), end.astimezone(zone).date()
    week = list(Weekday)
    begins_at, ends_at = _minutes(window.from_), _minutes(window.to)
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if window.days and week[day.weekday()] not in window.days:
            continue
        over = day + timedelta(days=1) if ends_at <= begins_at else day
        begins, ends = _moment(day, begins_at, zone), _moment(over, ends_at, zone)
        if ends > start and begins < end:
            yield begins, ends


def _by_schedule(
    schedule: str, duration: timedelta, zone: str, start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    at: datetime | None = start - duration
    begun: datetime | None = None
    for _ in range(_MOST_TIMES):
        try:
            at = next_fire(schedule, zone, at) if at else None
        except InvalidInput as error:
            raise InvalidInput(f"policy.blackoutWindows: {str(error).partition(': ')[2]}") from error
        if at is None or at >= end:
            break
        begun = begun or at
        yield at, at + duration
    else:
        # So dense a schedule leaves no gap that could be told.
        yield begun or start, end


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _moment(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    midnight = datetime.combine(day + timedelta(days=minutes // 1440), time(), zone)
    local = midnight.replace(hour=minutes % 1440 // 60, minute=minutes % 60)
    return local.astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(
            f"policy.blackoutWindows: {name!r} is not an IANA time zone such as Europe/Zurich"
        ) from error
