"""Which pods are hit: a function of the target, the seed, the pods and their nodes alone."""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence

from firedrill.api.target import PodTarget, TargetMode
from firedrill.engines.chaos import labels
from firedrill.engines.chaos.views import PodView

#: Labels of nodes, by the node's name.
NodeLabels = Mapping[str, Mapping[str, str]]


def matching(target: PodTarget, pods: Sequence[PodView], nodes: NodeLabels) -> list[PodView]:
    """The pods that meet every part of the target that is given. ``nodes`` is asked for nodeLabels alone."""
    selector = labels.selector_of(target)
    return [
        pod
        for pod in pods
        if pod.phase == target.phase
        and not pod.deleting
        and labels.meets(pod.labels, selector)
        and (not target.names or pod.name in target.names)
        and (target.owner is None or _is_of(pod, target.owner.kind, target.owner.name))
        and (not target.nodes or pod.node in target.nodes)
        and (not target.node_labels or target.node_labels.items() <= nodes.get(pod.node, {}).items())
    ]


def describe(target: PodTarget) -> str:
    """What a pod must be to match, in words."""
    parts = []
    if terms := labels.query(labels.selector_of(target)):
        parts.append(f"has labels {terms}")
    if target.names:
        parts.append(f"is named {', '.join(target.names)}")
    if target.owner:
        parts.append(f"belongs to {target.owner.kind} {target.owner.name}")
    if target.nodes:
        parts.append(f"runs on node {', '.join(target.nodes)}")
    if target.node_labels:
        terms = ",".join(f"{key}={value}" for key, value in sorted(target.node_labels.items()))
        parts.append(f"runs on a node with labels {terms}")
    return " and ".join(parts)


def wanted(target: PodTarget, matching: int) -> int:
    """How many of ``matching`` pods the target asks for; a percentage is rounded up, so that it hits something."""
    if matching == 0:
        return 0
    # Exact in integers: ceil of a float product gives one pod too many now and then.
    share = -(-matching * (target.value or 0) // 100)
    counts = {
        TargetMode.ONE: 1,
        TargetMode.ALL: matching,
        TargetMode.FIXED: target.value or 0,
        TargetMode.PERCENT: share,
        TargetMode.RANDOM: 1 + int.from_bytes(_rank(target.seed, "how many")) % max(1, share),
    }
    return min(counts[target.mode], matching)


def select(target: PodTarget, matching: Sequence[PodView]) -> list[PodView]:
    """The pods that are hit, by name.

    Each pod has a rank by seed and name, so the choice does not depend on the order of a list, and one pod more
    or less changes it by at most one (but for Random, whose number then may be another).
    """
    ranked = sorted(matching, key=lambda pod: (_rank(target.seed, pod.name), pod.name))
    return sorted(ranked[: wanted(target, len(matching))], key=lambda pod: pod.name)


def newcomers(
    target: PodTarget, matching: Sequence[PodView], hit: Collection[str], taken: Collection[str] = ()
) -> list[PodView]:
    """The pods that a fault which is on is to be brought to, by name.

    With mode All these are all that are not ``hit`` yet, else as many as are needed to have as many under the fault as
    the target asks for. Pods are given by their UIDs; those ``taken`` are hit by something else.
    """
    alive = sum(1 for pod in matching if pod.uid in hit)
    free = [pod for pod in matching if pod.uid not in hit and pod.uid not in taken]
    room = max(0, wanted(target, len(matching)) - alive)
    ranked = sorted(free, key=lambda pod: (_rank(target.seed, pod.name), pod.name))
    return sorted(ranked[:room], key=lambda pod: pod.name)


def allowed(matching: int, max_affected_percent: int) -> int:
    """The most pods that may be hit of ``matching``; a single one always may."""
    return max(1, math.floor(matching * max_affected_percent / 100)) if matching else 0


def _is_of(pod: PodView, kind: str, name: str) -> bool:
    if pod.owner is None:
        return False
    if (pod.owner.kind, pod.owner.name) == (kind, name):
        return True
    # A ReplicaSet of a Deployment is named after it and the hash that its pods carry as a label.
    hashed = pod.labels.get("pod-template-hash", "")
    return kind == "Deployment" and pod.owner.kind == "ReplicaSet" and pod.owner.name == f"{name}-{hashed}"


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()
