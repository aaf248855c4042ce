"""Faults that another operator carries out: an object is created, watched, stopped, seen recovered, deleted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from firedrill.api.changes import Change, ChangeState, EngineStarted
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.meta import LABEL_RUN
from firedrill.clusters.errors import ClusterError, Conflict, Forbidden, Invalid, NotFound
from firedrill.engines.chaos.adapters.table import adapter_of
from firedrill.engines.chaos.adapters.view import EngineView, Setting
from firedrill.engines.chaos.faults.template import NotApplicable
from firedrill.engines.chaos.outcome import EngineOutcome
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.context import RunContext, Stop
from firedrill.runner.faults.asked import collection_of, path_of, send, soon
from firedrill.runner.faults.driver import Look, NotInjected
from firedrill.runner.faults.operated_undo import result_of
from firedrill.runner.ports import Object
from firedrill.runner.retry import retry

_POLL_SECONDS: Final = 1.0


class OperatedFault:
    """One object of another operator."""

    def __init__(self, context: RunContext, spec: ChaosExperimentSpec) -> None:
        self._context = context
        self._spec = spec
        self._fault = spec.fault.chosen
        self._adapter = adapter_of(self._fault)
        self._change: EngineStarted | None = None
        self._view = EngineView()
        self._injected = False

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """Ask the API server, without doing it, whether it would take the object."""
        try:
            (change,) = await self.plan(pods, self._context.clock.now())
        except NotInjected as error:
            return Refusal("NotApplicable", str(error))
        assert isinstance(change, EngineStarted)
        try:
            await self._context.client.create(collection_of(change), change.body, dry_run=True)
        except NotFound:
            return Refusal(
                "NotApplicable", f"the target knows no {change.kind}: {change.engine} is not installed in it"
            )
        except Forbidden as error:
            return Refusal("NotPermitted", f"the runner may not create it, or admission refuses it: {error.message}")
        except Invalid as error:
            return Refusal("NotApplicable", error.message)
        return None

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """The object, whole: its name follows from the run."""
        del pods, now
        kind, target = self._adapter.kind(self._fault), self._spec.target
        run = self._context.task.run_id
        setting = Setting(f"firedrill-{run}", target, self._spec.duration, self._context.task.policy.litmus)
        try:
            made = self._adapter.made(self._fault, setting)
        except NotApplicable as error:
            raise NotInjected(f"{kind.kind}: {error}") from error
        metadata = {"name": setting.name, "namespace": target.namespace, "labels": {LABEL_RUN: run}}
        return [
            EngineStarted(
                namespace=target.namespace,
                name=setting.name,
                engine=self._adapter.name,
                api=kind.api,
                plural=kind.plural,
                kind=kind.kind,
                body={"apiVersion": kind.api, "kind": kind.kind, "metadata": metadata, **made},
            )
        ]

    def schedule(self, change: EngineStarted, now: datetime, deadline: datetime) -> Change:
        """It must be asked for soon: until then, and a little longer, nobody can say that it was not."""
        return soon(change, now, deadline)

    async def apply(self, change: EngineStarted) -> Change:
        """Create it. One of that name that carries the mark of the run is ours: an answer was lost."""
        label = f"{change.kind} {change.name}"

        async def create() -> Object:
            try:
                created = self._context.client.create(collection_of(change), change.body)
                return await send(change, self._context.clock, created, f"{label} could not be created in time")
            except Conflict:
                found = await self._context.client.get(path_of(change))
            except (Forbidden, Invalid, NotFound) as error:
                raise NotInjected(f"{label} was refused: {error.message}") from error
            if (found["metadata"].get("labels") or {}).get(LABEL_RUN) != self._context.task.run_id:
                raise NotInjected(f"{label} exists and is not of this run")
            return found

        asked_at = self._context.clock.now()
        made = await retry(self._context.clock, create, f"creating {label}")
        update = {
            "state": ChangeState.APPLIED,
            "applied_at": asked_at,
            "uid": made["metadata"]["uid"],
            "evidence": f"{label} was created",
        }
        self._change = change.model_copy(update=update)
        return self._change

    async def hold(self, stop: Stop, end: datetime) -> None:
        """Watch what it tells, until it has ended by itself, its time is over, or somebody asks to stop."""
        clock = self._context.clock
        while not stop.asked and clock.now() < end:
            try:
                await self._observe()
            except NotFound:
                return
            except ClusterError as error:
                self._view = EngineView(evidence=f"it could not be read: {error}")
            if self._view.ended:
                return
            await stop.sleep(clock, min(_POLL_SECONDS, (end - clock.now()).total_seconds()))

    async def _observe(self) -> None:
        assert self._change is not None  # it was created
        body = await self._context.client.get(path_of(self._change))
        view = self._adapter.read(body, await result_of(self._context.client, self._adapter, self._change))
        self._injected = self._injected or view.injected
        self._view = view

    async def look(self, change: EngineStarted) -> Look:
        """What it tells, and whether somebody else has deleted it."""
        try:
            await self._observe()
            body = await self._context.client.get(path_of(change))
        except NotFound:
            return Look(reverted=True)
        return Look("deletionTimestamp" in body["metadata"], self._view.evidence if self._injected else "")

    def ended_at(self, change: EngineStarted, undone_at: datetime) -> datetime:
        """When it was seen recovered."""
        return min(change.recovered_at or undone_at, undone_at)

    def proven(self, change: EngineStarted) -> bool:
        """The other operator tells that it has injected."""
        del change
        return self._injected

    def outcome(self) -> EngineOutcome:
        """What it has told last before it was stopped."""
        view = self._view
        return EngineOutcome(view.verdict, view.reason, view.message, self._injected, view.measurements, view.report)
