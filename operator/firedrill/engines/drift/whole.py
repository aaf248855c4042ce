"""Tests of the whole table, beside those of single columns: joint drift and concept drift."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from firedrill.engines.drift import concept, joint
from firedrill.engines.drift.labels import LabelsFound


class Part(StrEnum):
    """What is asked of the whole table."""

    JOINT = "joint"
    CONCEPT = "concept"


#: Share of the allowed error that a part gets; the columns share the rest. What is rejected passes its share on.
SHARE: Final = {Part.JOINT: 0.1, Part.CONCEPT: 0.2}
_EFFECT: Final = {Part.JOINT: "AUC", Part.CONCEPT: "change of loss"}
NO_DRIFT: Final = "NoDrift"


@dataclass(frozen=True)
class WholeTest:
    """One test of the whole table. ``reason`` says why it is undecided where ``p_value`` is None."""

    part: Part
    reason: str
    limit: float
    p_value: float | None = None
    effect: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)
    p_adjusted: float | None = None
    drift: bool = False

    def decided(self, p_adjusted: float, significance: float) -> "WholeTest":
        """The test after correction over all."""
        drift = p_adjusted < significance and abs(self.effect) >= self.limit
        reason = ("JointDrift" if self.part is Part.JOINT else "ConceptDrift") if drift else NO_DRIFT
        return replace(self, p_adjusted=p_adjusted, drift=drift, reason=reason)

    @property
    def phrase(self) -> str:
        """What was measured, for people."""
        if self.p_value is None or self.p_adjusted is None:
            return f"{self.part.value} drift undecided ({self.reason})"
        told = f"{self.effect:+.3f}" if self.part is Part.CONCEPT else f"{self.effect:.3f}"
        return f"{_EFFECT[self.part]} {told} (limit {self.limit:g}), adjusted p {self.p_adjusted:.2g}"

    def to_json(self) -> dict[str, Any]:
        """The test as ``firedrill drift -o json`` prints it; drift is never null."""
        return {
            "drift": self.drift,
            "reason": self.reason,
            "p_value": self.p_value,
            "p_adjusted": self.p_adjusted,
            "limit": self.limit,
            **self.details,
        }


def joint_test(found: joint.JointFound | None, limit: float, reason: str = "TooFewRows") -> WholeTest:
    """The joint test, or why there is none."""
    if found is None:
        return WholeTest(Part.JOINT, reason, limit, details={"auc": None, "columns": []})
    columns = [{"name": name, "auc_lost": lost} for name, lost in found.columns]
    details = {"auc": found.auc, "rows": {"reference": found.rows[0], "current": found.rows[1]}, "columns": columns}
    return WholeTest(Part.JOINT, NO_DRIFT, limit, found.p_value, found.auc, details)


def concept_test(found: concept.ConceptFound, labels: LabelsFound | None, limit: float) -> WholeTest:
    """The concept test, with the shift of the labels told beside it."""
    details: dict[str, Any] = {
        "loss_change": found.loss_change if not found.reason else None,
        "loss": {"reference": _finite(found.reference_loss), "current": _finite(found.current_loss)},
        "p_given_features": found.p_given_features if not found.reason else None,
        "p_given_label": found.p_given_label if not found.reason else None,
        "rows": {"reference": found.rows[0], "current": found.rows[1]},
        "label_shift": None,
    }
    if labels is not None:
        details["label_shift"] = {
            "total_variation": labels.shift,
            "p_value": labels.shift_p_value,
            "unseen": labels.unseen,
        }
    if found.reason:
        return WholeTest(Part.CONCEPT, found.reason, limit, details=details)
    return WholeTest(Part.CONCEPT, NO_DRIFT, limit, found.p_value, found.loss_change, details)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
