"""What a run of a fix writes down while it goes on: decisions, findings, measurements, evidence."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from firedrill.api.base import format_time
from firedrill.api.task import Result, Task
from firedrill.api.verdict import ConditionStatus, Finding, Measurement, Verdict
from firedrill.runner.ports import Clock

audit_log = logging.getLogger("firedrill.audit")

#: Nobody has said who asked for this run.
UNKNOWN: Final = "unknown"
FINDINGS: Final = ("Proposed", "SandboxVerified", "Approved", "Applied", "Verified", "RolledBack")


class Ended(Exception):
    """The run ends here, with this verdict. What has been changed is undone by whoever catches it."""

    def __init__(self, verdict: Verdict, reason: str, message: str) -> None:
        super().__init__(f"{verdict} {reason}: {message}")
        self.verdict = verdict
        self.reason = reason
        self.message = message


def inconclusive(reason: str, message: str) -> Ended:
    """The end of a run that has not come to what it asked."""
    return Ended(Verdict.INCONCLUSIVE, reason, message)


@dataclass
class Ledger:
    """Append-only: entries are added and never changed; of findings, the last word counts."""

    task: Task
    clock: Clock
    actor: str
    #: Whether there is a record, and with it perhaps something to undo.
    claimed: bool = False
    #: Whether nothing is left to undo.
    settled: bool = True
    audit: list[dict[str, Any]] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)

    def decided(
        self, what: str, result: str, why: str, evidence: Mapping[str, Any] | None = None, asked_by: str = UNKNOWN
    ) -> None:
        """One decision, also a refusal: kept in the result and said on the log, where it outlives the Job."""
        entry = {
            "at": format_time(self.clock.now()),
            "askedBy": asked_by,
            "decidedBy": self.actor,
            "what": what,
            "result": result,
            "why": why,
            "evidence": dict(evidence or {}),
        }
        self.audit.append(entry)
        task = self.task
        run = {"resource": f"{task.namespace}/{task.name}", "run": task.run_id, "cluster": task.cluster}
        audit_log.info(json.dumps({"audit": {**run, **entry}}, sort_keys=True))

    def found(self, name: str, status: ConditionStatus, reason: str, message: str = "") -> None:
        """A condition of the resource."""
        self.findings[name] = Finding(type=name, status=status, reason=reason, message=message)

    def yes(self, name: str, reason: str, message: str = "") -> None:
        """A condition that holds."""
        self.found(name, ConditionStatus.TRUE, reason, message)

    def no(self, name: str, reason: str, message: str = "") -> None:
        """A condition that does not hold."""
        self.found(name, ConditionStatus.FALSE, reason, message)

    def measured(
        self,
        name: str,
        value: float | None,
        unit: str,
        *,
        limit: str = "",
        passed: bool | None = None,
        detail: str = "",
    ) -> None:
        """A value, and whether its limit holds; without a limit it has no part in the score."""
        rounded = None if value is None else round(value, 3)
        self.measurements.append(
            Measurement(
                name=name,
                value=rounded,
                unit=unit,
                limit=limit,
                passed=passed,
                detail=detail,
                weight=float(bool(limit)),
            )
        )

    def result(self, verdict: Verdict, reason: str, message: str) -> Result:
        """The result, with every condition of the kind: those that were not reached are unknown."""
        for name in FINDINGS:
            if name not in self.findings:
                self.found(name, ConditionStatus.UNKNOWN, "NotReached", f"the run ended before: {reason}")
        return Result(
            uid=self.task.uid,
            run_id=self.task.run_id,
            cluster=self.task.cluster,
            verdict=verdict,
            reason=reason,
            message=message,
            measurements=self.measurements,
            findings=[self.findings[name] for name in FINDINGS],
            started_at=self.task.started_at,
            finished_at=self.clock.now(),
            report={**self.report, "audit": self.audit},
            settled=self.settled,
        )
