"""The one setting of the whole machine that a lab needs raised: how many inotify instances a user has.

Several kubelets, containerds and API servers on one machine need more than the usual 128. The first lab
that raises it notes the old value below /run, which is emptied when the setting is lost too: at a restart
of the machine. The last lab that goes puts it back.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ValidationError

from firedrill.lab.native.host import INOTIFY_INSTANCES, INOTIFY_WANTED

NOTE = Path("/run/firedrill-lab-settings.json")


class Note(BaseModel):
    """The value before, and the ids of the labs that need the raised one."""

    before: int
    labs: list[str]


def _read() -> Note | None:
    try:
        return Note.model_validate(json.loads(NOTE.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, ValidationError):
        return None


def raise_for(lab_id: str) -> None:
    """Raise the setting if it is low, and note that this lab needs it."""
    note = _read()
    current = int(INOTIFY_INSTANCES.read_text(encoding="utf-8"))
    if note is None:
        if current >= INOTIFY_WANTED:
            return
        note = Note(before=current, labs=[])
    NOTE.write_text(Note(before=note.before, labs=sorted({*note.labs, lab_id})).model_dump_json(), encoding="utf-8")
    if current < INOTIFY_WANTED:
        INOTIFY_INSTANCES.write_text(str(INOTIFY_WANTED), encoding="utf-8")


def restore_for(lab_id: str) -> None:
    """This lab goes: put the setting back if no other lab needs it and nobody changed it since."""
    note = _read()
    if note is None:
        return
    remaining = [other for other in note.labs if other != lab_id]
    if remaining:
        NOTE.write_text(note.model_copy(update={"labs": remaining}).model_dump_json(), encoding="utf-8")
        return
    if int(INOTIFY_INSTANCES.read_text(encoding="utf-8")) == INOTIFY_WANTED:
        INOTIFY_INSTANCES.write_text(str(note.before), encoding="utf-8")
    NOTE.unlink()
