"""What is started when data has drifted: what earlier runs mean for it, and how it is told.

A run that acts says so by a ConfigMap in the target before it does. That ConfigMap outlives the run, its Job and a loss
of its result; it goes when a later one replaces it, or with the resource.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from firedrill.api.driftcheck import DriftCheckSpec
from firedrill.api.ondrift import REACTED, Earlier, Reacted
from firedrill.api.resource import RunResource
from firedrill.api.run import ClusterResult, RunStatus
from firedrill.api.verdict import Condition, ConditionStatus, Finding, Verdict
from firedrill.core import naming
from firedrill.core.actions import PublishEvent
from firedrill.core.case import Case
from firedrill.core.observed import TargetView

#: No action could be started: the next run need not wait.
NOTHING_STARTED = "ActionFailed"
#: Of several targets the first of these that any says; then any other.
_TELLING = (NOTHING_STARTED, "PartlyStarted", "Started", "CoolingDown", "BelowThreshold", "TooLate")


@dataclass(frozen=True)
class Known:
    """What a run is told of earlier ones, and the ConfigMaps of those that count no more."""

    earlier: Earlier = field(default_factory=Earlier)
    spent: tuple[str, ...] = ()


def earlier_of(case: Case) -> Known:
    """What earlier runs mean for what this one may start in its target."""
    spec = case.resource.spec
    if not isinstance(spec, DriftCheckSpec) or spec.on_drift is None or case.view is None:
        return Known()
    found = {f"{name}-reaction": each.reaction for name, each in case.view.runs.items() if each.reaction is not None}
    counting = {name: each for name, each in found.items() if not _in_vain(case.resource, case.view, each)}
    last = max(counting, key=lambda name: counting[name].at, default="")
    threshold = spec.failure_threshold
    looked_at = case.resource.status.history[: threshold.of - 1] if threshold else []
    failed = sum(entry.verdict is Verdict.FAILED for entry in looked_at)
    return Known(
        Earlier(reacted=counting.get(last), failed=failed), tuple(sorted(name for name in found if name != last))
    )


def _in_vain(resource: RunResource, view: TargetView, reacted: Reacted) -> bool:
    """Whether the result of a run says that nothing could be started."""
    meta = resource.meta
    job = naming.job_name(resource.kind.name, meta.name, meta.uid, reacted.run_id, view.target.name)
    result = view.runs[job].result if job in view.runs else None
    return result is not None and any(f.type == REACTED and f.reason == NOTHING_STARTED for f in result.findings)


def without_reacted(status: RunStatus) -> RunStatus:
    """Status at the start of a run: what an earlier one has started is told by its Events."""
    kept = [condition for condition in status.conditions if condition.type != REACTED]
    return status.model_copy(update={"conditions": kept})


def reacted_findings(resource: RunResource, clusters: Sequence[ClusterResult]) -> list[Finding]:
    """The condition over all targets, by the one that says most; none without onDrift."""
    spec = resource.spec
    if not isinstance(spec, DriftCheckSpec) or spec.on_drift is None:
        return []
    said = _said(clusters)
    if not said:
        why = "no run came so far that it is known whether data has drifted"
        return [Finding(type=REACTED, status=ConditionStatus.FALSE, reason="NotReached", message=why)]
    order = {reason: place for place, reason in enumerate(_TELLING)}
    where, telling = min(said, key=lambda each: order.get(each[1].reason, len(order)))
    message = telling.message if len(clusters) == 1 else f"{where}: {telling.message}"
    return [Finding(type=REACTED, status=telling.status, reason=telling.reason, message=message)]


def told_reactions(clusters: Sequence[ClusterResult]) -> tuple[PublishEvent, ...]:
    """An Event for each target in which something was started, or could not be."""
    acted = [(where, each) for where, each in _said(clusters) if each.reason in _TELLING[:3]]
    return tuple(
        PublishEvent(f"OnDrift{each.reason}", f"{where}: {each.message}", warning=each.reason != "Started")
        for where, each in acted
    )


def _said(clusters: Sequence[ClusterResult]) -> list[tuple[str, Condition]]:
    return [(entry.name, each) for entry in clusters for each in entry.findings if each.type == REACTED]
