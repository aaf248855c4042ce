"""What a decision is made from: the resource and what is seen of its runs in the targets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from firedrill.api.ondrift import Reacted
from firedrill.api.record import Control, Record
from firedrill.api.resource import RunResource, Target
from firedrill.api.run import ClusterResult
from firedrill.api.simulation_status import SimulationState
from firedrill.api.task import Result
from firedrill.core.requester import Requester
from firedrill.core.workload import Look


class JobPhase(StrEnum):
    """Where a Job stands."""

    ACTIVE = "Active"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True)
class JobView:
    """What is seen of a Job."""

    name: str
    uid: str
    phase: JobPhase
    message: str = ""
    #: Whether a pod of it is there and ready.
    running: bool = False


@dataclass(frozen=True)
class RecordView:
    """The record of a run; ``record`` is None where the operator created it to fence the run, or it is unreadable."""

    record: Record | None
    control: Control
    #: It holds something that this version does not understand: whether all is undone can not be told.
    unreadable: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing of the run is left to undo, and nothing can be changed by it any more."""
        if self.unreadable:
            return False
        if self.record is None:
            return bool(self.control.abort)
        return self.record.state.settled


@dataclass(frozen=True)
class RunObjects:
    """The objects of one run in one target.

    Jobs and ConfigMaps are watched apart, and one watch may be behind the other: what one of them shows is there, what
    none shows may only not be seen yet.
    """

    job: JobView | None = None
    guardian: JobView | None = None
    has_task: bool = False
    result: Result | None = None
    record: RecordView | None = None
    #: What is seen of what the resource has built; it belongs to no run.
    state: SimulationState | None = None
    #: A run of the resource that acted on drift; it outlives that run, and stands apart from it.
    reaction: Reacted | None = None
    #: All of this was read at one moment, and nothing new was seen since: what is missing here is not there.
    confirmed: bool = False


NOTHING = RunObjects()


@dataclass(frozen=True)
class TargetView:
    """A target and the objects of the resource in it, by the name of the run's Job.

    ``reachable`` means that the view is complete: the watches have listed everything and are alive.
    """

    target: Target
    reachable: bool
    message: str = ""
    runs: Mapping[str, RunObjects] = field(default_factory=dict)
    #: Which cluster this is, whatever address leads to it.
    cluster_uid: str = ""

    def elsewhere(self, where: str) -> "TargetView":
        """The target as one out of reach, as its TargetCluster leads to ``where``: nothing seen of it counts."""
        message = f"TargetCluster {self.target.name} leads to {where}"
        return replace(self, reachable=False, message=message, runs={})


@dataclass(frozen=True)
class Observed:
    """All that a step may look at.

    ``targets`` holds every TargetCluster, reachable or not. ``halted`` is the reason of a hub-wide halt.
    """

    resource: RunResource
    targets: Mapping[str, TargetView]
    halted: str = ""
    #: Who asked for what the resource says now, as admission has seen it; None where it has not.
    requester: Requester | None = None
    #: What is seen of the workload of ``spec.onRollout``, by target; absent where nobody has looked yet.
    workloads: Mapping[str, Look] = field(default_factory=dict)

    def view_of(self, known: ClusterResult) -> TargetView | None:
        """The target of an entry; out of reach where its TargetCluster leads elsewhere than when the run was begun."""
        view = self.targets.get(known.name)
        if view is None or not known.job or not view.reachable:
            return view
        namespace = known.job.partition("/")[0]
        if namespace != view.target.spec.runner_namespace:
            other = f"namespace {view.target.spec.runner_namespace}, and the run was begun in {namespace}"
        elif known.cluster_uid and known.cluster_uid != view.cluster_uid:
            other = f"another cluster ({view.cluster_uid}) than the run was begun in ({known.cluster_uid})"
        else:
            return view
        return view.elsewhere(other)


@dataclass(frozen=True)
class RunContext:
    """The run that goes on, and when each of its limits is reached."""

    run_id: str
    started_at: datetime
    deadline: datetime
    mutates: bool
    #: Why the run has to end early, as one word; empty to let it go on.
    ending: str = ""
    #: What a person said of that.
    ending_note: str = ""

    @property
    def ending_told(self) -> str:
        """The end with what was said of it, as ``Word: text``."""
        return f"{self.ending}: {self.ending_note}" if self.ending_note else self.ending
