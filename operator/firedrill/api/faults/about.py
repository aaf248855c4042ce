"""What is to be known of a fault before anybody uses it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from firedrill.api.base import Model


class Family(StrEnum):
    """What a TargetCluster's policy allows or not. Each family has an identity of its own, with its rights alone."""

    WORKLOAD = "workload"
    CONFIG = "config"
    NODE = "node"
    NETWORK = "network"
    STRESS = "stress"
    CONTROL_PLANE = "controlplane"
    SECRET = "secret"  # noqa: S105 - the name of a family
    CHAOS_TOOLKIT = "chaostoolkit"
    CHAOS_MESH = "chaosmesh"
    LITMUS = "litmus"
    AWS_FIS = "awsfis"
    DATA = "data"


class Hits(StrEnum):
    """What is chosen by an experiment's target, and hit."""

    PODS = "the chosen pods"
    WORKLOADS = "the Deployment, StatefulSet or DaemonSet of each chosen pod, so all pods of it"
    NODES = "the nodes of the chosen pods"
    NAMED = "the named object in the target's namespace"
    NAMESPACE = "the target's namespace"
    CLUSTER = "everybody in the cluster, in whatever namespace: all pods of the target's namespace count"
    ENGINE = "what the engine chooses in the target's namespace: all pods of it count"


@dataclass(frozen=True)
class About:
    """A fault in words: they are the reference documentation, and nothing else says it again.

    ``instant`` is a fault that is an event rather than a state: nothing has to be ended, only its victims come back.
    """

    family: Family
    hits: Hits
    does: str
    undone: str
    proven: str
    needs: str = ""
    instant: bool = False
    #: Seconds that it may take from being asked for to being in place, where that is long.
    starts: int = 0
    #: Seconds that it takes at most, beyond what undoing takes elsewhere, until the end of it can be seen.
    settles: int = 0

    @property
    def follows(self) -> bool:
        """Whether pods that come while it is on can be brought under it: it is a state, and one of each pod."""
        return self.hits is Hits.PODS and not self.instant


class FaultModel(Model):
    """The parameters of one fault."""

    about: ClassVar[About]
