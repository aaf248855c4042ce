"""Faults of nodes."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from firedrill.api.faults.about import About, Family, FaultModel, Hits


class NodeCordon(FaultModel):
    """Nodes that take no new pods."""

    about: ClassVar[About] = About(
        Family.NODE,
        Hits.NODES,
        "marks the nodes of the chosen pods unschedulable",
        "the mark is taken away where it still is ours",
        "the probe alone: a cordon hurts when a pod is to be replaced",
    )


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    NO_EXECUTE = "NoExecute"


class NodeTaint(FaultModel):
    """A taint that nobody tolerates."""

    about: ClassVar[About] = About(
        Family.NODE,
        Hits.NODES,
        "taints the nodes of the chosen pods",
        "the taint is taken away and seen gone",
        "the probe alone, or for NoExecute the pods that are gone",
        "for NoExecute a policy that allows all pods of these nodes to be hit: it evicts every one of them",
    )

    effect: TaintEffect = Field(default=TaintEffect.NO_SCHEDULE, description="NoSchedule or NoExecute.")
