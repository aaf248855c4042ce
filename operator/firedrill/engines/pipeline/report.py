"""What a test found: typed, with the JSON form of the report."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.pipeline.finding import Finding

#: Measurements beyond go without detail: all must fit into one record.
_DETAILED: Final = 150


@dataclass(frozen=True)
class CheckReport:
    """All that one check found."""

    name: str
    kind: str
    weight: float
    findings: tuple[Finding, ...]
    samples: tuple[dict[str, Any], ...] = ()

    @property
    def passed(self) -> bool | None:
        """False where a finding fails, else None where one is undecided."""
        outcomes = [finding.passed for finding in self.findings]
        return False if False in outcomes else (None if None in outcomes or not outcomes else True)

    @property
    def worst(self) -> Finding:
        """The finding that decides."""
        return min(self.findings, key=lambda each: (each.passed is not False, each.passed is not None))

    def to_json(self) -> dict[str, Any]:
        """The check in the form of the report."""
        return {
            "name": self.name,
            "kind": self.kind,
            "passed": self.passed,
            "findings": [
                {
                    "name": each.name,
                    "value": _finite(each.value),
                    "unit": each.unit,
                    "limit": each.limit,
                    "passed": each.passed,
                    "detail": each.detail,
                }
                for each in self.findings
            ],
            "samples": list(self.samples),
        }


@dataclass(frozen=True)
class PipelineReport:
    """The outcome of a test. Checks are ordered worst first."""

    verdict: Verdict
    reason: str
    message: str
    rows: int
    columns: int
    checks: tuple[CheckReport, ...]
    run_seconds: tuple[float, ...] = ()

    @property
    def measurements(self) -> list[Measurement]:
        """One for each finding; the findings of a check share its weight."""
        made = [
            Measurement(
                name=_named(check, finding)[:253],
                value=finding.value,
                unit=finding.unit,
                limit=finding.limit[:128],
                passed=finding.passed,
                detail=finding.detail[:512],
                weight=check.weight / len(check.findings),
            )
            for check in self.checks
            for finding in sorted(check.findings, key=_badness)
        ]
        return [*made[:_DETAILED], *(each.model_copy(update={"detail": ""}) for each in made[_DETAILED:])]

    def to_json(self) -> dict[str, Any]:
        """The report; numbers that are not finite become null."""
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "message": self.message,
            "rows": self.rows,
            "columns": self.columns,
            "pipelineRuns": [round(seconds, 3) for seconds in self.run_seconds],
            "checks": [check.to_json() for check in self.checks],
        }


def ordered(checks: Sequence[CheckReport]) -> tuple[CheckReport, ...]:
    """Those that fail first, then those that are undecided."""
    return tuple(sorted(checks, key=lambda each: (each.passed is not False, each.passed is not None)))


def phrase(check: CheckReport) -> str:
    """The finding of a check that decides, in one phrase with value and limit."""
    worst = check.worst
    return f"{_named(check, worst)}{_value(worst)} (limit {worst.limit}; {worst.detail})"


def _value(finding: Finding) -> str:
    if finding.value is None or not math.isfinite(finding.value):
        return ""
    if finding.unit == "ratio":
        return f" {100 * finding.value:.4g} %"
    shown = f"{finding.value:.0f}" if float(finding.value).is_integer() else f"{finding.value:.4g}"
    return f" {shown} {finding.unit}".rstrip()


def _named(check: CheckReport, finding: Finding) -> str:
    return f"{check.name}: {finding.name}" if check.name else finding.name


def _badness(finding: Finding) -> tuple[bool, bool]:
    return (finding.passed is not False, finding.passed is not None)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
