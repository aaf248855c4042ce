"""Faults of nodes."""

from typing import ClassVar

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


class NodeTaint(FaultModel):
    """A taint that nobody tolerates, for new pods.

    None that evicts: it would hit all pods of a node, whatever namespace they are in and whether it takes part or not.
    """

    about: ClassVar[About] = About(
        Family.NODE,
        Hits.NODES,
        "taints the nodes of the chosen pods, so that they take no new ones",
        "the taint is taken away and seen gone",
        "the probe alone: a taint hurts when a pod is to be replaced",
    )
