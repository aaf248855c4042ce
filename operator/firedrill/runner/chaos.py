"""ChaosExperiment: steady state, fault, undo seen, recovery timed.

The order of everything that leaves a trace: checks and steady state (none), record, guardian armed, Applying,
changes, Applied, Undoing, undone and seen, Undone. Wherever the runner dies in between, the guardian reads from the
record what may be in place.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.record import Record
from firedrill.api.resource import parse_spec
from firedrill.api.task import Result
from firedrill.clusters.errors import ClusterError
from firedrill.engines.chaos import verdict
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.samples import Share
from firedrill.engines.chaos.verdict import Ruling
from firedrill.runner.asking import Asking, asking
from firedrill.runner.context import RunContext
from firedrill.runner.evidence import Evidence
from firedrill.runner.faults.driver import NotInjected
from firedrill.runner.faults.table import UNDO, fault_of
from firedrill.runner.injecting import ClaimedByAnother, Injecting, NotBegun
from firedrill.runner.precheck import Targets, find_targets
from firedrill.runner.prober import Ask, Prober
from firedrill.runner.record_store import Aborted, RecordLost
from firedrill.runner.undoing import UndoContext, Undoing
from firedrill.runner.watching import RecordWatch

log = logging.getLogger(__name__)

#: The runner tries so long to undo a fault that does not undo itself.
_UNDO_LIMIT: Final = timedelta(seconds=60)
#: After a wish to stop, the runner tries so long to undo; the guardian goes on.
_STOPPED_LIMIT: Final = timedelta(seconds=20)
#: Kept free before the run's deadline for the result.
_RESULT_TIME: Final = timedelta(seconds=3)
_POLL_SECONDS: Final = 0.25


async def run(context: RunContext, ask: Ask | None = None) -> Result | None:
    """Carry out the experiment; None where another pod has claimed it.

    Raises InvalidInput for a spec that does not parse. Whatever else is raised, faults were undone first as far as
    the cluster let us.
    """
    spec = parse_spec(ChaosExperimentSpec, context.task.spec)
    question = asking(spec.steady_state.probe, context)
    try:
        return await _Experiment(context, spec, question, ask or question).run()
    except ClaimedByAnother as error:
        log.warning("leaving everything to another pod: %s", error)
        return None
    finally:
        await question.close()


class _Experiment:
    def __init__(self, context: RunContext, spec: ChaosExperimentSpec, question: Asking, ask: Ask) -> None:
        self._context = context
        self._question = question
        self._spec = spec
        self._fault = fault_of(context, spec)
        self._prober = Prober(context.clock, spec.steady_state.probe.interval, ask)
        self._evidence = Evidence(context, spec, self._fault, self._prober)
        self._watch = RecordWatch(context)

    async def run(self) -> Result:
        """The experiment from the first check to the result."""
        context, spec = self._context, self._spec
        found = await find_targets(context.client, context.clock, context.task, spec, self._fault)
        if isinstance(found, Refusal):
            return self._evidence.not_begun(verdict.inconclusive(found.reason, found.message))
        self._evidence.targets(found)
        refusal = await self._question.ready()
        if refusal:
            return self._evidence.not_begun(verdict.inconclusive(refusal.reason, refusal.message))
        if spec.dry_run:
            return await self._rehearsed(found)
        self._prober.start()
        self._watch.start()
        try:
            return await self._measured(found)
        finally:
            await self._watch.stop()
            await self._prober.stop()

    async def _rehearsed(self, found: Targets) -> Result:
        """Tell what would be done."""
        try:
            planned = await self._fault.plan(found.selected, self._context.clock.now())
        except NotInjected as error:
            return self._evidence.not_begun(verdict.inconclusive("NotInjected", str(error)))
        self._evidence.planned(planned)
        return self._evidence.not_begun(verdict.rehearsed(planned))

    async def _measured(self, found: Targets) -> Result:
        before = await self._before()
        if self._watch.claimed_by:
            raise ClaimedByAnother(f"pod {self._watch.claimed_by} has claimed the run")
        if self._context.stop.asked:
            return self._evidence.not_begun(verdict.aborted(self._context.stop.reason, "nothing was injected"))
        ruling = verdict.rule_before(before, self._spec.steady_state.min_success_rate)
        if ruling:
            return self._evidence.not_begun(ruling)
        hold = self._spec.recovery_timeout if self._spec.fault.about.instant else timedelta()
        injecting = Injecting(self._context, self._fault, self._spec.duration, max(self._spec.duration, hold))
        try:
            await injecting.claim(await self._fault.plan(found.selected, self._context.clock.now()))
        except NotBegun as error:
            return self._evidence.not_begun(verdict.inconclusive(error.reason, str(error)))
        except NotInjected as error:
            return self._evidence.not_begun(verdict.inconclusive("NotInjected", str(error)))
        try:
            return await self._claimed(injecting)
        except ClaimedByAnother:
            raise
        except Exception:
            log.exception("the experiment broke off; undoing what may be in place")
            await self._undo("the runner failed")
            raise

    async def _claimed(self, injecting: Injecting) -> Result:
        ruling: Ruling | None = None
        try:
            record = await injecting.apply()
            self._evidence.applied(record)
        except NotBegun as error:
            ruling = verdict.inconclusive(error.reason, str(error))
        except Aborted as error:
            ruling = verdict.aborted(str(error), "nothing was injected")
        except NotInjected as error:
            ruling = verdict.inconclusive("NotInjected", str(error))
        if ruling:
            await self._undo(ruling.message)
            return self._evidence.not_begun(ruling)
        hold_end = await self._hold()
        reverted = await self._look(record)
        await self._undo(self._context.stop.reason or "the fault's duration was over")
        self._evidence.ended(hold_end, reverted)
        await self._after()
        return self._evidence.result()

    async def _before(self) -> Share:
        """Watch for one window, and wait for the outcome of every request in it."""
        start = self._context.clock.now()
        end = start + self._spec.steady_state.window
        await self._context.stop.sleep(self._context.clock, (end - start).total_seconds())
        while self._prober.observed_until < end and not self._context.stop.asked:
            await self._context.stop.sleep(self._context.clock, _POLL_SECONDS)
        return self._evidence.watched_before(start, end)

    async def _hold(self) -> datetime:
        """Leave the fault on for its duration, unless somebody asks to stop; when that was over."""
        end = self._evidence.last_applied + self._spec.duration
        await self._context.stop.sleep(self._context.clock, (end - self._context.clock.now()).total_seconds())
        self._evidence.note(f"the fault is to end: {self._context.stop.reason or 'its duration is over'}")
        return self._context.clock.now()

    async def _look(self, record: Record) -> list[str]:
        """What is seen of the fault before we end it; targets where it ended before, as far as that can be seen."""
        found = []
        try:
            for change in record.changes:
                look = await self._fault.look(change)
                if look.effect:
                    self._evidence.note(f"{change.name}: {look.effect}")
                if look.reverted:
                    found.append(change.key)
        except ClusterError as error:
            # Ending the fault must not wait for this; what the probe and the kernel saw counts all the same.
            log.warning("whether somebody else ended the fault is not known: %s", error)
            self._evidence.note(f"whether somebody else ended the fault is not known: {error}")
        return found

    async def _undo(self, message: str) -> None:
        """Undo and see. The guardian goes on with what is not undone in time."""
        limit = self._undo_limit()
        self._watch.undoing_is_ours = True
        self._evidence.note("undoing")
        context = UndoContext(self._context.client, self._context.task, self._context.clock, self._context.stores)
        undoing = Undoing(context, self._context.store, UNDO, "runner")
        try:
            record = await undoing.run(lambda: self._context.clock.now() >= limit, message)
        except (RecordLost, ClusterError) as error:
            log.exception("whether all is undone can not be read; the guardian goes on")
            self._evidence.undoing_failed(str(error))
        else:
            self._evidence.undone(record)

    def _undo_limit(self) -> datetime:
        now, last = self._context.clock.now(), self._context.task.deadline - _RESULT_TIME
        if self._context.stop.asked:
            return min(now + _STOPPED_LIMIT, last)
        if self._spec.fault.about.instant and self._evidence.injected:
            return min(max(now, self._evidence.last_applied + self._spec.recovery_timeout), last)
        return min(now + _UNDO_LIMIT, last)

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
