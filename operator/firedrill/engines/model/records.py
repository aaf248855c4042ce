"""What a load run has recorded, one record a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Label = str | int | float | bool


class Outcome(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    #: The server answered with an error status.
    HTTP_ERROR = "http-error"
    #: The server answered with success, but not with a prediction.
    MALFORMED = "malformed"
    TIMEOUT = "timeout"
    #: No answer: refused, reset, name not resolved.
    TRANSPORT = "transport"

    @property
    def from_server(self) -> bool:
        """Whether the server said it; the others could also be the client's own doing."""
        return self in (Outcome.ANSWERED, Outcome.HTTP_ERROR, Outcome.MALFORMED)


class Readiness(StrEnum):
    """What the server said of itself and of the model before the load."""

    READY = "Ready"
    NOT_READY = "EndpointNotReady"
    NOT_FOUND = "ModelNotFound"
    UNREACHABLE = "EndpointUnreachable"


@dataclass(frozen=True)
class RequestRecord:
    """One request. Times are seconds since the start of the load.

    ``intended`` is when the schedule wanted it sent; ``due`` when it could be, which is later when too many
    requests were in flight; ``sent`` when it was; ``done`` when the answer, or its absence, was certain.
    ``row`` is the row of the data set; ``truth`` its label, empty where rows have none; ``predicted`` the values of the
    answer.
    """

    row: int
    warmup: bool
    intended: float
    due: float
    sent: float
    done: float
    outcome: Outcome
    truth: Label
    predicted: tuple[Label, ...] = ()
    status: int | None = None
    error: str = ""

    @property
    def latency(self) -> float:
        """Seconds from the intended time: a wait before sending is part of what a user would have waited."""
        return self.done - self.intended

    @property
    def lag(self) -> float:
        """Seconds that the client itself was late: not the time that it waited for the server."""
        return max(self.sent - self.due, 0.0)

    @property
    def blocked(self) -> bool:
        """Whether it had to wait because too many requests were in flight."""
        return self.due > self.intended


@dataclass(frozen=True)
class RequestLog:
    """A whole run. ``rows`` counts usable rows, ``rows_skipped`` those with blanks, which were not sent.

    ``client_busy`` is the share of the time in which the client had the processor.
    """

    readiness: Readiness
    readiness_message: str = ""
    records: tuple[RequestRecord, ...] = ()
    rows: int = 0
    rows_skipped: int = 0
    stopped_early: bool = False
    client_busy: float = 0.0
    #: Name, version and platform of the model, as the server tells them.
    facts: Mapping[str, str] = field(default_factory=dict)
