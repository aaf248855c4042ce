"""Changes without the values that they change: a record may hold these, and the values are kept elsewhere."""

import json
from typing import Any, Final, TypeVar

from firedrill.api.changes import Change, Edit, ObjectCreated, ObjectDeleted, ObjectEdited, PasswordChanged, VaultRef

#: What can be told apart from its values.
SEALABLE: Final = (ObjectEdited, ObjectDeleted, ObjectCreated, PasswordChanged)
Sealable = TypeVar("Sealable", ObjectEdited, ObjectDeleted, ObjectCreated, PasswordChanged)


def values_of(change: Change) -> bytes:
    """All that a change holds of an object, to be kept."""
    match change:
        case ObjectEdited():
            values: Any = [[each.original, each.value] for each in change.edits]
        case ObjectDeleted() | ObjectCreated():
            values = change.body
        case PasswordChanged():
            values = [change.original, change.value]
        case _:
            raise TypeError(f"{change.type} holds nothing that could be left out")
    return json.dumps(values, separators=(",", ":")).encode()


def sealed(change: Change, ref: VaultRef) -> Change:
    """The change without values, and with the place where they are kept."""
    match change:
        case ObjectEdited():
            return change.model_copy(update={"edits": [_bare(each) for each in change.edits], "kept_in": ref})
        case ObjectDeleted() | ObjectCreated():
            return change.model_copy(update={"body": {}, "kept_in": ref})
        case PasswordChanged():
            return change.model_copy(update={"original": "", "value": "", "kept_in": ref})
    raise TypeError(f"{change.type} holds nothing that could be left out")


def opened(change: Change, values: bytes) -> Change:
    """The change with the values that were kept for it."""
    held = json.loads(values)
    match change:
        case ObjectEdited():
            pairs = zip(change.edits, held, strict=True)
            edits = [each.model_copy(update={"original": before, "value": after}) for each, (before, after) in pairs]
            return change.model_copy(update={"edits": edits})
        case ObjectDeleted() | ObjectCreated():
            return change.model_copy(update={"body": held})
        case PasswordChanged():
            return change.model_copy(update={"original": held[0], "value": held[1]})
    raise TypeError(f"{change.type} holds nothing that could be left out")


def _bare(edit: Edit) -> Edit:
    return edit.model_copy(update={"original": None, "value": None})
