"""From the outcomes of the targets to the status of the resource."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from firedrill.api.kinds import RunKind
from firedrill.api.resource import RunResource
from firedrill.api.run import (
    ClusterResult,
    FailureThreshold,
    HistoryEntry,
    RunRef,
    RunStatus,
)
from firedrill.api.verdict import Condition, ConditionStatus, Finding, Measurement, Verdict
from firedrill.core.alarms import expected_false_alarms
from firedrill.core.figures import figures_of, with_figures
from firedrill.core.outcome import Outcome
from firedrill.core.reacting import reacted_findings
from firedrill.core.score import score
from firedrill.core.worst import worst

_MAX_MEASUREMENTS = 32
#: Leaves room for metadata below the 64 KiB that a status may have.
_MAX_STATUS_BYTES = 60 * 1024


@dataclass(frozen=True)
class _Cut:
    """What is left of each target: how many measurements, how long texts, and whether its findings are."""

    measurements: int
    text: int = 2048
    findings: bool = True


#: Tried in this order, until it fits.
_CUTS = (
    *(_Cut(measurements) for measurements in (_MAX_MEASUREMENTS, 16, 8, 4)),
    *(_Cut(1, text) for text in (512, 256, 128)),
    _Cut(0, 64),
    _Cut(0, 64, findings=False),
)


def _severity(measurement: Measurement) -> int:
    return {False: 0, None: 1, True: 2}[measurement.passed]


def _stamp(findings: Iterable[Finding], before: Sequence[Condition], generation: int, now: datetime) -> list[Condition]:
    known = {condition.type: condition for condition in before}
    stamped = []
    for finding in findings:
        old = known.get(finding.type)
        unchanged = old is not None and old.status == finding.status
        stamped.append(
            Condition(
                type=finding.type,
                status=finding.status,
                reason=finding.reason,
                message=finding.message[:2048],
                observed_generation=generation,
                last_transition_time=old.last_transition_time if unchanged and old else now,
            )
        )
    return stamped


def cluster_result(known: ClusterResult, outcome: Outcome, generation: int, now: datetime) -> ClusterResult:
    """The entry of a target once its run has ended."""
    result = outcome.result
    measurements = sorted(result.measurements, key=_severity) if result else []
    report = known.job + "-result" if result and known.job else ""
    return ClusterResult(
        name=known.name,
        verdict=outcome.verdict,
        reason=outcome.reason,
        message=outcome.message[:1024],
        measurements=measurements[:_MAX_MEASUREMENTS],
        omitted=max(0, len(measurements) - _MAX_MEASUREMENTS),
        job=known.job,
        report=f"configmap:{report}" if report else "",
        findings=_stamp(result.findings, known.findings, generation, now)
        if result and result.findings
        else known.findings,
        begun=known.begun,
        settled=outcome.settled,
        cluster_uid=known.cluster_uid,
    )


def set_conditions(status: RunStatus, findings: Iterable[Finding], generation: int, now: datetime) -> RunStatus:
    """Status with these conditions set; a transition time moves only when a status changes."""
    findings = list(findings)
    named = {finding.type for finding in findings}
    kept = [condition for condition in status.conditions if condition.type not in named]
    conditions = [*_stamp(findings, status.conditions, generation, now), *kept]
    return status.model_copy(update={"conditions": conditions, "observed_generation": generation})


def kind_findings(kind: RunKind, clusters: Sequence[ClusterResult]) -> list[Finding]:
    """The conditions of the kind over all targets: True where every target says so, False where any does not."""
    found = []
    for name in kind.conditions:
        said = [(c.name, f) for c in clusters for f in c.findings if f.type == name]
        if not said:
            found.append(Finding(type=name, status=ConditionStatus.UNKNOWN, reason="NotReached"))
            continue
        order = (ConditionStatus.FALSE, ConditionStatus.UNKNOWN, ConditionStatus.TRUE)
        where, worst_one = min(said, key=lambda item: order.index(item[1].status))
        missing = len(said) < len(clusters) and worst_one.status is ConditionStatus.TRUE
        found.append(
            Finding(
                type=name,
                status=ConditionStatus.UNKNOWN if missing else worst_one.status,
                reason=worst_one.reason,
                message=worst_one.message if len(clusters) == 1 else f"{where}: {worst_one.message}",
            )
        )
    return found


def _message(clusters: Sequence[ClusterResult], verdict: Verdict) -> str:
    if len(clusters) == 1:
        return clusters[0].message
    passed = sum(c.verdict is Verdict.PASSED for c in clusters)
    telling = next((c for c in clusters if c.verdict is verdict), None)
    tail = f"; {telling.name}: {telling.message}" if telling and verdict is not Verdict.PASSED else ""
    return f"{passed} of {len(clusters)} targets passed{tail}"[:1024]


def _passed_finding(
    verdict: Verdict, reason: str, message: str, history: Sequence[HistoryEntry], threshold: FailureThreshold | None
) -> Finding:
    if verdict is Verdict.PASSED:
        return Finding(type="Passed", status=ConditionStatus.TRUE, reason=reason, message=message)
    if verdict is not Verdict.FAILED:
        return Finding(type="Passed", status=ConditionStatus.UNKNOWN, reason=reason, message=message)
    if threshold:
        failed = sum(entry.verdict is Verdict.FAILED for entry in history[: threshold.of])
        if failed < threshold.failures:
            told = f"{failed} of the last {threshold.of} runs failed, fewer than {threshold.failures}; {message}"
            return Finding(type="Passed", status=ConditionStatus.TRUE, reason="BelowThreshold", message=told)
    return Finding(type="Passed", status=ConditionStatus.FALSE, reason=reason, message=message)


def _rates(history: Sequence[HistoryEntry]) -> tuple[str, str]:
    if not history:
        return "", ""
    passed = sum(entry.verdict is Verdict.PASSED for entry in history)
    flips = sum(a.verdict is not b.verdict for a, b in pairwise(history))
    flip_rate = f"{100 * flips / (len(history) - 1):.0f}%" if len(history) > 1 else ""
    return f"{100 * passed / len(history):.0f}%", flip_rate


def finish(
    resource: RunResource,
    clusters: Sequence[ClusterResult],
    run: RunRef,
    reason: str,
    now: datetime,
    message: str = "",
) -> RunStatus:
    """The status of a resource whose run has ended in every target.

    ``reason`` is that of an early end, else empty: the reason of the worst target is told.
    """
    status, spec = resource.status, resource.spec
    entry = _history_entry(run, clusters, now)
    history = [entry, *status.history]
    threshold = spec.failure_threshold if spec else None
    kept = history[: max(spec.history_limit if spec else 10, threshold.of if threshold else 0)]
    kept = with_figures(kept)
    pass_rate, flip_rate = _rates(kept)
    passed = sum(c.verdict is Verdict.PASSED for c in clusters)
    ended = status.model_copy(
        update={
            "clusters": list(clusters),
            "history": kept,
            "last_run": run.model_copy(update={"finished_at": now, "ended_by": reason}),
            "score": entry.score,
            "pass_rate": pass_rate,
            "expected_false_alarms": expected_false_alarms(spec, now) if spec else "",
            "flip_rate": flip_rate,
            "cluster_summary": f"{passed}/{len(clusters)}",
            "report": next((c.report for c in clusters if c.report), ""),
        }
    )
    return _concluded(resource, ended, message, history, now)


def recall(resource: RunResource, now: datetime) -> RunStatus:
    """Status as the last run left it: what was said of a spec that was wrong since then has no bearing any more."""
    status, run = resource.status, resource.status.last_run
    assert run is not None  # without a run there is nothing to recall
    history = status.history
    if not history or history[0].id != run.id:
        history = [_history_entry(run, status.clusters, run.finished_at or now), *history]
    message = "" if status.clusters else "no TargetCluster was found for it"
    return _concluded(resource, status.model_copy(update={"score": history[0].score}), message, history, now)


def retold(resource: RunResource, clusters: Sequence[ClusterResult], now: datetime) -> RunStatus:
    """Status after its run, with what was seen of the targets since: the verdict stays."""
    status, run = resource.status, resource.status.last_run
    assert run is not None  # without a run there is nothing that could be seen since
    told = _message(clusters, status.verdict or Verdict.INCONCLUSIVE)
    findings = [_complete(run, told), *kind_findings(resource.kind, clusters)]
    later = status.model_copy(update={"clusters": list(clusters), "message": told[:1024]})
    later = set_conditions(later, findings, ran_generation(resource), now)
    return fit(later.model_copy(update={"observed_generation": status.observed_generation}))


def _history_entry(run: RunRef, clusters: Sequence[ClusterResult], finished_at: datetime) -> HistoryEntry:
    verdict = worst(c.verdict for c in clusters if c.verdict)
    points = score(verdict, [m for c in clusters for m in c.measurements])
    return HistoryEntry(
        id=run.id,
        verdict=verdict,
        score=points,
        started_at=run.started_at,
        finished_at=finished_at,
        figures=figures_of(clusters),
    )


def _complete(run: RunRef, message: str) -> Finding:
    reason = run.ended_by or "Finished"
    return Finding(type="Complete", status=ConditionStatus.TRUE, reason=reason, message=message)


def _concluded(
    resource: RunResource,
    status: RunStatus,
    message: str,
    history: Sequence[HistoryEntry],
    now: datetime,
) -> RunStatus:
    """Verdict, message and conditions from what the targets said."""
    clusters, run = status.clusters, status.last_run
    assert run is not None  # it has just ended, or is recalled
    verdict = worst(c.verdict for c in clusters if c.verdict)
    told = message or _message(clusters, verdict)
    why = next((c.reason for c in clusters if c.verdict is verdict), run.ended_by or "NoTargets")
    # What may still be there is no failure that a threshold could forgive.
    settled = all(entry.settled for entry in clusters)
    threshold = resource.spec.failure_threshold if resource.spec and settled else None
    findings = [
        _complete(run, told),
        _passed_finding(verdict, why, told, history, threshold),
        *kind_findings(resource.kind, clusters),
        *reacted_findings(resource, clusters),
    ]
    ended = status.model_copy(update={"verdict": verdict, "message": told[:1024]})
    return fit(set_conditions(ended, findings, ran_generation(resource), now))


def ran_generation(resource: RunResource) -> int:
    """Generation of the spec that the last run has run: one that was changed meanwhile is not what it speaks of."""
    status = resource.status
    return (status.last_run and status.last_run.generation) or status.observed_generation or resource.meta.generation


def fit(status: RunStatus) -> RunStatus:
    """The status cut to what an object should hold: the worst measurements of each target stay longest."""
    for cut in _CUTS:
        fitted = status.model_copy(update={"clusters": [_cut(entry, cut) for entry in status.clusters]})
        if len(fitted.model_dump_json(by_alias=True, exclude_none=True).encode()) <= _MAX_STATUS_BYTES:
            return fitted
    return fitted.model_copy(update={"history": [entry.model_copy(update={"figures": []}) for entry in fitted.history]})


def _cut(entry: ClusterResult, cut: _Cut) -> ClusterResult:
    findings = [f.model_copy(update={"message": f.message[: cut.text]}) for f in entry.findings] if cut.findings else []
    return entry.model_copy(
        update={
            "measurements": entry.measurements[: cut.measurements],
            "omitted": entry.omitted + max(0, len(entry.measurements) - cut.measurements),
            "message": entry.message[: cut.text],
            "findings": findings,
            "report": entry.report if cut.findings else "",
        }
    )
