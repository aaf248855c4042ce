"""ChaosExperiment: steady state, fault, undo seen, recovery timed; once, or again and again.

The order of everything that leaves a trace: checks and steady state (none), record, guardian armed, Applying,
changes, Applied, Undoing, undone and seen, Undone. Of several faults, each is added to the record, and the guardian
armed for it, before it is carried out; each but the last is undone and seen undone while the record goes on. Wherever
the runner dies in between, the guardian reads from the record what may be in place.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.resource import parse_spec
from firedrill.api.task import Result
from firedrill.clusters.errors import ClusterError
from firedrill.engines.chaos import aborting, probing, verdict
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.samples import Share
from firedrill.engines.chaos.stages import stages_of
from firedrill.engines.chaos.verdict import Ruling
from firedrill.runner.abort_watch import AbortWatch
from firedrill.runner.arming import NotBegun
from firedrill.runner.context import RunContext
from firedrill.runner.evidence import Evidence
from firedrill.runner.faults.driver import NotInjected
from firedrill.runner.injecting import ClaimedByAnother
from firedrill.runner.panel import Make, Panel
from firedrill.runner.playing import UNDO_LIMIT, Playing
from firedrill.runner.prober import Ask
from firedrill.runner.record_store import Aborted, RecordLost
from firedrill.runner.undoing import Undoing
from firedrill.runner.watching import RecordWatch

log = logging.getLogger(__name__)

#: After a wish to stop, the runner tries so long to undo; the guardian goes on.
_STOPPED_LIMIT: Final = timedelta(seconds=20)
#: Kept free before the run's deadline for the result.
_RESULT_TIME: Final = timedelta(seconds=3)
_POLL_SECONDS: Final = 0.25


async def run(context: RunContext, ask: Ask | None = None, make: Make | None = None) -> Result | None:
    """Carry out the experiment; None where another pod has claimed it.

    ``ask`` asks for the steady state, ``make`` makes what asks all else, where these are given. Raises InvalidInput for
    a spec that does not parse. Whatever else is raised, faults were undone first as far as the cluster let us.
    """
    spec = parse_spec(ChaosExperimentSpec, context.task.spec)
    panel = Panel(context, spec, ask, make)
    try:
        return await _Experiment(context, spec, panel).run()
    except ClaimedByAnother as error:
        log.warning("leaving everything to another pod: %s", error)
        return None
    finally:
        await panel.close()


class _Experiment:
    def __init__(self, context: RunContext, spec: ChaosExperimentSpec, panel: Panel) -> None:
        self._context = context
        self._spec = spec
        self._panel = panel
        self._evidence = Evidence(context, spec, panel)
        self._watch = RecordWatch(context)
        ending = context.stop.part()
        self._aborts = AbortWatch(context.clock, spec.abort, panel.conditions, ending)
        self._playing = Playing(context, stages_of(spec), self._evidence, self._aborts, ending)
        self._ending = ending

    async def run(self) -> Result:
        """The experiment from the first check to the result."""
        found = await self._playing.find()
        if isinstance(found, Refusal):
            return self._evidence.not_begun(verdict.inconclusive(found.reason, found.message))
        self._evidence.targets(found)
        refusal = await self._panel.ready()
        if refusal:
            return self._evidence.not_begun(verdict.inconclusive(refusal.reason, refusal.message))
        if self._spec.dry_run:
            return await self._rehearsed()
        self._panel.start()
        self._watch.start()
        self._aborts.start()
        try:
            return await self._measured()
        finally:
            await self._aborts.stop()
            await self._watch.stop()
            await self._panel.stop()

    async def _rehearsed(self) -> Result:
        """Tell what would be done."""
        try:
            planned = await self._playing.rehearse()
        except NotInjected as error:
            return self._evidence.not_begun(verdict.inconclusive("NotInjected", str(error)))
        self._evidence.planned = planned
        return self._evidence.not_begun(verdict.rehearsed(planned))

    async def _measured(self) -> Result:
        before = await self._before()
        if self._watch.claimed_by:
            raise ClaimedByAnother(f"pod {self._watch.claimed_by} has claimed the run")
        if self._context.stop.asked:
            return self._evidence.not_begun(verdict.aborted(self._context.stop.reason, "nothing was injected"))
        ruling = verdict.rule_before(before, self._spec.steady_state.min_success_rate) or self._others_before()
        if ruling:
            return self._evidence.not_begun(ruling)
        try:
            return await self._injected()
        except ClaimedByAnother:
            raise
        except Exception:
            log.exception("the experiment broke off; undoing what may be in place")
            if self._playing.claimed:
                await self._undo("the runner failed")
            raise

    def _others_before(self) -> Ruling | None:
        """Why the probes beside the steady state, or those of abort conditions, forbid to begin."""
        for probe in self._spec.probes:
            reason, why = probing.ready(probe, self._evidence.share_before(self._panel.probes[probe.name]))
            if reason:
                return verdict.inconclusive(reason, why)
        for condition in self._spec.abort:
            why = aborting.ready(condition, self._evidence.share_before(self._panel.conditions[condition.name]))
            if why:
                return verdict.inconclusive("AbortConditionNotReady", why)
        return None

    async def _injected(self) -> Result:
        ruling = await self._repeated()
        if ruling and not self._playing.claimed:
            return self._evidence.not_begun(ruling)
        await self._undo(ruling.message if ruling else self._ending.reason or "the fault's duration was over")
        await self._aborts.stop()
        if ruling and not self._evidence.in_place:
            return self._evidence.not_begun(ruling)
        self._evidence.abort_met, self._evidence.aborts = self._aborts.met, self._aborts.looks
        if ruling and not self._aborts.met:
            self._evidence.broken = (ruling.reason, ruling.message)
        if not self._evidence.was_watched:
            self._evidence.ended(self._playing.hold_end or self._context.clock.now())
            await self._after()
        return self._evidence.result()

    async def _repeated(self) -> Ruling | None:
        """All repetitions; what broke them off, if anything did. The last one's last fault is left in place."""
        repeat, state = self._spec.repeat, self._spec.steady_state
        times, pause = (repeat.times, repeat.pause) if repeat else (1, timedelta())
        then = self._spec.recovery_timeout + state.probe.timeout + state.window + pause
        for number in range(1, times + 1):
            last = number == times
            ruling = await self._played(number, last=last, then=then)
            if ruling or last or self._ending.asked:
                return ruling
            self._evidence.ended(self._playing.hold_end or self._context.clock.now())
            await self._after()
            if not self._evidence.recovered:
                return None
            await self._ending.sleep(self._context.clock, pause.total_seconds())
            if self._ending.asked:
                return None
            self._evidence.next_repetition()
        return None

    async def _played(self, number: int, *, last: bool, then: timedelta) -> Ruling | None:
        try:
            await self._playing.play(number, last=last, then=then)
        except NotBegun as error:
            return verdict.inconclusive(error.reason, str(error))
        except NotInjected as error:
            return verdict.inconclusive("NotInjected", str(error))
        except Aborted as error:
            if self._evidence.in_place and not self._aborts.met:
                self._context.stop.ask(str(error))
            return verdict.aborted(str(error), "nothing was injected")
        return None

    async def _before(self) -> Share:
        """Watch for one window, and wait for the outcome of every request in it."""
        start = self._context.clock.now()
        end = start + self._spec.steady_state.window
        await self._context.stop.sleep(self._context.clock, (end - start).total_seconds())
        while self._panel.observed_until < end and not self._context.stop.asked:
            await self._context.stop.sleep(self._context.clock, _POLL_SECONDS)
        return self._evidence.watched_before(start, end)

    async def _undo(self, message: str) -> None:
        """Undo and see. The guardian goes on with what is not undone in time, where it has not left already."""
        usual, last = self._undo_limit(), self._context.task.deadline - _RESULT_TIME

        def limit() -> datetime:
            return last if self._playing.left_to_us else usual

        self._watch.undoing_is_ours = True
        self._evidence.note("undoing")
        undoing = Undoing(self._context.for_undoing, self._context.store, self._playing.undo_table, "runner")
        try:
            record = await undoing.run(lambda: self._context.clock.now() >= limit(), message, self._playing.note)
        except (RecordLost, ClusterError) as error:
            log.exception("whether all is undone can not be read; the guardian goes on")
            self._evidence.undoing_failed(str(error))
        else:
            self._evidence.undone(record)

    def _undo_limit(self) -> datetime:
        now, last = self._context.clock.now(), self._context.task.deadline - _RESULT_TIME
        if self._context.stop.asked:
            return min(now + _STOPPED_LIMIT, last)
        instant = [fault.about.instant for fault in self._spec.faults]
        settled = UNDO_LIMIT + timedelta(seconds=max(fault.about.settles for fault in self._spec.faults))
        limits = [] if all(instant) and self._evidence.in_place else [now + settled]
        if any(instant) and self._evidence.in_place:
            limits.append(max(now, self._evidence.last_applied + self._spec.recovery_timeout))
        return min(max(limits), last)

    async def _after(self) -> None:
        """Watch until the steady state holds for a whole window, or the time for that is over."""
        timeout = self._spec.steady_state.probe.timeout + self._spec.steady_state.window
        last = self._context.task.deadline - _RESULT_TIME
        end = min(self._evidence.fault_end + self._spec.recovery_timeout + timeout, last)
        while not self._context.stop.asked and self._context.clock.now() < end:
            if self._evidence.look_for_recovery():
                return
            await self._context.stop.sleep(self._context.clock, _POLL_SECONDS)
        self._evidence.look_for_recovery()
        self._evidence.gave_up_watching(cut_short=end >= last)
