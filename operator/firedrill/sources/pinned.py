"""A file that must be the one that was meant, by the hash of its content."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from firedrill.api.tableformat import TableFormat
from firedrill.sources.errors import SourceError, SourceReason
from firedrill.sources.parse import format_of, parse_bytes, parse_file
from firedrill.sources.table import SourceTable


@dataclass(frozen=True)
class Pin:
    """The SHA-256 of a content, in hexadecimal, and the field that says so."""

    sha256: str
    field: str

    def check(self, data: bytes) -> None:
        """Raises SourceError, which names both hashes, where the content is another one."""
        found = hashlib.sha256(data).hexdigest()
        if found != self.sha256:
            message = f"the content has SHA-256 {found}, and {self.sha256} is asked for: it is another one"
            raise SourceError(SourceReason.NOT_THE_ONE, self.field, message)


def parse_pinned(path: Path, kind: TableFormat | None, pin: Pin | None) -> SourceTable:
    """A table from a file. One that is pinned is read once, as a whole: what is parsed is what was held against the
    hash, whoever writes to the file in between. Raises as parse_file does, and SourceError."""
    if pin is None:
        return parse_file(path, kind)
    data = path.read_bytes()
    pin.check(data)
    return parse_bytes(data, kind or format_of(path, data))
