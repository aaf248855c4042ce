"""Watching the record while an experiment goes on: the operator may ask to stop, the guardian may have acted."""

import asyncio
import logging
from typing import Final

from firedrill.api.record import Control, Record, RecordState
from firedrill.clusters.errors import ClusterError
from firedrill.runner.context import RunContext
from firedrill.runner.record_store import RecordLost

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.5


class RecordWatch:
    """Turns what the record says into a wish to stop, from ``start`` to ``stop``."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._task: asyncio.Task[None] | None = None
        #: Set when this runner begins to undo: the states that follow are then no news.
        self.undoing_is_ours = False
        #: UID of another pod that was seen to have claimed the run.
        self.claimed_by = ""

    def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Watch no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._context.stop.asked:
            try:
                record, control = await self._context.store.read()
                if record is not None and record.claim != self._context.identity.uid:
                    self.claimed_by = record.claim
                    self._context.stop.ask(f"ClaimedByAnother: pod {record.claim} has claimed the run")
                    return
                reason = reason_to_stop(record, control, undoing_is_ours=self.undoing_is_ours)
                if reason:
                    log.warning("asked to stop: %s", reason)
                    self._context.stop.ask(reason)
            except (ClusterError, RecordLost) as error:
                # The fault ends by its own clock; not hearing from the operator for a while does not change that.
                log.warning("the record could not be read: %s", error)
            await self._context.clock.sleep(POLL_SECONDS)


def reason_to_stop(record: Record | None, control: Control, *, undoing_is_ours: bool) -> str:
    """Why an experiment that goes on has to stop; empty to go on."""
    if control.abort:
        return control.abort
    if record is not None and not undoing_is_ours and (record.state is RecordState.UNDOING or record.state.settled):
        return "GuardianActed: the guardian has begun to undo the run"
    return ""
