"""When a run is due: by a change of the spec, by the run-at annotation, or by a cron schedule with a time zone.

Rollouts start runs too: :mod:`firedrill.core.rollouts`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from firedrill.api.base import format_time
from firedrill.api.errors import InvalidInput
from firedrill.api.meta import ANNOTATION_RUN_AT
from firedrill.api.resource import RunResource
from firedrill.api.run import OnCreate, RunSpec
from firedrill.core.naming import spec_hash


@dataclass(frozen=True)
class Trigger:
    """What starts a run; the same cause has the same text, so that a repeated decision is the same run."""

    cause: str
    value: str
    #: The targets that it concerns; None for all that the resource means.
    targets: tuple[str, ...] | None = None

    @property
    def text(self) -> str:
        """Cause and value, as status shows them."""
        return f"{self.cause}:{self.value}"


def next_fire(schedule: str, time_zone: str | None, after: datetime) -> datetime | None:
    """The first time strictly after ``after`` that the cron expression names, in UTC; None if there is none.

    Around a change of the clocks it follows Debian's cron: times that do not exist run right after the gap,
    times that exist twice run once.

    Raises InvalidInput that names the field when expression or zone can not be understood.
    """
    try:
        zone = ZoneInfo(time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder of the zone database is an OSError
        raise InvalidInput(f"spec.timeZone: {time_zone!r} is not an IANA time zone such as Europe/Zurich") from error
    if len(schedule.split()) != 5:
        raise InvalidInput(f"spec.schedule: {schedule!r} is not a cron expression of five fields")
    try:
        return next(CronSim(schedule, after.astimezone(zone))).astimezone(UTC)
    except CronSimError as error:
        raise InvalidInput(f"spec.schedule: {schedule!r} is not a cron expression of five fields: {error}") from error
    except StopIteration:
        return None


def check_schedule(spec: RunSpec, now: datetime) -> None:
    """Raise InvalidInput where the schedule can not be understood."""
    if spec.schedule:
        next_fire(spec.schedule, spec.time_zone, now)
    elif spec.time_zone:
        raise InvalidInput("spec.timeZone: needs a schedule")


def planned_run(resource: RunResource, spec: RunSpec, now: datetime) -> datetime | None:
    """The time that the schedule starts the next run.

    The time in status stands while it is one of the schedule, also when it has passed: a run that was missed is
    made up for once. After a change of the schedule it is computed anew.
    """
    if not spec.schedule or spec.suspend:
        return None
    known = resource.status.next_run
    if known and next_fire(spec.schedule, spec.time_zone, known - timedelta(seconds=1)) == known:
        return known
    return next_fire(spec.schedule, spec.time_zone, now)


def requested_run(resource: RunResource) -> str:
    """The value of the run-at annotation, as far as status can hold it; empty without one."""
    return resource.meta.annotations.get(ANNOTATION_RUN_AT, "")[:253]


def is_first_visit(resource: RunResource) -> bool:
    """Whether this resource was never looked at, so that what it carries already is no news."""
    return resource.status.handled_spec is None


def due_trigger(resource: RunResource, spec: RunSpec, now: datetime) -> Trigger | None:
    """What starts a run now, but for rollouts; None for nothing. Never while suspended."""
    if spec.suspend:
        return None
    first = is_first_visit(resource)
    requested = requested_run(resource)
    if requested and not first and requested != resource.status.handled_run_at:
        return Trigger("RunAt", requested[:100])
    if spec.schedule:
        planned = planned_run(resource, spec, now)
        if planned is None or planned > now:
            return None
        return None if _too_late(spec, planned, now) else Trigger("Schedule", format_time(planned))
    if spec.on_rollout or (first and spec.on_create is OnCreate.HOLD):
        return None
    digest = spec_hash(resource.raw_spec)
    if digest != resource.status.handled_spec:
        return Trigger("Spec", f"{digest}@{resource.meta.generation}")
    return None


def missed(resource: RunResource, spec: RunSpec, now: datetime) -> bool:
    """Whether a scheduled run is past its starting deadline, to be skipped."""
    planned = planned_run(resource, spec, now)
    return planned is not None and planned <= now and _too_late(spec, planned, now)


def _too_late(spec: RunSpec, planned: datetime, now: datetime) -> bool:
    limit = spec.starting_deadline_seconds
    return limit is not None and (now - planned).total_seconds() > limit
