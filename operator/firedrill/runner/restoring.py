"""What a record must say when it is written again after somebody deleted it.

Whoever writes it again saw it last a moment ago, and the runner may have gone on since. So all that it lists counts as
done, or as being done: undoing then looks at the things themselves instead of trusting what the record says of them.
"""

from datetime import datetime, timedelta
from typing import Final, assert_never

from firedrill.api.changes import (
    Change,
    ChangeState,
    DataTouched,
    EngineStarted,
    FisStarted,
    GrantsRevoked,
    GroupJoined,
    HeldInPod,
    NamespaceCreated,
    NodeCutOff,
    ObjectCreated,
    ObjectDeleted,
    ObjectEdited,
    PacketsDropped,
    PasswordChanged,
    PodDeleted,
    RequestsSent,
    SessionsHeld,
    TemplateReplaced,
    ToolkitStarted,
)
from firedrill.api.record import Record, RecordState
from firedrill.runner.faults.nodepods import STARTS_WITHIN, kernel_ends

#: Clocks of two nodes may differ by so much.
_SKEW: Final = timedelta(seconds=5)
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
    planned: dict[str, object] = {"state": ChangeState.PLANNED, "not_after": now + _LATEST_START}
    match change:
        case NamespaceCreated():
            return change
        case TemplateReplaced():
            return change.model_copy(update={"state": ChangeState.APPLIED})
        case PacketsDropped() | HeldInPod():
            return change.model_copy(update=planned | {"expires_at": None})
        case RequestsSent():
            ends_at = change.ends_at or now + _LATEST_START + timedelta(seconds=change.seconds) + _SKEW
            return change.model_copy(update=planned | {"ends_at": ends_at})
        case NodeCutOff():
            return change.model_copy(update=planned | _times(change, now))
        case (
            PodDeleted()
            | ObjectEdited()
            | ObjectCreated()
            | ObjectDeleted()
            | ToolkitStarted()
            | EngineStarted()
            | SessionsHeld()
            | GrantsRevoked()
            | PasswordChanged()
            | GroupJoined()
            | DataTouched()
            | FisStarted()
        ):
            return change.model_copy(update=planned)
        case _:
            assert_never(change)


def _times(change: NodeCutOff, now: datetime) -> dict[str, object]:
    """Those that the runner has told its pod; where nobody saw them, the latest that it can have told."""
    inject_by = change.inject_by or now + _LATEST_START + STARTS_WITHIN
    return {"inject_by": inject_by, "expires_at": kernel_ends(inject_by, change.seconds)}
