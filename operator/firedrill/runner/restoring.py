"""What a record must say when it is written again after somebody deleted it.

Whoever writes it again saw it last a moment ago, and the runner may have gone on since. So all that it lists counts as
done, or as being done: undoing then looks at the things themselves instead of trusting what the record says of them.
"""

from datetime import datetime, timedelta
from typing import Final

from firedrill.api.changes import (
    Change,
    ChangeState,
    EngineStarted,
    InPod,
    ObjectCreated,
    ObjectDeleted,
    ObjectEdited,
    PodDeleted,
    StoreChange,
    TemplateReplaced,
    ToolkitStarted,
)
from firedrill.api.record import Record, RecordState

#: Longer than any runner takes from planning a change to asking for it.
_LATEST_START: Final = timedelta(seconds=60)


def presumed(last: Record, now: datetime) -> Record:
    """The record to write: as it was last seen, and to be undone."""
    return last.model_copy(
        update={"state": RecordState.UNDOING, "changes": [_presumed(change, now) for change in last.changes]}
    )


def _presumed(change: Change, now: datetime) -> Change:
    if change.state not in (ChangeState.LISTED, ChangeState.PLANNED):
        return change
    match change:
        case TemplateReplaced():
            return change.model_copy(update={"state": ChangeState.APPLIED})
        case (
            PodDeleted()
            | InPod()
            | ObjectEdited()
            | ObjectCreated()
            | ObjectDeleted()
            | ToolkitStarted()
            | EngineStarted()
            | StoreChange()
        ):
            update: dict[str, object] = {"state": ChangeState.PLANNED, "not_after": now + _LATEST_START}
            if isinstance(change, InPod):
                update["expires_at"] = None
            return change.model_copy(update=update)
    return change
