"""How many false alarms a schedule is told to give."""

from datetime import UTC, datetime
from typing import Any

import pytest

from firedrill.api.driftcheck import DriftCheckSpec
from firedrill.core.alarms import expected_false_alarms

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def spec(**more: Any) -> DriftCheckSpec:
    source = {"inline": {"csv": "a\n1\n"}}
    return DriftCheckSpec.model_validate({"clusters": {"names": ["x"]}, "reference": source, "current": source} | more)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, ""),
        ({"schedule": "0 0 * * *"}, "1.5 in 30 days"),
        ({"schedule": "0 */6 * * *"}, "6 in 30 days"),
        ({"schedule": "* * * * *"}, "2.2e+03 in 30 days"),
        ({"schedule": "0 */6 * * *", "thresholds": {"significance": 0.01}}, "1.2 in 30 days"),
        ({"schedule": "0 */6 * * *", "failureThreshold": {"failures": 2, "of": 2}}, "0.3 in 30 days"),
        ({"schedule": "0 */6 * * *", "failureThreshold": {"failures": 2, "of": 3}}, "0.59 in 30 days"),
        ({"schedule": "0 0 1 1 *"}, "0 in 30 days"),
        ({"schedule": "not a schedule"}, ""),
        ({"schedule": "0 0 * * *", "timeZone": "Nowhere"}, ""),
    ],
)
def test_runs_in_thirty_days_times_the_chance_of_each(more: dict[str, Any], told: str) -> None:
    assert expected_false_alarms(spec(**more), NOW) == told
