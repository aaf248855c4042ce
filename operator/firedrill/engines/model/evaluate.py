"""From the log of a load run to a verdict."""

from dataclasses import replace

from firedrill.api.modelvalidation import ValidationLoad, ValidationThresholds
from firedrill.engines.model.asked import Asked
from firedrill.engines.model.limits import Check, check_all, lag_allowed
from firedrill.engines.model.measure import Measured, measure, measure_warmup
from firedrill.engines.model.quality.checks import Quality, quality
from firedrill.engines.model.records import RequestLog
from firedrill.engines.model.report import ModelReport
from firedrill.engines.model.schedule import to_measure
from firedrill.engines.model.verdict import Evidence, judge


def evaluate(
    log: RequestLog, thresholds: ValidationThresholds, load: ValidationLoad, asked: Asked | None = None
) -> ModelReport:
    """Measure a log and hold it against limits. Never raises for what a server did or did not do."""
    asked = asked or Asked()
    allowed = lag_allowed(thresholds, asked.baseline.max_slowdown if asked.baseline is not None else None)
    measured, beside = (
        None if each is None else measure(each, allowed, asked.reading, labelled=asked.labelled)
        for each in (log, asked.baseline_log)
    )
    found = quality(log.records, measured, thresholds, asked, beside) if measured is not None else Quality((), {})
    checks: tuple[Check, ...] = ()
    if measured is not None:
        checks = (*check_all(measured, thresholds, asked.task, labelled=asked.labelled), *found.checks)
        if measured.client.saturated:
            checks = tuple(_undecided_latency(check) for check in checks)
    decision = judge(Evidence(log, measured, checks, to_measure(load, asked.baseline), asked.baseline_log))
    return ModelReport(
        verdict=decision.verdict,
        reason=decision.reason,
        message=decision.message + _notes(log, measured),
        measurements=tuple(check.measurement for check in checks),
        readiness=log.readiness,
        rows=log.rows,
        rows_skipped=log.rows_skipped,
        measured=measured,
        warmup=measure_warmup(log),
        details=found.details,
        facts=log.facts,
    )


def _undecided_latency(check: Check) -> Check:
    """A late client can not blame the server for latency.

    It can acquit it: latency counts from the intended time, so that the client's own lag is in it, and what is
    within the limit with that lag is within it without.
    """
    if not check.name.startswith("latency_") or check.passed is not False:
        return check
    return replace(check, passed=None, measurement=check.measurement.model_copy(update={"passed": None}))


def _notes(log: RequestLog, measured: Measured | None) -> str:
    notes = ""
    if log.rows_skipped:
        notes += f"; {log.rows_skipped} rows with blanks were not sent"
    if measured is not None and measured.client.blocked:
        notes += f"; {measured.client.blocked} requests had to wait for load.maxInFlight"
    return notes
