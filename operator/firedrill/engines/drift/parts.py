"""From sampled rows to the tests of the whole table."""

from dataclasses import dataclass, field
from typing import Any

from firedrill.engines.drift import concept, joint
from firedrill.engines.drift.asked import Asked
from firedrill.engines.drift.labels import labels_of
from firedrill.engines.drift.matrix import Sampled, encode
from firedrill.engines.drift.whole import WholeTest, concept_test, joint_test


@dataclass(frozen=True)
class Parts:
    """What was kept of the tables beside the single columns.

    ``features`` and ``labels`` hold the sampled rows; ``outcomes`` target, prediction and score of all rows.
    """

    features: tuple[Sampled, ...] = ()
    labels: tuple[Any, Any] | None = None
    outcomes: dict[str, tuple[Any, Any]] = field(default_factory=dict)


def whole_tests(asked: Asked, parts: Parts, instead: str) -> list[WholeTest]:
    """Joint drift where it is enabled, concept drift where there is a target; ``instead`` is why neither can be
    looked for."""
    limits = asked.thresholds
    reason = instead or ("DependentRows" if asked.rows.dependent else "")
    tests: list[WholeTest] = []
    matrix = encode(parts.features) if not reason else None
    if asked.joint.enabled:
        # One column by itself has its own test already.
        reason_joint = reason or ("OneColumn" if len(parts.features) < 2 else "")
        found = joint.find(matrix, limits.significance) if matrix is not None and not reason_joint else None
        tests.append(joint_test(found, limits.min_joint_auc, reason_joint or "TooFewRows"))
    if asked.target is not None:
        tests.append(_concept(asked, parts, matrix, reason))
    return tests


def _concept(asked: Asked, parts: Parts, matrix: Any, reason: str) -> WholeTest:
    limit = asked.thresholds.min_loss_change
    if matrix is None or parts.labels is None:
        return concept_test(concept.undecided(reason, (0, 0)), None, limit)
    asked_type = next((each.type for each in asked.columns.settings if each.name == asked.target), None)
    labels = labels_of(*parts.labels, asked_type)
    return concept_test(concept.find(matrix, labels.labels, limit), labels, limit)
