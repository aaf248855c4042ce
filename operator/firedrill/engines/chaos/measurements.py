"""Measurements and findings of an experiment."""

from firedrill.api.faults.network import FilterFault
from firedrill.api.verdict import ConditionStatus, Finding, Measurement
from firedrill.engines.chaos.observation import Observation
from firedrill.engines.chaos.samples import Share


def measure_before(before: Share, min_rate: float) -> Measurement:
    """The share of good answers before the fault, against its limit."""
    return Measurement(
        name="successRateBefore",
        value=before.rate if before.count else None,
        unit="ratio",
        limit=f">= {min_rate:g}",
        passed=before.rate >= min_rate if before.enough else None,
        detail=before.describe(),
    )


def measure(seen: Observation) -> list[Measurement]:
    """All measurements; those without a limit are told with weight 0."""
    state = seen.spec.steady_state
    during_limit = state.min_success_rate_during
    resolution = f"resolution {state.probe.interval.total_seconds():g} s, the interval of the probe"
    limit = seen.spec.recovery_timeout.total_seconds()
    recovery = seen.recovery_seconds
    undecided = recovery is None and (seen.cut_short or bool(seen.aborted))
    found = [
        measure_before(seen.before, state.min_success_rate),
        Measurement(
            name="successRateDuring",
            value=seen.during.rate if seen.during.count else None,
            unit="ratio",
            limit=f">= {during_limit:g}" if during_limit else "",
            passed=(seen.during.rate >= during_limit if seen.during.enough else None) if during_limit else None,
            detail=seen.during.describe(),
            weight=1.0 if during_limit else 0.0,
        ),
        Measurement(
            name="successRateAfter",
            value=seen.after.rate if seen.after.count else None,
            unit="ratio",
            limit=f">= {state.min_success_rate:g}",
            passed=seen.after.rate >= state.min_success_rate if seen.after.enough else None,
            detail=seen.after.describe(),
        ),
        Measurement(
            name="recoveryTime",
            value=recovery,
            unit="s",
            limit=f"<= {limit:g}",
            passed=None if undecided else recovery is not None and recovery <= limit,
            detail=f"from the end of the fault until the steady state held for a whole window; {resolution}",
        ),
        Measurement(
            name="timeToDetect",
            value=seen.detection_seconds,
            unit="s",
            detail="from the injection until the first request that failed"
            if seen.first_failure
            else "no request failed",
            weight=0.0,
        ),
        Measurement(
            name="targetsHit",
            value=float(seen.targets),
            unit="count",
            detail=f"changes that were made: {seen.what}",
            weight=0.0,
        ),
        Measurement(
            name="selfHealingTime",
            value=seen.healing_seconds,
            unit="s",
            detail="from the injection until the steady state held for a whole window before anybody ended the fault"
            if seen.healing_seconds is not None
            else "it did not hold again, or was never lost, before the fault was ended",
            weight=0.0,
        ),
    ]
    if any(isinstance(fault.chosen, FilterFault) for fault in seen.spec.faults):
        found.append(
            Measurement(
                name="droppedPackets",
                value=None if seen.dropped_packets is None else float(seen.dropped_packets),
                unit="count",
                detail="as counted by the kernel",
                weight=0.0,
            )
        )
    found += [each.measurement for each in seen.judged]
    return [*found, *(seen.engine.measurements if seen.engine else ())]


def not_injected(reason: str, message: str) -> list[Finding]:
    """Findings of a run that has changed nothing."""
    return [
        Finding(type="Injected", status=ConditionStatus.FALSE, reason=reason, message=message),
        Finding(type="Recovered", status=ConditionStatus.UNKNOWN, reason="NotInjected", message="nothing was injected"),
        Finding(
            type="RecoveryVerified",
            status=ConditionStatus.UNKNOWN,
            reason="NotInjected",
            message="nothing was injected, so nothing had to be undone",
        ),
    ]


def findings(seen: Observation) -> list[Finding]:
    """The conditions Injected, Recovered and RecoveryVerified."""
    return [_injected(seen), _recovered(seen), _verified(seen)]


def _injected(seen: Observation) -> Finding:
    if seen.reverted:
        return Finding(
            type="Injected",
            status=ConditionStatus.FALSE,
            reason="Reverted",
            message=f"ended by somebody else in {', '.join(seen.reverted[:3])}",
        )
    if not seen.observed:
        return Finding(
            type="Injected", status=ConditionStatus.UNKNOWN, reason="FaultNotObserved", message="no effect was seen"
        )
    return Finding(
        type="Injected",
        status=ConditionStatus.TRUE,
        reason="FaultObserved",
        message=f"{seen.what} on {seen.targets} objects "
        f"from {seen.fault_start:%H:%M:%S} to {seen.fault_end:%H:%M:%S} UTC"
        + (f"; without a proof of its own: {', '.join(seen.unproven)}" if seen.unproven else ""),
    )


def _recovered(seen: Observation) -> Finding:
    seconds = seen.recovery_seconds
    if seconds is not None:
        return Finding(
            type="Recovered",
            status=ConditionStatus.TRUE,
            reason="SteadyStateHolds",
            message=f"the steady state held again {seconds:.1f} s after the fault's end",
        )
    if seen.cut_short or seen.aborted:
        return Finding(
            type="Recovered",
            status=ConditionStatus.UNKNOWN,
            reason="NotWatchedToTheEnd",
            message="the run ended before the recovery timeout had passed",
        )
    return Finding(
        type="Recovered",
        status=ConditionStatus.FALSE,
        reason="SteadyStateNotMet",
        message=f"success rate {seen.after.rate:.3f} at the end",
    )


def _verified(seen: Observation) -> Finding:
    if not seen.undone:
        return Finding(
            type="RecoveryVerified",
            status=ConditionStatus.FALSE,
            reason="UndoNotVerified",
            message=seen.undo_evidence or "nothing shows that the fault is gone",
        )
    if seen.recovery is None:
        return Finding(
            type="RecoveryVerified",
            status=ConditionStatus.UNKNOWN,
            reason="ProbeDoesNotConfirm",
            message=f"undone by its own proof, but the probe has not seen the steady state again: {seen.undo_evidence}",
        )
    return Finding(
        type="RecoveryVerified",
        status=ConditionStatus.TRUE,
        reason="SeenUndone",
        message=f"{seen.undo_evidence}; {seen.recovery.share.describe()}",
    )
