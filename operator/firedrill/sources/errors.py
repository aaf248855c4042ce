"""Why a source could not be read."""

from enum import StrEnum


class SourceReason(StrEnum):
    """One word for programs. The first two may pass by themselves, the others need a person."""

    UNREACHABLE = "SourceUnreachable"
    NOT_FOUND = "SourceNotFound"
    INVALID_DATA = "InvalidData"
    NOT_ALLOWED = "SourceNotAllowed"
    #: The content, or the model, is another one than was asked for.
    NOT_THE_ONE = "SourceNotTheOne"


class SourceError(Exception):
    """A source could not be read. The message starts with the field that names it."""

    def __init__(self, reason: SourceReason, field: str, message: str) -> None:
        self.reason = reason
        self.field = field
        self.message = message
        super().__init__(f"{field}: {message}")


class InvalidTable(ValueError):
    """Bytes that are not a table of the format they should be; a row or line is named where it is known."""
