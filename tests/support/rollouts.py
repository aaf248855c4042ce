"""A resource that waits for rollouts, lived through pass by pass: what it is shown, and what it does."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from firedrill.api.kinds import DRIFT_CHECK, RunKind
from firedrill.api.record import RecordState
from firedrill.api.run import RunStatus
from firedrill.api.verdict import Condition, Verdict
from firedrill.core.actions import (
    Action,
    AddFinalizer,
    EnsureRun,
    PublishEvent,
    RemoveFinalizer,
    WriteStatus,
)
from firedrill.core.naming import digest
from firedrill.core.observed import JobPhase, Observed, RunObjects, TargetView
from firedrill.core.requester import Requester
from firedrill.core.step import step
from firedrill.core.workload import Look, Sight
from support.seen import T0, job, record, resource, result, target, with_status

GATEWAY = {"kind": "Deployment", "namespace": "payments", "name": "gateway"}


class Life:
    """One resource, its targets, and a clock. A pass is taken only when a test says so."""

    def __init__(self, kind: RunKind = DRIFT_CHECK, *targets: str, **spec: Any) -> None:
        self.kind = kind
        self.targets = targets or ("finance",)
        self.spec: dict[str, Any] = {"onRollout": GATEWAY, "timeout": "60s", **spec}
        self.status: RunStatus = kind.status()
        self.annotations: dict[str, str] = {}
        self.now = T0
        self.halted = ""
        self.deleting = False
        self.finalizer = False
        self.requester: Requester | None = None
        self.target_specs: dict[str, Any] = {}
        self.unreachable: set[str] = set()
        self.gone: set[str] = set()
        self.cluster_uids: dict[str, str] = {}
        self.looks: dict[str, Look] = {}
        self.objects: dict[str, dict[str, RunObjects]] = {name: {} for name in self.targets}
        self.events: list[PublishEvent] = []
        self.actions: list[Action] = []
        #: Trigger and targets of each run that was begun.
        self.runs: list[tuple[str, tuple[str, ...]]] = []
        self.again: timedelta | None = None

    # -- what is shown -----------------------------------------------------------------------------------------------

    def shows(self, template: str, *names: str, **more: Any) -> "Life":
        """The workload has this template in these targets, or in all; its controller counts by it."""
        for name in names or self.targets:
            given = {"revision": digest(name, template), "current": True, "complete": True, "faulted": "", **more}
            self.looks[name] = Sight(template=template, at=self.now, **given)
        return self

    def sees(self, look: Look, name: str = "finance") -> "Life":
        """Something else is seen of it."""
        self.looks[name] = look
        return self

    def later(self, seconds: float) -> "Life":
        """So much time goes by, and what is there is read anew."""
        self.now += timedelta(seconds=seconds)
        for name, look in self.looks.items():
            if isinstance(look, Sight):
                self.looks[name] = replace(look, at=self.now)
        return self

    # -- what is done ------------------------------------------------------------------------------------------------

    def passes(self, count: int = 6, *, crash_before: type[Action] | None = None) -> "Life":
        """So many passes, or fewer where nothing more is done."""
        for _ in range(count):
            if not self.one(crash_before=crash_before):
                break
        return self

    def one(self, *, crash_before: type[Action] | None = None) -> bool:
        """One pass; whether anything was done."""
        decision = step(self.observed(), self.now)
        self.again = decision.look_again
        for action in decision.actions:
            if crash_before is not None and isinstance(action, crash_before):
                break
            self._carry_out(action)
        self.actions += decision.actions
        return bool(decision.actions)

    def observed(self) -> Observed:
        """All that a step may look at."""
        of = resource(
            self.kind,
            annotations=self.annotations,
            finalizer=self.finalizer,
            deleting=self.deleting,
            targets=self.targets,
            **self.spec,
        )
        views: Mapping[str, TargetView] = {
            name: TargetView(
                target(name, **self.target_specs),
                name not in self.unreachable,
                "connection refused" if name in self.unreachable else "",
                dict(self.objects[name]),
                self.cluster_uids.get(name, f"uid-{name}"),
            )
            for name in self.targets
            if name not in self.gone
        }
        return Observed(with_status(of, self.status), views, self.halted, self.requester, dict(self.looks))

    def ends(self, verdict: Verdict = Verdict.PASSED) -> "Life":
        """The run that goes on ends in every target in which it was begun, and passes or has another verdict."""
        run = self.status.last_run
        assert run is not None
        for entry in self.status.clusters:
            if entry.job:
                name = entry.job.partition("/")[2]
                self.objects[entry.name][name] = RunObjects(
                    job=job(name, JobPhase.SUCCEEDED),
                    guardian=job("g") if self.kind.mutates else None,
                    has_task=True,
                    result=result(run.id, verdict),
                    record=record(RecordState.UNDONE, run=run.id) if self.kind.mutates else None,
                )
        return self.passes()

    # -- what is to be seen of it ------------------------------------------------------------------------------------

    @property
    def going(self) -> bool:
        """Whether a run goes on."""
        return self.status.last_run is not None and self.status.last_run.finished_at is None

    def condition(self, name: str = "RolloutsSeen") -> Condition | None:
        """A condition."""
        return next((each for each in self.status.conditions if each.type == name), None)

    def told(self) -> tuple[str, str]:
        """Status and reason of RolloutsSeen."""
        found = self.condition()
        return (found.status.value, found.reason) if found else ("", "")

    def writes(self) -> int:
        """Passes until now that wrote status."""
        return sum(isinstance(action, WriteStatus) for action in self.actions)

    def _carry_out(self, action: Action) -> None:
        match action:
            case WriteStatus(status):
                before = self.status.last_run
                self.status = self.kind.status.model_validate(status.to_wire())
                assert self.status == status, "what is read back must be what was written"
                run = self.status.last_run
                if run is not None and (before is None or before.id != run.id):
                    self.runs.append((run.trigger, tuple(entry.name for entry in self.status.clusters)))
            case AddFinalizer():
                self.finalizer = True
            case RemoveFinalizer():
                self.finalizer = False
            case PublishEvent():
                self.events.append(action)
            case EnsureRun():
                self.objects[action.cluster][action.job] = RunObjects(
                    job=job(action.job), guardian=job("g") if self.kind.mutates else None, has_task=True
                )
            case _:
                pass
