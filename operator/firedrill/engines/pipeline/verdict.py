"""The verdict over all checks, as a chain of policies: the first that has something to say decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from firedrill.api.verdict import Verdict
from firedrill.engines.common.ruling import Decision, first_decision
from firedrill.engines.pipeline.report import CheckReport, phrase

_PHRASES: Final = 3


@dataclass(frozen=True)
class Evidence:
    """All that the verdict depends on. Checks are ordered worst first."""

    checks: Sequence[CheckReport]
    rows: int
    min_rows: int

    def of(self, passed: bool | None) -> list[CheckReport]:
        """Checks of this outcome."""
        return [check for check in self.checks if check.passed is passed]


Policy = Callable[[Evidence], Decision | None]


def failed(evidence: Evidence) -> Decision | None:
    """Something that was asked does not hold, whatever else could not be said."""
    bad = evidence.of(False)
    if not bad:
        return None
    said = f"{_phrases(bad)}; {evidence.rows} rows{_undecided(evidence)}"
    return Decision(Verdict.FAILED, "ChecksFailed", f"{len(bad)} of {_checks(len(evidence.checks))} failed: {said}")


def too_few_rows(evidence: Evidence) -> Decision | None:
    """Little or nothing was looked at."""
    if evidence.rows >= evidence.min_rows:
        return None
    message = f"Too few rows: {evidence.rows}, at least {evidence.min_rows} are needed (minRows)"
    return Decision(Verdict.INCONCLUSIVE, "TooFewRows", message)


def undecided(evidence: Evidence) -> Decision | None:
    """Something that was asked could not be said."""
    left = evidence.of(None)
    if not left:
        return None
    message = (
        f"{len(left)} of {_checks(len(evidence.checks))} could not be decided: {_phrases(left)}; {evidence.rows} rows"
    )
    return Decision(Verdict.INCONCLUSIVE, "ChecksUndecided", message)


def passed(evidence: Evidence) -> Decision | None:
    """All that was asked holds."""
    checks = _checks(len(evidence.checks))
    nearest = phrase(evidence.checks[0])
    return Decision(Verdict.PASSED, "ChecksPassed", f"All of {checks} passed on {evidence.rows} rows, as {nearest}")


#: In this order.
CHAIN: Final[tuple[Policy, ...]] = (failed, too_few_rows, undecided, passed)


def judge(evidence: Evidence) -> Decision:
    """The decision of the first policy that has one; the last one always has."""
    return first_decision(CHAIN, evidence)


def _phrases(checks: Sequence[CheckReport]) -> str:
    more = f"; and {len(checks) - _PHRASES} more" if len(checks) > _PHRASES else ""
    return "; ".join(phrase(check) for check in checks[:_PHRASES]) + more


def _undecided(evidence: Evidence) -> str:
    left = len(evidence.of(None))
    return f"; {left} could not be decided" if left else ""


def _checks(count: int) -> str:
    return f"{count} check" if count == 1 else f"{count} checks"
