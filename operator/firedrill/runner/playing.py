"""The stages of an experiment, each at its time: put in place, left on, looked at, undone.

Those that wait for nobody begin together, the others when those before them have been seen undone. What ends last is
left to the undoing of the whole run: an experiment with one fault has nothing else to undo.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from firedrill.api.changes import Change
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.record import Record
from firedrill.api.task import Task
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.stages import Stage
from firedrill.runner.abort_watch import AbortWatch
from firedrill.runner.arming import GUARDIAN_WAIT, NotBegun
from firedrill.runner.choosing import Choosing
from firedrill.runner.context import RunContext, Stop
from firedrill.runner.ending import undo_step
from firedrill.runner.evidence import Evidence
from firedrill.runner.faults.driver import Engine, Fault
from firedrill.runner.faults.table import fault_of, undo_table
from firedrill.runner.following import Following
from firedrill.runner.injecting import Injecting
from firedrill.runner.looking import ended_early
from firedrill.runner.planned import Part
from firedrill.runner.precheck import Targets
from firedrill.runner.retry import retry
from firedrill.runner.together import all_of
from firedrill.runner.undoing import UndoTable

log = logging.getLogger(__name__)

#: The runner tries so long to undo a fault that does not undo itself.
UNDO_LIMIT: Final = timedelta(seconds=60)
#: From the end of a stage until the next one is in the record, beside what it waits for by itself.
_PLANNING: Final = timedelta(seconds=30)


class Playing:
    """Plays the stages, once or again and again. ``stop`` is asked where the fault is to end before its time."""

    def __init__(
        self, context: RunContext, stages: Sequence[Stage], evidence: Evidence, aborts: AbortWatch, stop: Stop
    ) -> None:
        self._context = context
        self._stages = stages
        self._evidence = evidence
        self._aborts = aborts
        self._stop = stop
        self._injecting = Injecting(context, stop)
        self._turn = asyncio.Lock()
        self._choosing = Choosing(context, stages)
        self._found: Mapping[str, Targets] = {}
        self._unfinished: set[str] = set()
        self._faults: dict[str, Fault] = {}
        self._tasks: dict[str, Task] = {}
        self._following: dict[str, Following] = {}
        #: Whether there may be a record.
        self.claimed = False
        self.hold_end: datetime | None = None

    def part(self, stage: Stage, number: int) -> Part:
        """A stage in a repetition. What it leaves in the target has a name that no other has."""
        index = (number - 1) * len(self._stages) + self._stages.index(stage)
        task = self._context.task
        own = task if index == 0 else task.model_copy(update={"run_id": f"{task.run_id}-{index}"})
        key = stage.name if number == 1 else f"{number}/{stage.name or 'fault'}"
        self._tasks[key] = own
        return self._made(own, key, stage.spec)

    def _made(self, task: Task, key: str, spec: ChaosExperimentSpec, *, follows: bool = False) -> Part:
        if key not in self._faults:
            part = replace(self._context, task=task, own_vault=self._context.vault)
            self._faults[key] = fault_of(part, spec)
        instant = spec.fault.about.instant
        return Part(
            key=key,
            fault=self._faults[key],
            duration=spec.duration,
            hold=max(spec.duration, spec.recovery_timeout) if instant else spec.duration,
            follows=follows,
            starts=timedelta(seconds=spec.fault.about.starts),
            settles=timedelta(seconds=spec.fault.about.settles),
        )

    @property
    def left_to_us(self) -> bool:
        """Whether something took effect after others had undone it: they may have left by now."""
        return self._injecting.left_to_us

    async def note(self) -> None:
        """Note what was carried out and could not be noted before; raises ClusterError, RecordLost."""
        await self._injecting.note()

    @property
    def undo_table(self) -> UndoTable:
        """How what was done here is undone."""
        return undo_table(self._faults)

    async def find(self) -> Mapping[str, Targets] | Refusal:
        """The targets of all stages, if everything permits to hit them; changes nothing."""
        found = await self._choosing.at_first([(stage, self.part(stage, 1)) for stage in self._stages])
        if not isinstance(found, Refusal):
            self._found = found
        return found

    async def rehearse(self) -> list[Change]:
        """What would be changed, as things are now; raises NotInjected."""
        return [
            change
            for stage in self._stages
            for change in await self._planned(self.part(stage, 1), self._found[stage.name])
        ]

    async def play(self, number: int, *, last: bool, then: timedelta) -> None:
        """All stages, once. ``then`` is how long it may take until the next repetition begins.

        Raises NotBegun, NotInjected, Aborted or ClaimedByAnother where a stage could not be put in place.
        """
        self._unfinished = {stage.name for stage in self._stages}
        self.hold_end = None
        over = {stage.name: asyncio.Event() for stage in self._stages}
        first = [stage for stage in self._stages if stage.at_once]
        later = [stage for stage in self._stages if not stage.at_once]
        ready = asyncio.Event()

        async def together() -> None:
            parts = {stage.name: self.part(stage, number) for stage in first}
            try:
                record = await self._begin([(stage, parts[stage.name]) for stage in first], fresh=number > 1)
            finally:
                ready.set()
            carried = [self._carry(stage, parts[stage.name], record, over, last=last, then=then) for stage in first]
            await all_of(self._guarded(work) for work in carried)

        async def alone(stage: Stage) -> None:
            for name in stage.after:
                await self._stop_or(over[name])
            if first and not stage.after:
                await self._stop_or(ready)
            await self._stop.sleep(self._context.clock, stage.delay.total_seconds())
            if self._stop.asked:
                return
            part = self.part(stage, number)
            record = await self._begin([(stage, part)], fresh=True)
            await self._carry(stage, part, record, over, last=last, then=then)

        works = [*([together()] if first else []), *(alone(stage) for stage in later)]
        try:
            await all_of(self._guarded(work) for work in works)
        finally:
            self._aborts.fault_is_off()
            self.hold_end = self.hold_end or self._context.clock.now()

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Have all others end when one has failed."""
        try:
            await work
        except BaseException as error:
            self._stop.ask(f"StepFailed: {error}")
            raise

    async def _begin(self, wave: Sequence[tuple[Stage, Part]], *, fresh: bool) -> Record | None:
        """Put stages in place that begin together; None where there is nothing left to hit.

        With ``fresh``, their targets are chosen anew.
        """
        planned: list[tuple[Part, Sequence[Change]]] = []
        async with self._turn:
            for stage, part in wave:
                targets = await self._choosing.anew(stage, part) if fresh else self._found[stage.name]
                self._choosing.hits(stage, targets)
                planned.append((part, await self._planned(part, targets)))
            parts = [part for part, _ in planned]
            if not any(changes for _, changes in planned):
                return None
            if self.claimed:
                await self._injecting.add(planned)
            else:
                await self._injecting.claim(planned)
                self.claimed = True
                await self._injecting.first()
            self._evidence.begins(parts)
            record = await self._injecting.enter(parts)
        self._aborts.fault_is_on(self._context.clock.now())
        record = await self._injecting.apply(parts, record)
        self._evidence.applied(record, parts)
        return record

    async def _planned(self, part: Part, targets: Targets) -> Sequence[Change]:
        """Planning changes nothing, so it may be done again."""
        clock = self._context.clock
        return await retry(clock, lambda: part.fault.plan(targets.selected, clock.now()), "planning the fault")

    async def _carry(
        self,
        stage: Stage,
        part: Part,
        record: Record | None,
        over: Mapping[str, asyncio.Event],
        *,
        last: bool,
        then: timedelta,
    ) -> None:
        """Leave a stage on for its time and undo it, unless the whole run is undone now."""
        own = [change for change in record.changes if change.step == part.key] if record else []
        times = [change.applied_at for change in own if change.applied_at]
        if times:
            end = max(times) + part.duration
            why = self._stop_reason(await self._hold(stage, part, end))
            self._evidence.note(f"{f'step {part.key}: ' if part.key else ''}the fault is to end: {why}")
            self.hold_end = self._context.clock.now()
            self._evidence.ends(self.hold_end)
            following = self._following.get(part.key)
            self._evidence.reverted(await ended_early(self._context, self._evidence, part, own, following))
        if self._stop.asked:
            return
        if not (last and self._unfinished == {stage.name}):
            await self._end(stage, part, max(times, default=self._context.clock.now()), then)
        self._unfinished.discard(stage.name)
        self._choosing.spares(stage)
        over[stage.name].set()

    async def _hold(self, stage: Stage, part: Part, end: datetime) -> bool:
        """Leave a fault on until ``end``, unless somebody asks to stop; whether it has ended by itself before."""
        clock, spec = self._context.clock, stage.spec
        if isinstance(part.fault, Engine):
            await part.fault.hold(self._stop, end)
            return clock.now() < end
        if spec.target.follow and spec.fault.about.follows:
            following = Following(
                self._context,
                self._injecting,
                self._evidence,
                self._stop,
                self._turn,
                lambda key, spec: self._made(self._tasks[part.key], key, spec, follows=True),
                lambda: self._choosing.taken_by_others(stage),
                lambda targets: self._choosing.hits(stage, targets),
            )
            self._following[part.key] = following
            await following.until(end, part, spec, self._choosing.hit_by(stage).selected)
        else:
            await self._stop.sleep(clock, (end - clock.now()).total_seconds())
        return False

    def _stop_reason(self, by_itself: bool) -> str:
        return self._stop.reason or ("it has ended by itself" if by_itself else "its duration is over")

    async def _end(self, stage: Stage, part: Part, last_applied: datetime, then: timedelta) -> None:
        """Undo a stage while the record goes on, and see it undone; raises NotBegun where it is not."""
        clock = self._context.clock
        limit = clock.now() + UNDO_LIMIT + timedelta(seconds=stage.spec.fault.about.settles)
        if stage.spec.fault.about.instant:
            limit = max(clock.now(), last_applied + stage.spec.recovery_timeout)
        following = self._following.get(part.key)
        parts = [part, *(following.parts if following else ())]
        await self._injecting.ending(parts, limit)
        record, undone = await undo_step(
            self._context.for_undoing,
            self._context.store,
            self.undo_table,
            {each.key for each in parts},
            lambda: self._stop.asked or clock.now() >= limit,
        )
        if record is None or not undone:
            if self._stop.asked:
                return
            raise NotBegun("StepNotUndone", f"step {part.key} was not seen undone in time, so nothing more was begun")
        self._evidence.step_undone(record, parts)
        waiting = [each.delay for each in self._stages if each.name in self._unfinished and each is not stage]
        await self._injecting.ended(parts, max(waiting, default=then) + GUARDIAN_WAIT + _PLANNING)
        if not self._injecting.in_place:
            self._aborts.fault_is_off()

    async def _stop_or(self, event: asyncio.Event) -> None:
        """Wait for an event, but not past a wish to stop."""
        while not event.is_set() and not self._stop.asked:
            await self._stop.sleep(self._context.clock, 0.1)
