"""What a run that has found drift says and starts. Tests give it others."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from firedrill.api.driftcheck import DriftCheckSpec
from firedrill.api.ondrift import REACTED, Reacted
from firedrill.api.task import Task
from firedrill.api.verdict import ConditionStatus, Finding, Verdict
from firedrill.core.naming import digest

#: What the names of objects that are started end with, before the number of their action.
_SUFFIX: Final = "on"
_MESSAGE_LENGTH: Final = 2048


@dataclass(frozen=True)
class Found:
    """What a check has found: its verdict, and the columns that have drifted."""

    verdict: Verdict
    message: str
    drifted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Occasion:
    """What an action of a run is started for. All that it derives from stays the same when the run is tried again."""

    task: Task
    reacted: Reacted
    number: int

    @property
    def name(self) -> str:
        """Name of an object that is created, at most 63 characters."""
        return f"{self.task.job[:52]}-{_SUFFIX}-{self.number}"

    @property
    def key(self) -> str:
        """By which a receiver tells a request that is repeated: the run, the target, the number of the action."""
        return f"{self.task.run_id}.{self.task.cluster}.{self.number}"

    @property
    def token(self) -> str:
        """The same for AWS, which wants between 32 and 128 characters."""
        return digest(self.task.uid, self.key, length=64)

    def body(self) -> dict[str, Any]:
        """What is told."""
        task = self.task
        return {
            "resource": {"kind": task.kind, "namespace": task.namespace, "name": task.name, "uid": task.uid},
            "cluster": task.cluster,
            "runId": task.run_id,
            "at": self.reacted.at.isoformat(),
            "verdict": Verdict.FAILED.value,
            "message": self.reacted.message,
            "drifted": self.reacted.drifted,
        }


class Came(StrEnum):
    """What came of an action."""

    STARTED = "started"
    FAILED = "failed"
    #: It was asked for, and there was no answer that could be relied on.
    UNSURE = "unsure"
    #: Nothing is started where there is no cluster.
    NOT_TRIED = "not tried"


class ActionFailed(Exception):
    """An action was not started, or with ``unsure`` may have been."""

    def __init__(self, message: str, *, unsure: bool = False) -> None:
        super().__init__(message)
        self.unsure = unsure


@dataclass(frozen=True)
class Acted:
    """One action and what came of it."""

    label: str
    came: Came
    detail: str = ""

    @property
    def phrase(self) -> str:
        """In words."""
        return f"{self.label}: {self.came.value}" + (f", {self.detail}" if self.detail else "")


@dataclass(frozen=True)
class Reaction:
    """The condition that is set, and what each action came to."""

    reason: str
    message: str
    actions: tuple[Acted, ...] = field(default=())

    @property
    def finding(self) -> Finding:
        """The condition."""
        status = ConditionStatus.TRUE if self.reason == "Started" else ConditionStatus.FALSE
        return Finding(type=REACTED, status=status, reason=self.reason, message=self.message[:_MESSAGE_LENGTH])

    def to_json(self) -> Mapping[str, Any]:
        """For the report."""
        listed = [{"action": each.label, "came": each.came.value, "detail": each.detail} for each in self.actions]
        return {"reason": self.reason, "message": self.message, "actions": listed}


#: Acts on what was found, or says why not; raises nothing that an action or the cluster does wrong.
React = Callable[[DriftCheckSpec, Task, Found], Awaitable[Reaction]]
