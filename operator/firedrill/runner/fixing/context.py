"""What every step of a fix works with."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from firedrill.api.autofix import AutoFixSpec
from firedrill.api.record import Control, RecordState
from firedrill.api.task import Task
from firedrill.clusters.errors import ClusterError
from firedrill.engines.fix.patch import mark_of
from firedrill.engines.fix.tryout import Attempt
from firedrill.runner.context import Identity, Stop
from firedrill.runner.fixing.ledger import Ended, Ledger, inconclusive
from firedrill.runner.ports import Clock, Cluster
from firedrill.runner.record_store import Aborted, RecordStore
from firedrill.runner.retry import is_passing

log = logging.getLogger(__name__)

#: Tries to connect to an address (host:port) within seconds.
Dial = Callable[[str, float], Awaitable[Attempt]]

#: How often a cluster is looked at while something is waited for.
POLL_SECONDS = 1.0


#: The guardian is due so long before the run's own deadline, so that there is a result by then.
RESULT_TIME = timedelta(seconds=5)


def guardian_acted() -> Ended:
    """The end of a run that is being undone already."""
    return inconclusive("GuardianActed", "the guardian has begun to undo the run")


@dataclass(frozen=True)
class FixContext:
    """One run: its task, its cluster, its clock and what it writes down."""

    task: Task
    spec: AutoFixSpec
    client: Cluster
    clock: Clock
    store: RecordStore
    stop: Stop
    identity: Identity
    ledger: Ledger
    dial: Dial
    #: host:port of the API server as pods see it.
    api_address: str

    @property
    def namespace(self) -> str:
        """Namespace of the Deployment."""
        return self.spec.target.deployment.namespace

    @property
    def name(self) -> str:
        """Name of the Deployment."""
        return self.spec.target.deployment.name

    @property
    def mark(self) -> str:
        """What a Deployment says when this run has set its template."""
        return mark_of(self.task.uid, self.task.run_id)

    def guardian_due(self, after: timedelta) -> datetime:
        """When the guardian undoes the run unless told otherwise: so long from now, and before the run has to end."""
        return min(self.clock.now() + after, self.task.deadline - RESULT_TIME)

    async def pause(self, seconds: float) -> None:
        """Wait, but not past a wish to stop."""
        await self.stop.sleep(self.clock, seconds)

    async def go_on(self) -> Control:
        """What the operator says.

        Raises Aborted when it, or a signal, says to stop, and Ended when time is up or when the run is being undone.
        Called between any two looks while something is waited for. A record that can not be read for a moment is no
        reason to stop: the next call reads it again, and nothing is changed without it.
        """
        if self.stop.asked:
            raise Aborted(self.stop.reason)
        if self.clock.now() >= self.task.deadline:
            raise inconclusive("Timeout", "the deadline of the run has come")
        try:
            record, control = await self.store.read()
        except ClusterError as error:
            if not is_passing(error):
                raise
            log.warning("goes on without having read the record: %s", error)
            return Control()
        if control.abort:
            raise Aborted(control.abort)
        if record is None or record.state is RecordState.UNDOING or record.state.settled:
            raise guardian_acted()
        return control
