"""The report of an experiment: what status has no room for."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from firedrill.api.changes import Change, ChangeState
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.record import Record
from firedrill.engines.chaos.rounds import Round
from firedrill.engines.chaos.samples import Sample
from firedrill.runner.precheck import Targets

Object = dict[str, Any]


def asked_for(spec: ChaosExperimentSpec) -> Object:
    """The steady state, and the fault or the steps."""
    found: Object = {"steadyState": spec.steady_state.to_wire()}
    if spec.steps:
        return {**found, "steps": [step.to_wire() for step in spec.steps]}
    return {**found, "fault": spec.fault.to_wire()}


def sampled(samples: Sequence[Sample], started_at: datetime) -> Object:
    """Every answer of a probe."""
    return {
        "columns": ["secondsSinceStart", "secondsTaken", "good", "detail"],
        "rows": [
            [round((s.at - started_at) / timedelta(seconds=1), 3), round(s.seconds, 4), s.ok, s.detail] for s in samples
        ],
    }


def aimed_at(found: Mapping[str, Targets]) -> Object:
    """The pods that were chosen, by step; of an experiment with one fault, without a name."""
    told: Object = {
        name: {
            "matching": [pod.key for pod in targets.matching],
            "selected": [{"pod": pod.key, "uid": pod.uid, "node": pod.node} for pod in targets.selected],
        }
        for name, targets in found.items()
    }
    return {"targets": told[""]} if "" in told else {"targetsOfSteps": told}


def repeated(rounds: Sequence[Round]) -> Object:
    """The times of each repetition, in seconds."""
    return {
        "columns": ["timeToInject", "timeToDetect", "recoveryTime", "selfHealingTime", "requests", "good"],
        "rows": [
            [
                _rounded(each.injection_seconds),
                _rounded(each.detection_seconds),
                _rounded(each.recovery_seconds),
                _rounded(each.healing_seconds),
                each.during.count,
                each.during.good,
            ]
            for each in rounds
        ],
    }


def would_change(planned: Sequence[Change]) -> list[Object]:
    """What a run that changes nothing would change; what objects hold is left out, as it is of a record."""
    wire: list[Object] = [
        change.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"body"}) for change in planned
    ]
    for change in wire:
        for edit in change.get("edits", ()):
            edit.pop("original", None)
    return wire


def undone_how(record: Record, *, settled: bool) -> str:
    """How it was seen that nothing is left; where it is not settled, what is waited for."""
    lines = [
        f"{change.key}: {change.evidence}"
        for change in record.changes
        if (change.state is ChangeState.UNDONE) == settled
    ]
    more = f"; and {len(lines) - 3} more" if len(lines) > 3 else ""
    return "; ".join(line[:300] for line in lines[:3]) + more


def told(record: Record) -> Object:
    """The record without what objects held and hold: that may be nobody else's business."""
    wire = record.to_wire()
    for change in wire["changes"]:
        change.pop("body", None)
        for edit in change.get("edits", ()):
            edit.pop("original", None)
            edit.pop("value", None)
    return wire


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
