"""From a plan to a fault in place: claim the record, wait for the guardian, apply change after change.

Nothing is changed in the target before the record with all originals is written, the guardian has shown that it can
undo them, and the state Applying was entered by a compare-and-swap that an abort would have stopped.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from firedrill.api.record import Change, ChangeState, GuardianView, Record, RecordState
from firedrill.api.record_text import LARGEST_BYTES, room_needed
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError
from firedrill.core.naming import guardian_name
from firedrill.runner.context import RunContext
from firedrill.runner.faults.driver import Fault, NotInjected
from firedrill.runner.marking import Marks
from firedrill.runner.overlap import busy_with
from firedrill.runner.ports import Object
from firedrill.runner.record_store import Aborted, Refused
from firedrill.runner.retry import retry

log = logging.getLogger(__name__)

#: The guardian must have shown itself by then.
GUARDIAN_WAIT: Final = timedelta(seconds=60)
#: Undoing must be over so long before the run's deadline, for the runner to write its result.
RESULT_MARGIN: Final = timedelta(seconds=10)
#: The guardian lets the runner be so long after the fault should have ended.
UNDO_SLACK: Final = timedelta(seconds=30)
#: With less than this left beyond the fault's duration, injecting is not begun.
LEAST_SLACK: Final = timedelta(seconds=10)
_POLL_SECONDS: Final = 0.5
_AT_ONCE: Final = 8
#: With many changes it takes longer until the last one is asked for: so many are at least in a second.
_LEAST_RATE: Final = 10


class NotBegun(Exception):
    """The experiment ended before anything was injected."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ClaimedByAnother(Exception):
    """Another pod carries this run out; this one must leave no trace, not even a result."""


class Injecting:
    """Puts one fault in place. ``hold`` is how long after the start everything is to be undone."""

    def __init__(self, context: RunContext, fault: Fault, duration: timedelta, hold: timedelta) -> None:
        self._context = context
        self._fault = fault
        self._duration = duration
        self._hold = hold
        self._broken = False
        self._marks = Marks(context.store)

    async def claim(self, changes: Sequence[Change]) -> Record:
        """Write the record with all that is planned; raises NotBegun, ClaimedByAnother."""
        task, now = self._context.task, self._context.clock.now()
        last = task.deadline - RESULT_MARGIN
        if now + self._duration + LEAST_SLACK > last:
            raise NotBegun("Timeout", "too little of the run's time is left to inject the fault and to undo it")
        record = Record(
            uid=task.uid,
            run_id=task.run_id,
            cluster=task.cluster,
            kind=task.kind,
            claim=self._context.identity.uid,
            deadline=min(last, now + GUARDIAN_WAIT + self._hold + UNDO_SLACK + _spread(changes)),
            changes=list(changes),
        )
        size = room_needed(record)
        if size > LARGEST_BYTES:
            raise NotBegun(
                "NotApplicable",
                f"{len(changes)} changes take up to {size // 1024} KiB of record, and Kubernetes keeps "
                f"{LARGEST_BYTES // 1024}: choose fewer targets, or smaller objects",
            )
        try:
            await self._context.vault.commit()
        except ClusterError as error:
            raise NotBegun("VaultUnavailable", f"what is to be put back can not be kept: {error}") from error
        answer = await self._context.store.claim(record)
        if isinstance(answer, Refused):
            await self._forget()
            if answer.claim and answer.claim != record.claim:
                raise ClaimedByAnother(f"pod {answer.claim} has claimed the run")
            raise NotBegun("Cancelled", answer.abort or "the run was cancelled before it began")
        log.info("claimed the record with %d planned changes", len(changes))
        return answer.record

    async def _forget(self) -> None:
        """What was kept for a run that is not ours."""
        try:
            await self._context.vault.forget_own()
        except ClusterError as error:
            log.warning("what was kept is left to the guardian, which takes it away: %s", error)

    async def await_guardian(self) -> GuardianView:
        """Wait until the guardian is armed and runs; raises NotBegun."""
        limit = self._context.clock.now() + GUARDIAN_WAIT
        why = "it has not written itself into the record"
        while self._context.clock.now() < limit:
            if self._context.stop.asked:
                raise Aborted(self._context.stop.reason)
            record, _control = await retry(self._context.clock, self._context.store.read, "waiting for the guardian")
            view = record.guardian if record else None
            if view is not None and not view.permitted:
                raise NotBegun("GuardianNotPermitted", f"the guardian could not undo the fault: {view.message}")
            if view is not None:
                if await self._runs(view):
                    return view
                why = f"its pod {view.pod_uid} does not run"
            await self._context.stop.sleep(self._context.clock, _POLL_SECONDS)
        raise NotBegun(
            "GuardianNotReady",
            f"no guardian was ready to undo the fault within {GUARDIAN_WAIT.total_seconds():g} s: {why}",
        )

    async def apply(self) -> Record:
        """Enter Applying, carry out every change, enter Applied.

        Raises Aborted where somebody asked to stop before the first change, and NotInjected where a change could
        not be carried out: then, as after a wish to stop in between, what was applied remains to be undone.
        """
        other = await busy_with(self._context)
        if other:
            raise NotBegun("Busy", f"another experiment is at work there: {other}; try again when it has ended")
        view = await self.await_guardian()
        log.info("guardian %s on node %s is armed", view.pod_uid, view.node)
        record = await self._context.store.update_unless_aborted(self._enter)
        slots = asyncio.Semaphore(_AT_ONCE)
        outcomes = await asyncio.gather(
            *(self._apply_one(index, change, slots) for index, change in enumerate(record.changes)),
            return_exceptions=True,
        )
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for failure in failures:
            if not isinstance(failure, NotInjected):
                raise failure
        if failures:
            raise failures[0]
        record = await self._context.store.update(self._leave)
        if not any(change.applied_at for change in record.changes):
            raise Aborted(self._context.stop.reason)
        return record

    def _enter(self, record: Record) -> Record:
        if record.claim != self._context.identity.uid:
            raise ClaimedByAnother(f"pod {record.claim} has claimed the run")
        if record.state is RecordState.APPLYING:
            return record  # an earlier try, whose answer was lost
        if record.state is not RecordState.PREPARED:
            raise Aborted(f"GuardianActed: the record is {record.state} already")
        spread = _spread(record.changes)
        now = self._context.clock.now() + spread
        deadline = min(self._context.task.deadline - RESULT_MARGIN, now + self._hold + UNDO_SLACK)
        if now + self._duration + LEAST_SLACK > deadline:
            raise NotBegun("Timeout", "too little of the run's time is left to inject the fault and to undo it")
        return record.model_copy(
            update={
                "state": RecordState.APPLYING,
                "deadline": deadline,
                "changes": [self._fault.schedule(change, now, deadline) for change in record.changes],
            }
        )

    async def _apply_one(self, index: int, change: Change, slots: asyncio.Semaphore) -> None:
        async with slots:
            if self._context.stop.asked or self._broken:
                log.info("not carried out any more: %s of %s", change.type, change.name)
                await self._marks.put(index, _skipped)
                return
            try:
                applied = await self._fault.apply(change)
            except NotInjected as error:
                log.warning("not injected: %s", error)
                self._broken = True  # the others need not be begun; what was begun is undone
                raise
            log.info("applied %s to %s/%s", change.type, change.namespace, change.name)
        await self._marks.put(index, lambda _found: applied)

    def _leave(self, record: Record) -> Record:
        if record.state is not RecordState.APPLYING:
            return record
        return record.model_copy(update={"state": RecordState.APPLIED, "applied_at": self._context.clock.now()})

    async def _runs(self, view: GuardianView) -> bool:
        """Whether the pod that armed itself is Running, at this moment."""
        task = self._context.task
        query = {"labelSelector": f"batch.kubernetes.io/job-name={guardian_name(task.job)}"}
        listed = await retry(
            self._context.clock,
            lambda: self._context.client.get(paths.pods(task.runner_namespace), query),
            "looking for the guardian",
        )
        return any(_is_running(pod) for pod in listed.get("items") or () if pod["metadata"]["uid"] == view.pod_uid)


def _spread(changes: Sequence[Change]) -> timedelta:
    """How much longer than one change so many may take to be asked for."""
    return timedelta(seconds=len(changes) / _LEAST_RATE)


def _is_running(pod: Object) -> bool:
    """Whether a pod and all its containers run; the phase alone stays Running while a container waits to restart."""
    status = pod.get("status") or {}
    containers = [item.get("state") or {} for item in status.get("containerStatuses") or ()]
    return (
        status.get("phase") == "Running"
        and "deletionTimestamp" not in pod["metadata"]
        and all("running" in state for state in containers)
    )


def _skipped(change: Change) -> Change:
    return change.model_copy(update={"state": ChangeState.UNDONE, "evidence": "was never carried out"})
