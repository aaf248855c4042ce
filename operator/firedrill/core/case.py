"""One target of a run: what is known of it, what is seen of it, and whether anything may be left to undo there."""

from dataclasses import dataclass
from datetime import datetime

from firedrill.api.meta import ANNOTATION_SETTLED
from firedrill.api.resource import RunResource
from firedrill.api.run import ClusterResult
from firedrill.core.observed import RecordView, RunContext, RunObjects, TargetView
from firedrill.core.requester import Requester


@dataclass(frozen=True)
class Case:
    """One target of a run: what is known of it and what is seen of it."""

    resource: RunResource
    run: RunContext
    known: ClusterResult
    job: str
    view: TargetView | None
    objects: RunObjects
    now: datetime
    #: Whether the run takes away what stands in this target.
    removing: bool = False
    requester: Requester | None = None
    #: Other targets whose end this one waits for, in words; empty where it is its turn.
    waits_for: str = ""
    #: How many pods may be hit here; None without a bound.
    allotment: int | None = None

    @property
    def attempted(self) -> bool:
        """Whether something of the run may ever have been created in the target."""
        return bool(self.known.job)

    @property
    def reachable(self) -> bool:
        """Whether what is seen of the target can be relied on."""
        return self.view is not None and self.view.reachable

    @property
    def changed_something(self) -> bool:
        """Whether something may be left to undo."""
        return self.run.mutates and self.attempted and not self.settled

    @property
    def begun(self) -> bool:
        """Whether the run was ever seen to have begun to change something."""
        result = self.objects.result
        return self.known.begun or shows_begun(self.objects.record) or (result is not None and not result.settled)

    @property
    def settled(self) -> bool:
        """Whether nothing of the run can change the target any more and nothing is left to undo."""
        if not self.run.mutates or not self.attempted or self.known.settled:
            return True
        return self.reachable and settles(self.objects.record, self.begun)

    @property
    def how_to_settle(self) -> str:
        """What a person can do where the machine can not."""
        return (
            f"what was changed in {self.known.name} has not been seen undone: once you have seen to it there,"
            f" annotate with {ANNOTATION_SETTLED}={self.run.run_id}"
        )

    @property
    def beyond_sight(self) -> bool:
        """Whether nobody but a person can tell what is left."""
        return is_beyond_sight(self.view, self.objects.record, self.begun)

    @property
    def seen_to(self) -> bool:
        """Whether a person says that they have seen to what is left."""
        return is_seen_to(self.resource, self.run.run_id)


def is_seen_to(resource: RunResource, run_id: str) -> bool:
    """Whether a person says that they have seen to what a run left."""
    return resource.meta.annotations.get(ANNOTATION_SETTLED) == run_id


def shows_begun(view: RecordView | None) -> bool:
    """Whether a record shows that changes may have been made."""
    return view is not None and (view.unreadable or (view.record is not None and view.record.state.begun))


def settles(view: RecordView | None, begun: bool) -> bool:
    """Whether a record shows that nothing is left; one that only fences the run shows nothing of one that had begun."""
    return view is not None and view.settled and (view.record is not None or not begun)


def is_lost(view: RecordView | None, begun: bool) -> bool:
    """Whether somebody deleted the record of a run that had begun: the guardian writes it again, if it can."""
    return begun and (view is None or (view.record is None and not view.unreadable))


def is_beyond_sight(view: TargetView | None, record: RecordView | None, begun: bool) -> bool:
    """Whether the machine can not see what is left: the target is out of reach, or its record gone or unreadable."""
    return view is None or not view.reachable or is_lost(record, begun) or (record is not None and record.unreadable)
