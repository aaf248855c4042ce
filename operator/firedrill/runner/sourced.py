"""What runs that read tables share: the result of a run, also of one whose source can not be read."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from firedrill.api.task import Result, Task
from firedrill.api.verdict import Finding, Measurement, Verdict
from firedrill.sources.errors import SourceError, SourceReason

Clock = Callable[[], datetime]

#: What may pass by itself says nothing of the subject; the rest is a fault of the run.
_SOURCE_VERDICT: Final = {
    SourceReason.UNREACHABLE: Verdict.INCONCLUSIVE,
    SourceReason.NOT_FOUND: Verdict.INCONCLUSIVE,
    SourceReason.INVALID_DATA: Verdict.ERROR,
    SourceReason.NOT_ALLOWED: Verdict.ERROR,
    SourceReason.NOT_THE_ONE: Verdict.ERROR,
}
_MESSAGE_LENGTH: Final = 1024


def utc_now() -> datetime:
    """The clock of real runs."""
    return datetime.now(UTC)


class Ending:
    """Makes the result of a run that began when this was made."""

    def __init__(self, task: Task, clock: Clock) -> None:
        self._task = task
        self._clock = clock
        self._started = clock()

    def result(
        self,
        verdict: Verdict,
        reason: str,
        message: str,
        measurements: Sequence[Measurement] = (),
        report: dict[str, Any] | None = None,
        findings: Sequence[Finding] = (),
    ) -> Result:
        """The result of the run, ended now."""
        return Result(
            uid=self._task.uid,
            run_id=self._task.run_id,
            cluster=self._task.cluster,
            verdict=verdict,
            reason=reason,
            message=message if len(message) <= _MESSAGE_LENGTH else message[: _MESSAGE_LENGTH - 1] + "…",
            measurements=list(measurements),
            findings=list(findings),
            started_at=self._started,
            finished_at=self._clock(),
            report=report or {},
        )

    def source_error(self, error: SourceError) -> Result:
        """The result of a run whose source could not be read."""
        return self.result(_SOURCE_VERDICT[error.reason], error.reason.value, str(error))

    def invalid(self, error: Exception, reason: str = "InvalidSpec") -> Result:
        """The result of a run whose spec asks for what can not be."""
        return self.result(Verdict.ERROR, reason, str(error))
