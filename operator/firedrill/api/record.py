"""The record of a run that changes something: written before the change, in Firedrill's own namespace.

Runner, guardian and operator meet here. Runner and guardian write ``record.json`` under the resourceVersion
they have read; the operator writes ``control.json`` alone. Whoever creates the ConfigMap first has decided: a
record that the operator created to cancel a run can not be claimed any more.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from firedrill.api.base import LenientModel, Time
from firedrill.api.changes import Change, ChangeState, clipped


class RecordState(StrEnum):
    """Where the changes of a run stand. Settled states: Undone, Kept."""

    PREPARED = "Prepared"
    #: Changes may be in place from here on.
    APPLYING = "Applying"
    APPLIED = "Applied"
    UNDOING = "Undoing"
    #: Seen: nothing of ours remains.
    UNDONE = "Undone"
    #: A fix that was verified stays; all else of the run is undone.
    KEPT = "Kept"

    @property
    def begun(self) -> bool:
        """Whether changes may have been made."""
        return self is not RecordState.PREPARED

    @property
    def settled(self) -> bool:
        """Whether nothing is left to undo."""
        return self in (RecordState.UNDONE, RecordState.KEPT)


class GuardianView(LenientModel):
    """What the guardian has shown of itself."""

    pod_uid: str
    node: str
    armed_at: Time
    permitted: bool
    message: str = ""
    changes: int = Field(default=0, description="How many changes of the record it has looked at.")


class Record(LenientModel):
    """What a run is about to change, has changed, and has changed back."""

    uid: str
    run_id: str
    cluster: str
    kind: str
    claim: str = Field(description="UID of the only pod that may carry out the changes.")
    state: RecordState = RecordState.PREPARED
    deadline: Time = Field(description="The guardian undoes what is left at this time.")
    changes: list[Change] = Field(default_factory=list)
    guardian: GuardianView | None = None
    applied_at: Time | None = None
    undone_at: Time | None = None
    undone_by: str = Field(default="", description="runner, guardian or sweeper.")
    message: Annotated[str, clipped(2048)] = ""
    residues: list[str] = Field(default_factory=list, description="What can not be removed, such as spent containers.")
    proposal: str = Field(default="", description="Hash of the proposal that waits for approval.")
    awaiting_approval: bool = False

    @property
    def kept_evidence(self) -> str:
        """How the changes that stay were seen to hold."""
        return "; ".join(change.evidence for change in self.changes if change.state is ChangeState.KEPT)

    def to_wire(self) -> dict[str, Any]:
        """JSON-ready dictionary with defaults: the type of a change is one, and must be read back."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Control(LenientModel):
    """What the operator asks of runner and guardian."""

    abort: str = Field(default="", description="Reason to stop and undo at once; empty to go on.")
    approved: str = Field(default="", description="Hash of the proposal that was approved.")
    approved_by: str = Field(default="", description="Who approved, as far as it is known.")
