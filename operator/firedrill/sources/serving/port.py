"""What every model server is asked, whatever it speaks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from firedrill.api.written import number_in

Value = str | int | float | bool


class ReplyKind(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    HTTP_ERROR = "http-error"
    MALFORMED = "malformed"
    TIMEOUT = "timeout"
    TRANSPORT = "transport"


@dataclass(frozen=True)
class Reply:
    """An answer or its absence. ``values`` are those of the prediction of one row."""

    kind: ReplyKind
    status: int | None = None
    values: tuple[Value, ...] = ()
    body: Any = None
    error: str = ""


class ReadyState(StrEnum):
    """What the server says of itself and of the model."""

    READY = "Ready"
    NOT_READY = "EndpointNotReady"
    NOT_FOUND = "ModelNotFound"
    UNREACHABLE = "EndpointUnreachable"


@dataclass(frozen=True)
class Ready:
    """A state and the sentence that explains it."""

    state: ReadyState
    message: str


@dataclass(frozen=True)
class Columns:
    """Features of the data: names and whether each is a number, in the order in which they are sent."""

    names: tuple[str, ...]
    numeric: tuple[bool, ...]

    @property
    def text(self) -> str | None:
        """The first column that holds text, if any."""
        return next((name for name, number in zip(self.names, self.numeric, strict=True) if not number), None)


@dataclass(frozen=True)
class Facts:
    """What a server tells of its model; empty where it does not tell."""

    model: str = ""
    version: str = ""
    platform: str = ""


@dataclass(frozen=True)
class Address:
    """How requests are posted over HTTP/1.1, for those who send many: the address and the headers of each."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


class ServedModel(Protocol):
    """A model behind a server."""

    async def ready(self) -> Ready:
        """Whether it is there and can be asked."""
        ...

    async def prepare(self, columns: Columns) -> Facts:
        """Learn from the server what rows of these columns need. Raises InvalidTable where they can not be sent."""
        ...

    def body(self, row: Sequence[Value | None]) -> bytes:
        """The request for one row. Raises InvalidTable where a value can not be written."""
        ...

    async def ask(self, body: bytes) -> Reply:
        """Send one request; every failure is a reply."""
        ...

    def decode(self, reply: Reply) -> Reply:
        """The prediction in a successful answer, or a MALFORMED reply that says what is wrong."""
        ...

    @property
    def address(self) -> Address | None:
        """Where load is sent to; None where it is not HTTP/1.1."""
        ...


def malformed(reply: Reply, error: str) -> Reply:
    """An answer that is none."""
    return Reply(ReplyKind.MALFORMED, reply.status, error=error)


def one_row(reply: Reply, data: Any, what: str, *, is_row: bool = False) -> Reply:
    """The prediction of one row from data however nested: [1], [[1]] and [[0.2, 0.8]] are all one row.

    Several values are the scores of its classes, so they are numbers; and of a list that is no row for certain, as
    [0, 1, 0], not whole ones: they may be the labels of several rows. ``is_row`` says that it is one. Raises nothing:
    an answer for another number of rows, or with values that are none, is MALFORMED.
    """
    row = data if isinstance(data, list) else [data]
    while len(row) == 1 and isinstance(row[0], list):
        row, is_row = row[0], True
    problem = _no_row(row, is_row)
    return malformed(reply, f"{what} {problem}") if problem else Reply(ReplyKind.ANSWERED, reply.status, tuple(row))


def _no_row(row: list[Any], is_row: bool) -> str:
    """Why values are no prediction of one row; empty where they are."""
    if not row:
        return "holds no data"
    if any(isinstance(value, list) for value in row):
        return f"has {len(row)} rows, but one was asked for"
    if not all(isinstance(value, Value) for value in row):
        return "holds something that is neither number nor text"
    odd = next((value for value in row if isinstance(value, float) and value - value != 0), None)
    if odd is not None:
        return f"holds {odd}, which is no prediction"
    if len(row) == 1:
        return ""
    numbers = [number_in(value) if isinstance(value, str) else value for value in row]
    if any(number is None for number in numbers):
        return f"holds {len(row)} values, not all of them numbers, so that none of them is the label for certain"
    if not is_row and all(isinstance(value, int) or str(value).strip().lstrip("+-").isdigit() for value in row):
        return f"holds {len(row)} whole numbers, which may be the labels of as many rows, but one was asked for"
    return ""
