"""A record as text: what a ConfigMap holds of it. A long one is packed, because a ConfigMap ends at 1 MiB."""

import base64
import gzip
import json
import zlib
from typing import Final

from firedrill.api.record import Record

#: From this length on, text is packed.
PLAIN_BYTES: Final = 128 * 1024
#: What a ConfigMap may hold, with room for its metadata and for what the operator writes beside it.
LARGEST_BYTES: Final = 900 * 1024
_PACKED: Final = "gzip:"
#: How much of the evidence of each change is kept where all of it is too much.
_CLIPPED: Final = (100, 0)


def to_text(record: Record) -> str:
    """The text of a record. Where even the packed one is too long, evidence is cut: it can be missed, the rest not."""
    text = _packed_if_long(record)
    for length in _CLIPPED:
        if len(text) <= LARGEST_BYTES:
            break
        changes = [change.model_copy(update={"evidence": change.evidence[:length]}) for change in record.changes]
        text = _packed_if_long(record.model_copy(update={"changes": changes}))
    return text


def from_text(text: str) -> Record:
    """The record of a text; raises ValueError where it is none."""
    if not text.startswith(_PACKED):
        return Record.model_validate_json(text)
    try:
        plain = gzip.decompress(base64.b64decode(text.removeprefix(_PACKED), validate=True))
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"the packed record is damaged: {error}") from error
    return Record.model_validate_json(plain)


def room_needed(record: Record) -> int:
    """Bytes that a record may come to take once its changes have times and evidence."""
    text = _packed_if_long(record)
    # Times and evidence repeat what a change says of itself; packed, they take no more than it does.
    return 2 * len(text) + 40 * len(record.changes) if text.startswith(_PACKED) else len(text)


def _packed_if_long(record: Record) -> str:
    text = json.dumps(record.to_wire(), separators=(",", ":"))
    if len(text) <= PLAIN_BYTES:
        return text
    return _PACKED + base64.b64encode(gzip.compress(text.encode(), compresslevel=1, mtime=0)).decode()
