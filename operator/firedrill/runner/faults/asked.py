"""What is asked of the API server once: until when, and until when nobody can say that it was not."""

from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

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
from firedrill.runner.ports import Clock

#: It is asked for within this time from the start of applying.
ASK_LIMIT: Final = timedelta(seconds=15)
#: A request that was sent in time has taken effect, or never will, after so much longer.
IN_FLIGHT: Final = timedelta(seconds=20)

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
