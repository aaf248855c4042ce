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
    TestName.MISSING: Reason.MISSING_SHARE_CHANGED,
    TestName.INFINITE: Reason.INFINITE_SHARE_CHANGED,
    TestName.INVALID: Reason.INVALID_SHARE_CHANGED,
}


def effect_name(test: TestName) -> str:
    """What the effect of a test is called."""
    return "KS distance" if test is TestName.KS else "total variation"


def describe_test(test: TestResult) -> str:
    """A test in one phrase: effect, limit and adjusted p-value."""
    return f"{effect_name(test.test)} {test.effect:.3f} (limit {test.limit:g}), adjusted p {test.p_adjusted:.2g}"


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
    single = [test.p_value for column in columns for test in column.tests]
    rest = 1 - sum(SHARE[whole.part] for whole in tested)
    weights = [1.0] * len(single) + [max(len(single), 1) * SHARE[whole.part] / rest for whole in tested]
    p_values = [*single, *(whole.p_value for whole in tested if whole.p_value is not None)]
    before = [test.p_adjusted for column in columns for test in column.tests]
    corrected = iter(correct(p_values, weights, how) if how is not None else before)
    decided = [_decide_column(column, [next(corrected) for _ in column.tests], significance) for column in columns]
    whole_decided = [
        whole.decided(next(corrected), significance) if whole.p_value is not None else whole for whole in wholes
    ]
    return sorted(decided, key=_badness), whole_decided


def _decide_column(column: ColumnReport, p_adjusted: Sequence[float], significance: float) -> ColumnReport:
    tests = tuple(
        replace(test, p_adjusted=p, alarm=p < significance and test.effect >= test.limit)
        for test, p in zip(column.tests, p_adjusted, strict=True)
    )
    result = replace(column, tests=tests)
    top = result.headline
    if top is None:
        return result
    if top.alarm:
        return replace(result, reason=_ALARM_REASON[top.test], message=describe_test(top))
    if column.message:
        return result
    why = "not significant" if top.p_adjusted >= significance else "significant, but too small to matter"
    return replace(result, message=f"{describe_test(top)}: {why}")


def _badness(column: ColumnReport) -> tuple[bool, bool, float, float, str]:
    """Drift first, that of names and types before the rest; then what is undecided; then by effect."""
    top = column.headline
    severity = max((test.severity for test in column.tests), default=0.0)
    by_schema = column.drift and top is None
    return (not column.drift, not by_schema and column.decided, -severity, top.p_adjusted if top else 1.0, column.label)
