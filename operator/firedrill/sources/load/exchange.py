"""One request with what became of it."""

from collections.abc import Callable
from enum import StrEnum


class End(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    #: The answer is not HTTP, or is larger than is read.
    MALFORMED = "malformed"
    TIMEOUT = "timeout"
    #: No answer: refused, reset, closed, name not resolved.
    TRANSPORT = "transport"


#: Takes a piece of the body and the time it came.
BodyReader = Callable[[bytes, float], None]


class Exchange:
    """A request and its answer. Times are those of the loop's clock; zero where a thing did not happen.

    ``intended`` is when the schedule wanted it sent, ``due`` when it could be (later where too many were open),
    ``sent`` when it was handed over, ``first`` when the first byte of the answer came, ``done`` when all was over.
    """

    __slots__ = (
        "body",
        "done",
        "due",
        "end",
        "error",
        "first",
        "index",
        "intended",
        "reader",
        "request",
        "sent",
        "status",
    )

    def __init__(
        self, index: int, request: bytes, intended: float, due: float, reader: BodyReader | None = None
    ) -> None:
        self.index = index
        self.request = request
        self.intended = intended
        self.due = due
        self.reader = reader
        self.sent = 0.0
        self.first = 0.0
        self.done = 0.0
        self.status = 0
        self.end = End.TRANSPORT
        self.error = ""
        self.body = b""
