"""From uncorrected tests of all columns to alarms: one correction over all of them, and the effect's limit."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from firedrill.engines.drift.correction import holm
from firedrill.engines.drift.report import ColumnReport, Reason, TestName, TestResult, adjusted

_ALARM_REASON: Final = {
    TestName.KS: Reason.VALUES_CHANGED,
    TestName.CHI_SQUARE: Reason.VALUES_CHANGED,
    TestName.FISHER: Reason.VALUES_CHANGED,
    TestName.KS_SPREAD: Reason.SPREAD_CHANGED,
    TestName.MISSING: Reason.MISSING_SHARE_CHANGED,
    TestName.INFINITE: Reason.INFINITE_SHARE_CHANGED,
    TestName.INVALID: Reason.INVALID_SHARE_CHANGED,
}
_EFFECT_NAME: Final = {TestName.KS: "KS distance", TestName.KS_SPREAD: "KS distance of the spread"}


def effect_name(test: TestName) -> str:
    """What the effect of a test is called."""
    return _EFFECT_NAME.get(test, "Cramér's V")


def describe_test(test: TestResult) -> str:
    """A test in one phrase: effect, limit and adjusted p-value."""
    return f"{effect_name(test.test)} {test.effect:.3f} (limit {test.limit:g}), adjusted p {test.p_adjusted:.2g}"


def decide(columns: Sequence[ColumnReport], significance: float) -> list[ColumnReport]:
    """The columns with alarms set, worst first.

    A test alarms when its p-value, adjusted by Holm's method over all tests of all columns, is below
    ``significance`` and its effect reaches its limit.
    """
    corrected = iter(holm([test.p_value for column in columns for test in column.tests]))
    decided = [_decide_column(column, [next(corrected) for _ in column.tests], significance) for column in columns]
    return sorted(decided, key=_badness)


def _decide_column(column: ColumnReport, p_adjusted: Sequence[float], significance: float) -> ColumnReport:
    tests = [
        replace(test, p_adjusted=p, alarm=p < significance and test.effect >= test.limit)
        for test, p in zip(column.tests, p_adjusted, strict=True)
    ]
    result = adjusted(column, tests, column.reason, column.message)
    top = result.headline
    if top is None:
        return result
    if top.alarm:
        return adjusted(column, tests, _ALARM_REASON[top.test], describe_test(top))
    if column.message:
        return result
    why = "not significant" if top.p_adjusted >= significance else "significant, but too small to matter"
    return adjusted(column, tests, column.reason, f"{describe_test(top)}: {why}")


def _badness(column: ColumnReport) -> tuple[bool, bool, float, float, str]:
    """Drift first, that of names and types before the rest; then what is undecided; then by effect."""
    top = column.headline
    severity = max((test.severity for test in column.tests), default=0.0)
    by_schema = column.drift and top is None
    return (not column.drift, not by_schema and column.decided, -severity, top.p_adjusted if top else 1.0, column.name)
