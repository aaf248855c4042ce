"""False alarms that a scheduled check has to be expected to raise where nothing is wrong."""

from datetime import datetime, timedelta
from itertools import islice
from math import comb
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from firedrill.api.run import FailureThreshold, RunSpec

DAYS: Final = 30
#: Of a schedule that fires more often, the rest is taken to go on like this.
_COUNTED: Final = 500


def expected_false_alarms(spec: RunSpec, now: datetime) -> str:
    """How many in 30 days at most, as status tells it; empty without a schedule or a known rate of a run.

    A run alarms when it fails and enough of the last runs have, the current one included. Runs are taken to fail
    independently of each other, each at the kind's own rate. Empty, too, for a schedule that can not be
    understood: it is refused elsewhere.
    """
    rate = spec.false_alarm_rate
    if rate is None or not spec.schedule:
        return ""
    try:
        runs = _runs(spec.schedule, spec.time_zone, now)
    except (CronSimError, ZoneInfoNotFoundError, ValueError, OSError):
        return ""
    return f"{runs * _alarms(rate, spec.failure_threshold):.2g} in {DAYS} days"


def _runs(schedule: str, time_zone: str | None, now: datetime) -> float:
    zone = ZoneInfo(time_zone or "UTC")
    end = now + timedelta(days=DAYS)
    fires = list(islice(CronSim(schedule, now.astimezone(zone)), _COUNTED))
    if len(fires) < _COUNTED or fires[-1] > end:
        return float(sum(1 for fire in fires if fire <= end))
    return _COUNTED * (end - now) / (fires[-1] - now)


def _alarms(rate: float, threshold: FailureThreshold | None) -> float:
    """Chance that a run fails together with enough of those before it."""
    if threshold is None:
        return rate
    others, needed = threshold.of - 1, threshold.failures - 1
    return rate * sum(comb(others, k) * rate**k * (1 - rate) ** (others - k) for k in range(needed, others + 1))
