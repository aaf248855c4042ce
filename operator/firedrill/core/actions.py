"""What a step asks for.

The cluster layer carries out what concerns the hub in order and stops at the first that fails there; what concerns
targets in between, side by side: one that fails holds up no other.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from firedrill.api.ondrift import Earlier
from firedrill.api.record import Control
from firedrill.api.run import RunStatus


@dataclass(frozen=True)
class AddFinalizer:
    """Keep the resource until everything is undone."""


@dataclass(frozen=True)
class RemoveFinalizer:
    """Let the resource go: nothing needs undoing."""


@dataclass(frozen=True)
class WriteStatus:
    """Replace the status, where the resource is unchanged since it was read."""

    status: RunStatus


@dataclass(frozen=True)
class EnsureRun:
    """Create what is missing of a run in a target: Job, guardian where the kind changes something, task."""

    cluster: str
    job: str
    run_id: str
    started_at: datetime
    deadline: datetime
    #: Take away what earlier runs have built, instead of building.
    remove: bool = False
    #: How many pods may be hit in the target; None without a bound over all targets.
    max_affected: int | None = None
    #: What earlier runs mean for what this one may start.
    earlier: Earlier = field(default_factory=Earlier)
    #: ConfigMaps of earlier runs that say nothing any more.
    spent: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetControl:
    """Tell runner and guardian something.

    With ``fence`` a record that is not there is created: the run can not be claimed any more. One that may have been
    claimed, and whose record somebody deleted, must not be fenced: it would look as if nothing had ever been changed.
    """

    cluster: str
    job: str
    run_id: str
    control: Control
    fence: bool = True


@dataclass(frozen=True)
class DeleteRun:
    """Delete the Job of a run that changes nothing, and all that it owns."""

    cluster: str
    job: str


@dataclass(frozen=True)
class Confirm:
    """Read a run in a target anew, all of it: what the watches do not show may be there."""

    cluster: str
    job: str


@dataclass(frozen=True)
class PublishEvent:
    """Tell people by an Event on the resource."""

    reason: str
    message: str
    warning: bool = False


Action = AddFinalizer | RemoveFinalizer | WriteStatus | EnsureRun | SetControl | DeleteRun | Confirm | PublishEvent


@dataclass(frozen=True)
class Decision:
    """Actions in order, and when to look again even if nothing changes."""

    actions: tuple[Action, ...] = ()
    look_again: timedelta | None = None
