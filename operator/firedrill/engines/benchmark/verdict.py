"""The verdict of a benchmark, as a chain of policies: the first that has something to say decides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from firedrill.api.verdict import Verdict
from firedrill.engines.benchmark.limits import BUSY_ALLOWED, Check, saturated
from firedrill.engines.benchmark.tally import Phase
from firedrill.engines.common.ruling import Decision, first_decision


@dataclass(frozen=True)
class Evidence:
    """All that the verdict depends on. ``phase`` is the one that is judged, None where nothing was sent."""

    phase: Phase | None
    checks: tuple[Check, ...]


Policy = Callable[[Evidence], Decision | None]


def nothing_measured(evidence: Evidence) -> Decision | None:
    """No request was measured."""
    if evidence.phase is not None and evidence.phase.tally.latency.size:
        return None
    return Decision(Verdict.INCONCLUSIVE, "TooFewRequests", "No request was measured")


def unreachable(evidence: Evidence) -> Decision | None:
    """Not one connection: that says nothing of how fast the server is."""
    assert evidence.phase is not None
    tally = evidence.phase.tally
    if tally.latency.answered or any(kind != "transport" for kind, _ in tally.errors):
        return None
    return Decision(
        Verdict.INCONCLUSIVE,
        "EndpointUnreachable",
        f"None of {tally.latency.size} requests got through: {_worst(evidence)}",
    )


def errors_above(evidence: Evidence) -> Decision | None:
    """Too many requests failed; first, because the latency of the few others would mislead."""
    check = _check(evidence, "error_rate")
    if check is None or check.passed is not False:
        return None
    return Decision(Verdict.FAILED, "ErrorRateAboveLimit", f"{_capital(check.phrase)}; most often {_worst(evidence)}")


def limit_broken(evidence: Evidence) -> Decision | None:
    """A limit that certainly does not hold."""
    broken = [check for check in evidence.checks if check.passed is False]
    if not broken:
        return None
    name = broken[0].measurement.name
    reason = _REASONS.get(name.split("_")[0], "LimitNotMet")
    return Decision(Verdict.FAILED, reason, _capital("; ".join(check.phrase for check in broken)))


def client_saturated(evidence: Evidence) -> Decision | None:
    """The client did not keep its schedule, and something is open because of it."""
    assert evidence.phase is not None
    tally = evidence.phase.tally
    undecided = any(check.limited and check.passed is None for check in evidence.checks)
    if not saturated(tally) or not undecided:
        return None
    size = tally.latency.size
    message = (
        f"The client fell behind its schedule at {evidence.phase.shown}: {tally.late / size:.0%} of {size} requests "
        f"left more than {tally.lag_allowed * 1000:.0f} ms late, it was busy {tally.busy:.0%} of the time (at most "
        f"{BUSY_ALLOWED:.0%}); use more workers, lower the rate, or give the runner more CPU"
    )
    return Decision(Verdict.INCONCLUSIVE, "ClientSaturated", message)


def stopped_early(evidence: Evidence) -> Decision | None:
    """The deadline came first: what was asked for was not all put."""
    assert evidence.phase is not None
    tally = evidence.phase.tally
    if not tally.stopped:
        return None
    message = f"The deadline came after {tally.elapsed:.3g} of {tally.seconds:.3g} s; {_summary(evidence)}"
    return Decision(Verdict.INCONCLUSIVE, "DeadlineReached", message)


def undecided(evidence: Evidence) -> Decision | None:
    """Something is open."""
    waiting = [check for check in evidence.checks if check.limited and check.passed is None]
    if not waiting:
        return None
    few = any("too few" in check.phrase for check in waiting)
    reason = "TooFewRequests" if few else "IntervalStraddlesLimit"
    phrases = "; ".join(check.phrase for check in waiting)
    return Decision(Verdict.INCONCLUSIVE, reason, f"Not enough evidence either way: {phrases}")


def no_limits(evidence: Evidence) -> Decision | None:
    """Without a limit there is nothing to pass."""
    if any(check.limited for check in evidence.checks):
        return None
    return Decision(Verdict.INCONCLUSIVE, "NoLimits", f"No threshold is set; {_summary(evidence)}")


def within_limits(evidence: Evidence) -> Decision | None:
    """Every limit holds."""
    assert evidence.phase is not None
    return Decision(Verdict.PASSED, "WithinLimits", f"At {evidence.phase.shown}: {_summary(evidence)}")


CHAIN: Final[tuple[Policy, ...]] = (
    nothing_measured,
    unreachable,
    errors_above,
    limit_broken,
    client_saturated,
    stopped_early,
    undecided,
    no_limits,
    within_limits,
)
_REASONS: Final = {
    "latency": "LatencyAboveLimit",
    "throughput": "ThroughputBelowLimit",
    "knee": "KneeBelowLimit",
    "memory": "MemoryAboveLimit",
    "cpu": "CpuAboveLimit",
    "first": "FirstTokenTooLate",
    "between": "TokensTooSlow",
    "tokens": "TokensTooSlow",
    "soak": "SlowerOverTime",
}


def judge(evidence: Evidence) -> Decision:
    """The decision of the first policy that has one; the last one always has."""
    return first_decision(CHAIN, evidence)


def _check(evidence: Evidence, name: str) -> Check | None:
    return next((check for check in evidence.checks if check.measurement.name == name), None)


def _worst(evidence: Evidence) -> str:
    assert evidence.phase is not None
    most = evidence.phase.tally.errors.most_common(1)
    return f"{most[0][0][0]}: {most[0][0][1]}" if most else "no reason was seen"


def _summary(evidence: Evidence) -> str:
    shown = [check.phrase for check in evidence.checks if check.limited]
    return "; ".join(shown or [check.phrase for check in evidence.checks])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
