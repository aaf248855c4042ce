"""What is asked of an API server or a data store once: until when, and until when nobody can say that it was not.

The arithmetic of it, from the start of applying:

- until ``not_after`` (ASK_LIMIT) what changes something may be sent: the time is looked at right before, after
  everything that is only read for it;
- until ANSWER_LIMIT later we wait for its answer, and give up then all that belongs to it: nothing is sent later;
- until SERVER_LIMIT later whoever has got it carries it out, or drops it;
- so undoing waits until ``not_after`` + IN_FLIGHT before it says that what is not to be seen never came about.
"""

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from firedrill.api.changes import (
    ChangeState,
    EngineStarted,
    FisStarted,
    NodeCutOff,
    ObjectCreated,
    ObjectDeleted,
    ObjectEdited,
    PodDeleted,
    RequestsSent,
    StoreChange,
)
from firedrill.clusters import paths
from firedrill.clusters.client import REQUEST_SECONDS
from firedrill.clusters.errors import Unreachable
from firedrill.runner.faults.driver import NotInjected
from firedrill.runner.ports import Clock
from firedrill.runner.retry import within

#: It is asked for within this time from the start of applying.
ASK_LIMIT: Final = timedelta(seconds=15)
#: We wait so long for an answer to what was sent in time: a client gives one request as long.
ANSWER_LIMIT: Final = timedelta(seconds=REQUEST_SECONDS)
#: What was given up then, a server that has it yet carries out within this time, or not at all.
SERVER_LIMIT: Final = timedelta(seconds=5)
#: A request that was sent in time has taken effect, or never will, after so much longer.
IN_FLIGHT: Final = ANSWER_LIMIT + SERVER_LIMIT

T = TypeVar("T")

Asked = TypeVar(
    "Asked",
    PodDeleted,
    ObjectEdited,
    ObjectCreated,
    ObjectDeleted,
    EngineStarted,
    StoreChange,
    RequestsSent,
    NodeCutOff,
    FisStarted,
)


class Named(Protocol):
    """An object of some collection; ``namespace`` is empty for one in none."""

    @property
    def api(self) -> str: ...

    @property
    def plural(self) -> str: ...

    @property
    def namespace(self) -> str: ...

    @property
    def name(self) -> str: ...


def soon(change: Asked, now: datetime, deadline: datetime) -> Asked:
    """The planned change with the time after which it is not asked for any more."""
    return change.model_copy(update={"not_after": min(now + ASK_LIMIT, deadline)})


def too_late(change: Asked, clock: Clock) -> bool:
    """Whether the time to ask is over."""
    return change.not_after is not None and clock.now() > change.not_after


async def ready_in_time(change: Asked, clock: Clock, reading: Coroutine[Any, Any, T], late: str) -> T:
    """What has to be read before anything can be sent; raises NotInjected, with ``late``, where that takes too long."""
    left = ASK_LIMIT if change.not_after is None else change.not_after - clock.now()
    try:
        return await within(clock, left.total_seconds(), reading, late)
    except Unreachable as error:
        if change.not_after is not None and clock.now() >= change.not_after:
            raise NotInjected(late) from error
        raise


async def send(change: Asked, clock: Clock, request: Coroutine[Any, Any, T], late: str) -> T:
    """Send what changes something, if it is not too late now, and wait for the answer as long as undoing does.

    Nothing may be read between this and what is sent. Raises NotInjected, with ``late``, where nothing was sent, and
    Unreachable where there was no answer.
    """
    now = clock.now()
    if too_late(change, clock):
        request.close()
        raise NotInjected(late)
    until = (change.not_after or now) + ANSWER_LIMIT
    return await within(clock, (until - now).total_seconds(), request, "given up")


def may_be_on_its_way(change: Asked, clock: Clock) -> bool:
    """Whether a change that nobody has noted may have been asked for, and take effect yet."""
    if change.state is not ChangeState.PLANNED or change.not_after is None:
        return False
    return clock.now() < change.not_after + IN_FLIGHT


def path_of(change: Named) -> str:
    """Where the object is."""
    subresource = change.subresource if isinstance(change, ObjectEdited) else ""
    return paths.path(change.api, change.plural, change.namespace or None, change.name, subresource or None)


def asked_by_name(change: Named) -> str:
    """The name by which rights to an object are asked for: the chart may give those to Secrets by name alone."""
    return change.name if change.plural == "secrets" else ""


def collection_of(change: Named) -> str:
    """Where objects of its kind are created."""
    return paths.path(change.api, change.plural, change.namespace or None)
