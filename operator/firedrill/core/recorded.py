"""What a record alone shows of a run: the conditions until there is a result, and beside one.

A result has seen more, so what it says stands. The probe has the word on recovery: a record shows that a fault was
undone by its own proof, never that the system has recovered from it. The one exception is an engine of others whose own
hypothesis was asked after it had rolled back.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from firedrill.api.changes import ToolkitStarted
from firedrill.api.kinds import AUTO_FIX, RunKind
from firedrill.api.record import Record, RecordState
from firedrill.api.run import ClusterResult
from firedrill.api.verdict import Condition, ConditionStatus, Finding


def recorded(kind: RunKind, record: Record, known: ClusterResult, generation: int, now: datetime) -> list[Condition]:
    """The conditions of an entry, with what the record adds to those that it has."""
    before = {condition.type: condition for condition in known.findings}
    found = _fix(record, before) if kind.name == AUTO_FIX.name else _chaos(record, before)
    added = [_stamped(finding, before, generation, now) for finding in found]
    replaced = {condition.type for condition in added}
    return [*(condition for condition in known.findings if condition.type not in replaced), *added]


def _chaos(record: Record, before: Mapping[str, Condition]) -> Iterable[Finding]:
    if record.state in (RecordState.PREPARED, RecordState.APPLYING):
        return
    # A runner may have died between its first change and the mark that all are in place.
    injected = record.applied_at is not None or any(change.applied_at for change in record.changes)
    if not injected and record.state is RecordState.UNDONE:
        return
    if "Injected" not in before:
        message = f"{len(record.changes)} object(s) changed"
        yield Finding(type="Injected", status=ConditionStatus.TRUE, reason="Injected", message=message)
    verified = before.get("RecoveryVerified")
    if record.state is RecordState.UNDONE and (verified is None or verified.status is ConditionStatus.FALSE):
        evidence = "; ".join(change.evidence for change in record.changes if change.evidence)[:900]
        own_word = [isinstance(change, ToolkitStarted) and change.verified for change in record.changes]
        if own_word and all(own_word):
            yield Finding(
                type="RecoveryVerified", status=ConditionStatus.TRUE, reason="HypothesisMet", message=evidence
            )
            return
        yield Finding(
            type="RecoveryVerified",
            status=ConditionStatus.UNKNOWN,
            reason="UndoneNotProbed",
            message=f"undone by the {record.undone_by or 'runner'}, and no probe has confirmed it: {evidence}",
        )


def _fix(record: Record, before: Mapping[str, Condition]) -> Iterable[Finding]:
    if record.state is not RecordState.KEPT:
        return
    evidence = record.kept_evidence[:900]
    for name in ("Applied", "Verified"):
        if name not in before or before[name].status is ConditionStatus.UNKNOWN:
            yield Finding(type=name, status=ConditionStatus.TRUE, reason=name, message=evidence)


def _stamped(finding: Finding, before: Mapping[str, Condition], generation: int, now: datetime) -> Condition:
    old = before.get(finding.type)
    since = old.last_transition_time if old and old.status is finding.status else now
    return Condition(**finding.model_dump(), observed_generation=generation, last_transition_time=since)
