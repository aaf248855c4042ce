"""Repetitions, self-healing, conditions that end a run, and comparisons: pure decisions."""

from datetime import timedelta
from typing import Any

import pytest
from experiment_builders import at, samples

from firedrill.api.shape import AbortCondition, Compare, Repeat
from firedrill.engines.chaos import aborting, comparing, rounds
from firedrill.engines.chaos.aborting import AbortLook
from firedrill.engines.chaos.recovery import Recovery
from firedrill.engines.chaos.rounds import Round, find_self_healing
from firedrill.engines.chaos.samples import Share

WINDOW = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("answers", "ends", "healed"),
    [
        ("." * 50, 8, None),  # nothing had to heal
        ("." * 10 + "x" * 5 + "." * 35, 8, 3.0),
        ("." * 10 + "x" * 35, 8, None),
        ("." * 10 + "x" * 27 + "." * 20, 8, None),  # not for a whole window before we ended it
        ("." * 45 + "x" * 5, 8, None),  # failed only after
    ],
)
def test_self_healing_is_what_happens_before_anybody_ends_the_fault(answers: str, ends: float, healed: Any) -> None:
    found = find_self_healing(samples(answers), at(1), at(ends), WINDOW, 0.95, at(30))
    assert (found and (found - at(0)).total_seconds()) == (healed if healed is None else pytest.approx(healed))


def a_round(recovery: float | None = 2.0, detection: float | None = 1.0) -> Round:
    return Round(
        began=at(9),
        fault_start=at(10),
        last_applied=at(10.5),
        fault_end=at(20),
        during=Share(50, 20),
        first_failure=None if detection is None else at(10 + detection),
        recovery=None if recovery is None else Recovery(at(20 + recovery), Share(25, 25)),
    )


def judged(seen: list[Round], **repeat: Any) -> dict[str, Any]:
    given = Repeat.model_validate({"times": max(2, len(seen)), **repeat})
    return {each.measurement.name: each for each in rounds.judge(seen, given)}


def test_times_of_repetitions_are_told_as_a_distribution() -> None:
    found = judged([a_round(recovery=float(n)) for n in range(1, 8)])
    median = found["recoveryTimeMedian"].measurement
    assert median.value == 4.0
    assert "from 1 to 7 s, n = 7 of 7 repetitions" in median.detail
    assert "98.4 % interval of the median 1 to 7 s" in median.detail
    assert median.weight == 0
    assert found["timeToInjectMedian"].measurement.value == 1.5
    assert found["selfHealingTimeMedian"].measurement.value is None


@pytest.mark.parametrize(
    ("times", "limit", "passed"),
    [
        ([2, 3, 4, 5, 6, 7], "7s", True),
        ([2, 3, 4, 5, 6, 7], "1s", False),
        ([2, 3, 4, 5, 6, 7], "5s", None),
        ([2, 3, 4, 5, 6], "7s", None),
        ([2, 3, 4, 5, 6, 7, None], "7s", None),
    ],
)
def test_a_limit_must_hold_for_the_whole_interval(times: list[Any], limit: str, passed: bool | None) -> None:
    found = judged([a_round(recovery=time) for time in times], maxMedianRecovery=limit)
    assert found["recoveryTimeMedian"].measurement.passed is passed
    assert found["recoveryTimeMedian"].measurement.weight == 1


CONDITION = AbortCondition.model_validate({"name": "outage", "maxFailureRate": 0.5, "window": "2s"})


def looked(answers: str, now: float) -> AbortLook:
    """What is known at a time, having looked four times a second from the fault on, at the second 2."""
    found = AbortLook(CONDITION)
    for quarter in range(8, int(now * 4) + 1):
        found = aborting.look(found, samples(answers), at(2), at(quarter / 4))
    return found


def test_a_condition_counts_answers_of_the_fault_alone() -> None:
    before_alone = looked("x" * 10 + "." * 40, 8)
    assert before_alone.worst is not None
    assert before_alone.worst.rate == 1.0
    assert not before_alone.met


def test_a_condition_is_met_as_soon_as_its_failures_are_known() -> None:
    answers = "." * 10 + "x" * 40
    assert not looked(answers, 3).met, "they time out after a second"
    assert looked(answers, 4.5).met


def test_a_condition_keeps_the_worst_that_was_seen() -> None:
    found = looked("." * 12 + "xx" + "." * 40, 9)
    assert found.worst is not None
    assert not found.met
    assert found.worst.good < found.worst.count


def test_a_condition_without_answers_can_not_tell() -> None:
    found = aborting.look(AbortLook(CONDITION), samples("...."), at(0), at(9))
    assert found.judged().measurement.passed is None
    assert found.judged().undecided == "AbortConditionUnknown"


def compared(**fields: Any) -> Compare:
    return Compare.model_validate(fields)


@pytest.mark.parametrize(
    ("before", "during", "limit", "passed"),
    [
        (Share(100, 100), Share(100, 100), 0.1, True),
        (Share(100, 100), Share(100, 60), 0.1, False),
        (Share(100, 100), Share(100, 95), 0.01, False),
        (Share(100, 100), Share(100, 95), 0.2, True),
        (Share(100, 100), Share(100, 97), 0.05, None),  # worse, but by chance, perhaps too much
        (Share(10, 10), Share(10, 10), 0.05, None),  # too few to tell
        (Share(100, 100), Share(4, 4), 0.5, None),
    ],
)
def test_a_drop_of_the_success_rate(before: Share, during: Share, limit: float, passed: bool | None) -> None:
    (found,) = comparing.judge(compared(successRate={"maxDrop": limit}), before, during, [], [])
    assert found.measurement.passed is passed, found.measurement.detail


@pytest.mark.parametrize(
    ("shift", "limit", "passed"),
    [(0.0, "20ms", True), (0.1, "20ms", False), (0.1, "500ms", True), (0.018, "20ms", None)],
)
def test_a_rise_of_latency(shift: float, limit: str, passed: bool | None) -> None:
    before = [0.02 + 0.001 * (n * 37 % 40) for n in range(60)]
    during = [each + shift for each in before]
    share = Share(60, 60)
    (found,) = comparing.judge(compared(latency={"maxIncrease": limit}), share, share, before, during)
    assert found.measurement.passed is passed, found.measurement.detail
    assert found.measurement.unit == "s"
