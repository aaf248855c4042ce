"""The verdict of a model validation, as a chain of policies: the first that has something to say decides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from firedrill.api.verdict import Verdict
from firedrill.engines.common.intervals import least_requests
from firedrill.engines.common.ruling import Decision, first_decision
from firedrill.engines.model.limits import Check
from firedrill.engines.model.measure import LEVELS, Measured
from firedrill.engines.model.records import Readiness, RequestLog


@dataclass(frozen=True)
class Evidence:
    """All that the verdict depends on."""

    log: RequestLog
    measured: Measured | None
    checks: tuple[Check, ...]
    planned: int
    baseline: RequestLog | None = None

    def check(self, name: str) -> Check | None:
        """The check of that name, if it was made."""
        return next((check for check in self.checks if check.name == name), None)

    @property
    def latency_checks(self) -> list[Check]:
        """Checks of latency quantiles."""
        return [check for check in self.checks if check.name.startswith("latency_")]


QUALITY_REASONS: Final = {
    "macro_f1": "F1BelowLimit",
    "precision": "PrecisionBelowLimit",
    "recall": "RecallBelowLimit",
    "auc": "AucBelowLimit",
    "calibration_error": "NotCalibrated",
    "mean_error": "MeanErrorAboveLimit",
    "rmse": "RmseAboveLimit",
    "r2": "R2BelowLimit",
    "ndcg": "NdcgBelowLimit",
    "mrr": "MrrBelowLimit",
    "slice_accuracy": "SliceBelowLimit",
    "slice_mean_error": "SliceAboveLimit",
    "disparity": "GroupsApart",
    "gain_over_baseline": "WorseThanBaseline",
    "agreement": "ModelsDisagree",
    "score_difference": "ScoresApart",
    "error_increase": "MoreErrorsThanBaseline",
    "slowdown": "SlowerThanBaseline",
    "changed_by_noise": "NotRobust",
    "handled": "NotRobust",
    "refused": "SchemaNotGuarded",
}
Policy = Callable[[Evidence], Decision | None]


def not_ready(evidence: Evidence) -> Decision | None:
    """The server or the model was not there to be asked. A wrong name is a fault of the run."""
    readiness = evidence.log.readiness
    if readiness is Readiness.READY:
        return None
    verdict = Verdict.ERROR if readiness is Readiness.NOT_FOUND else Verdict.INCONCLUSIVE
    return Decision(verdict, readiness.value, evidence.log.readiness_message)


def nothing_measured(evidence: Evidence) -> Decision | None:
    """No request was measured."""
    if evidence.measured is not None:
        return None
    why = "the deadline came first" if evidence.log.stopped_early else "none was sent after warm-up"
    return Decision(Verdict.INCONCLUSIVE, "TooFewRequests", f"No request was measured: {why}")


def all_rejected(evidence: Evidence) -> Decision | None:
    """The server refuses every request as wrong: what is sent does not fit the model."""
    statuses = {record.status for record in evidence.log.records}
    refused = all(status is not None and 400 <= status < 500 and status not in (408, 429) for status in statuses)
    if not refused or evidence.measured is None or evidence.measured.answered or not evidence.measured.error_groups:
        return None
    group = evidence.measured.error_groups[0]
    message = (
        f"The server refused all {len(evidence.log.records)} requests with status {group.status}: {group.example}; "
        "the columns sent may not be what the model takes"
    )
    return Decision(Verdict.ERROR, "RequestsRejected", message)


def error_rate_above(evidence: Evidence) -> Decision | None:
    """Too many requests failed; first, because an accuracy of the few others would mislead."""
    check = evidence.check("error_rate")
    if check is None or check.passed is not False or evidence.measured is None:
        return None
    groups = evidence.measured.error_groups
    worst = f"; most often {_group(groups[0].outcome.value, groups[0].status)}: {groups[0].example}" if groups else ""
    return Decision(Verdict.FAILED, "ErrorRateAboveLimit", _sentence(check) + worst)


def accuracy_below(evidence: Evidence) -> Decision | None:
    """Too many answers are wrong."""
    check = evidence.check("accuracy")
    if check is None or check.passed is not False or evidence.measured is None:
        return None
    hint = "; no answer is any of the labels, is labelColumn right?" if evidence.measured.labels_disjoint else ""
    return Decision(Verdict.FAILED, "AccuracyBelowLimit", _sentence(check) + hint)


def quality_below(evidence: Evidence) -> Decision | None:
    """Another limit on what the answers are certainly does not hold."""
    failed = [check for check in evidence.checks if check.passed is False and check.name in QUALITY_REASONS]
    if not failed:
        return None
    return Decision(Verdict.FAILED, QUALITY_REASONS[failed[0].name], "; ".join(_sentence(check) for check in failed))


def client_saturated(evidence: Evidence) -> Decision | None:
    """The client did not keep its schedule: the load was not there, or a latency may be the client's own."""
    if evidence.measured is None or not evidence.measured.client.saturated:
        return None
    client = evidence.measured.client
    of_time = [*evidence.latency_checks, *filter(None, [evidence.check("slowdown")])]
    undecided = any(check.limited and check.passed is None for check in of_time)
    if not client.starved and not undecided:
        return None
    message = (
        f"The client fell behind its own schedule: {client.late_share:.0%} of {evidence.measured.requests} requests "
        f"left more than {client.lag_allowed * 1000:.0f} ms late (99% within {client.lag_p99 * 1000:.0f} ms), it was "
        f"busy {client.busy:.0%} of the time, at {client.offered_rate:.4g} requests a second; lower load.rate, or give "
        "the runner more CPU"
    )
    return Decision(Verdict.INCONCLUSIVE, "ClientSaturated", message)


def latency_above(evidence: Evidence) -> Decision | None:
    """A quantile of latency is above its limit."""
    failed = [check for check in evidence.latency_checks if check.passed is False]
    if not failed:
        return None
    return Decision(Verdict.FAILED, "LatencyAboveLimit", "; ".join(_sentence(check) for check in failed))


def stopped_early(evidence: Evidence) -> Decision | None:
    """The run's deadline came before all requests were sent, to the model or to its baseline."""
    beside = evidence.baseline
    if evidence.log.stopped_early and evidence.measured is not None:
        message = f"The deadline came after {evidence.measured.requests} of {evidence.planned} measured requests"
    elif beside is not None and beside.stopped_early:
        sent = sum(not record.warmup for record in beside.records)
        message = f"The deadline came after {sent} measured requests to the baseline, before all were sent"
    else:
        return None
    return Decision(Verdict.INCONCLUSIVE, "DeadlineReached", message)


def too_few_requests(evidence: Evidence) -> Decision | None:
    """A limit on latency needs more requests than were measured."""
    few = [check for check in evidence.latency_checks if check.too_few]
    if not few or evidence.measured is None:
        return None
    names = ", ".join(f"{check.name} needs {least_requests(LEVELS[check.name[8:]])}" for check in few)
    message = f"{evidence.measured.requests} requests are too few: {names}; {_summary(evidence)}"
    return Decision(Verdict.INCONCLUSIVE, "TooFewRequests", message)


def interval_straddles(evidence: Evidence) -> Decision | None:
    """A limit lies inside the interval of what was measured: more requests or rows could decide."""
    open_checks = [check for check in evidence.checks if check.limited and check.passed is None]
    if not open_checks:
        return None
    message = "Not enough evidence either way: " + "; ".join(check.phrase for check in open_checks)
    return Decision(Verdict.INCONCLUSIVE, "IntervalStraddlesLimit", message)


def no_limits(evidence: Evidence) -> Decision | None:
    """Without a limit there is nothing to pass."""
    if any(check.limited for check in evidence.checks):
        return None
    return Decision(Verdict.INCONCLUSIVE, "NoLimits", f"No threshold is set; {_summary(evidence)}")


def within_limits(evidence: Evidence) -> Decision | None:
    """Every limit holds."""
    return Decision(Verdict.PASSED, "WithinLimits", _capital(_summary(evidence)))


#: In this order. A failure that is certain comes before any doubt, except that a client that did not keep its
#: schedule can not blame the server for latency.
CHAIN: Final[tuple[Policy, ...]] = (
    not_ready,
    nothing_measured,
    all_rejected,
    error_rate_above,
    accuracy_below,
    quality_below,
    client_saturated,
    latency_above,
    stopped_early,
    too_few_requests,
    interval_straddles,
    no_limits,
    within_limits,
)


def judge(evidence: Evidence) -> Decision:
    """The decision of the first policy that has one; the last one always has."""
    return first_decision(CHAIN, evidence)


def _sentence(check: Check) -> str:
    return _capital(check.phrase)


def _summary(evidence: Evidence) -> str:
    shown = [check.phrase for check in evidence.checks if check.limited]
    return "; ".join(shown or [check.phrase for check in evidence.checks])


def _group(outcome: str, status: int | None) -> str:
    return f"status {status}" if status is not None else outcome


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
