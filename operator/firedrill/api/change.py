"""What all that a run may change has in common."""

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from firedrill.api.base import LenientModel, Time


def clipped(limit: int) -> BeforeValidator:
    """Cut longer text instead of refusing it: evidence must never make a record unreadable."""
    return BeforeValidator(lambda value: value[:limit] if isinstance(value, str) else value)


class ChangeState(StrEnum):
    """Where one change stands."""

    #: Added to a record that is in use; not to be carried out before it is Planned.
    LISTED = "Listed"
    PLANNED = "Planned"
    APPLIED = "Applied"
    UNDONE = "Undone"
    KEPT = "Kept"


class VaultRef(LenientModel):
    """Where a value is kept that a record must not hold: a key of a Secret in Firedrill's namespace."""

    namespace: str
    secret: str
    key: str


class ChangeBase(LenientModel):
    """One object that a run changes, with what is needed to change it back."""

    state: ChangeState = ChangeState.PLANNED
    namespace: str
    name: str
    uid: str = ""
    step: str = Field(default="", description="The step it belongs to; with its number where a run repeats it.")
    applied_at: Time | None = Field(default=None, description="When the change took effect.")
    kept_in: VaultRef | None = Field(
        default=None, description="Where the values are that this change leaves out: what it held and is to hold."
    )
    evidence: Annotated[str, clipped(1024)] = Field(default="", description="How the last state was seen.")

    @property
    def key(self) -> str:
        """namespace/name; the name alone of what is in no namespace."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name
