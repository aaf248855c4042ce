"""Which of the matching pods are hit: a function of the target, the seed and the pods' names alone."""

import hashlib
import math
from collections.abc import Sequence

from firedrill.api.target import PodTarget, TargetMode
from firedrill.engines.chaos.views import PodView


def wanted(target: PodTarget, matching: int) -> int:
    """How many of ``matching`` pods the target asks for; a percentage is rounded up, so that it hits something."""
    if matching == 0:
        return 0
    counts = {
        TargetMode.ONE: 1,
        TargetMode.ALL: matching,
        TargetMode.FIXED: target.value or 0,
        # Exact in integers: ceil of a float product gives one pod too many now and then.
        TargetMode.PERCENT: -(-matching * (target.value or 0) // 100),
    }
    return min(counts[target.mode], matching)


def select(target: PodTarget, matching: Sequence[PodView]) -> list[PodView]:
    """The pods that are hit, by name.

    Each pod has a rank by seed and name, so the choice does not depend on the order of a list, and one pod more
    or less changes it by at most one.
    """
    ranked = sorted(matching, key=lambda pod: (_rank(target.seed, pod.name), pod.name))
    return sorted(ranked[: wanted(target, len(matching))], key=lambda pod: pod.name)


def allowed(matching: int, max_affected_percent: int) -> int:
    """The most pods that may be hit of ``matching``; a single one always may."""
    return max(1, math.floor(matching * max_affected_percent / 100)) if matching else 0


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()
