"""From uncorrected tests to alarms: one correction over all of them, and the effect's limit."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from firedrill.api.driftcheck import Correction
from firedrill.engines.drift.correction import correct
from firedrill.engines.drift.report import ColumnReport, Reason, TestName, TestResult
from firedrill.engines.drift.whole import SHARE, WholeTest

_ALARM_REASON: Final = {
    TestName.KS: Reason.VALUES_CHANGED,
    TestName.CHI_SQUARE: Reason.VALUES_CHANGED,
    TestName.FISHER: Reason.VALUES_CHANGED,
    TestName.RARE: Reason.VALUES_CHANGED,
    TestName.MISSING: Reason.MISSING_SHARE_CHANGED,
    TestName.INFINITE: Reason.INFINITE_SHARE_CHANGED,
    TestName.INVALID: Reason.INVALID_SHARE_CHANGED,
}


def effect_name(test: TestName) -> str:
    """What the effect of a test is called."""
    return "KS distance" if test is TestName.KS else "total variation"


def describe_test(test: TestResult) -> str:
    """A test in one phrase: effect, limit and adjusted p-value."""
    give = f" ± {test.margin.effect:.2g}" if test.margin else ""
    return f"{effect_name(test.test)} {test.effect:.3f}{give} (limit {test.limit:g}), adjusted p {test.p_adjusted:.2g}"


def describe_open(test: TestResult) -> str:
    """A test that sketches leave open, in one phrase: between which values the truth lies."""
    assert test.margin is not None, "only a test with a margin can be open"
    low, high = (min(max(test.effect + sign * test.margin.effect, 0.0), 1.0) for sign in (-1, 1))
    return (
        f"{effect_name(test.test)} between {low:.4f} and {high:.4f} (limit {test.limit:g}), "
        f"p between {test.margin.least_p:.2g} and {test.p_value:.2g}"
    )


def decide(
    columns: Sequence[ColumnReport],
    wholes: Sequence[WholeTest],
    significance: float,
    how: Correction | None = Correction.HOLM,
) -> tuple[list[ColumnReport], list[WholeTest]]:
    """The columns with alarms set, worst first, and the tests of the whole table.

    A test alarms when its p-value, corrected over all tests together, is below ``significance`` and its effect
    reaches its limit; where ``how`` is None the tests come adjusted already. A test of the whole table has a fixed
    share of the error; those of the columns share the rest.
    """
    tested = [whole for whole in wholes if whole.p_value is not None]
    tests = [test for column in columns for test in column.tests]
    rest = 1 - sum(SHARE[whole.part] for whole in tested)
    weights = [1.0] * len(tests) + [max(len(tests), 1) * SHARE[whole.part] / rest for whole in tested]
    of_wholes = [whole.p_value for whole in tested if whole.p_value is not None]
    before = [test.p_adjusted for test in tests]
    corrected = iter(correct([*(t.p_value for t in tests), *of_wholes], weights, how) if how is not None else before)
    # Smaller p-values can only add alarms, so what does not alarm with the least of them all does not in truth.
    least = [test.margin.least_p if test.margin else test.p_value for test in tests]
    at_least = iter(correct([*least, *of_wholes], weights, how) if how is not None else before)
    decided = [
        _decide_column(column, [(next(corrected), next(at_least)) for _ in column.tests], significance)
        for column in columns
    ]
    whole_decided = [
        whole.decided(next(corrected), significance) if whole.p_value is not None else whole for whole in wholes
    ]
    return sorted(decided, key=_badness), whole_decided


def _decide_column(
    column: ColumnReport, p_adjusted: Sequence[tuple[float, float]], significance: float
) -> ColumnReport:
    pairs = zip(column.tests, p_adjusted, strict=True)
    result = replace(column, tests=tuple(_decide_test(test, *both, significance) for test, both in pairs))
    top = result.headline
    if top is None:
        return result
    if top.alarm:
        return replace(result, reason=_ALARM_REASON[top.test], message=describe_test(top))
    if top.open:
        return replace(result, reason=Reason.SKETCH_TOO_COARSE, message=describe_open(top))
    if column.message:
        return result
    why = "not significant" if top.p_adjusted >= significance else "significant, but too small to matter"
    return replace(result, message=f"{describe_test(top)}: {why}")


def _decide_test(test: TestResult, p_adjusted: float, at_least: float, significance: float) -> TestResult:
    give = test.margin.effect if test.margin else 0.0
    alarm = p_adjusted < significance and test.effect - give >= test.limit
    maybe = test.margin is not None and at_least < significance and test.effect + give >= test.limit
    return replace(test, p_adjusted=p_adjusted, alarm=alarm, open=maybe and not alarm)


def _badness(column: ColumnReport) -> tuple[bool, bool, float, float, str]:
    """Drift first, that of names and types before the rest; then what is undecided; then by effect."""
    top = column.headline
    severity = max((test.severity for test in column.tests), default=0.0)
    by_schema = column.drift and top is None
    return (not column.drift, not by_schema and column.decided, -severity, top.p_adjusted if top else 1.0, column.label)
