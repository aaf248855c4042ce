"""What every model server is asked, whatever it speaks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

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


def one_row(reply: Reply, data: Any, what: str) -> Reply:
    """The prediction of one row from data however nested: [1], [[1]] and [[0.2, 0.8]] are all one row.

    Raises nothing: an answer for another number of rows, or with values that are none, is MALFORMED.
    """
    if isinstance(data, list) and len(data) > 1 and all(isinstance(item, list) and len(item) > 1 for item in data):
        return malformed(reply, f"{what} has {len(data)} rows, but one was asked for")
    values = flatten(data if isinstance(data, list) else [data])
    if not values:
        return malformed(reply, f"{what} holds no data")
    if not all(isinstance(value, Value) for value in values):
        return malformed(reply, f"{what} holds something that is neither number nor text")
    odd = next((value for value in values if isinstance(value, float) and value - value != 0), None)
    if odd is not None:
        return malformed(reply, f"{what} holds {odd}, which is no prediction")
    return Reply(ReplyKind.ANSWERED, reply.status, tuple(values))


def flatten(data: list[Any]) -> list[Any]:
    """All items of nested lists, in order, however deep."""
    flat: list[Any] = []
    waiting = [iter(data)]
    while waiting:
        for item in waiting[-1]:
            if isinstance(item, list):
                waiting.append(iter(item))
                break
            flat.append(item)
        else:
            waiting.pop()
    return flat
