"""An experiment of AWS FIS as a fault: allowed by its template's id, started once, watched, stopped."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.changes import Change, ChangeState, FisStarted
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.awsfis import AwsFis
from firedrill.clusters.errors import ClusterError, Throttled
from firedrill.engines.chaos.adapters.awsfis import Experiment, outcome
from firedrill.engines.chaos.outcome import EngineOutcome
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.context import RunContext, Stop
from firedrill.runner.faults.asked import IN_FLIGHT, soon, too_late
from firedrill.runner.faults.driver import Look, NothingDone, NotInjected
from firedrill.runner.fis.port import FisError, FisUnreachable
from firedrill.runner.retry import retry

_POLL_SECONDS: Final = 2.0
#: Of one request to start it, connecting and logging in included: less than it counts as being on its way.
_ATTEMPT_SECONDS: Final = (IN_FLIGHT - timedelta(seconds=2)).total_seconds()


class AwsFisFault:
    """One experiment of AWS FIS."""

    def __init__(self, context: RunContext, spec: ChaosExperimentSpec, fault: AwsFis) -> None:
        self._context = context
        self._namespace = spec.target.namespace
        self._fault = fault
        self._fis = context.fis.region(fault.region)
        self._identity = ""
        self._seen: Experiment | None = None

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """Whether the policy names the template, and AWS shows it to us."""
        del pods
        task, template = self._context.task, self._fault.template
        allowed = task.policy.aws_fis.templates if task.policy.aws_fis else []
        if template not in allowed:
            return Refusal(
                "NotPermitted",
                f"TargetCluster {task.cluster} does not allow the template {template}: policy.awsFis.templates",
            )
        try:
            await retry(self._context.clock, lambda: self._fis.actions(template), "asking AWS for the template")
        except FisError as error:
            return Refusal("NotApplicable" if error.missing else "NotPermitted", str(error))
        except (FisUnreachable, Throttled) as error:
            return Refusal("NotApplicable", str(error))
        return None

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """One experiment, which is found again by its token."""
        del pods, now
        change = FisStarted(
            namespace=self._namespace,
            name=self._fault.template,
            region=self._fault.region,
            token=f"{self._context.task.job}-{self._context.task.run_id}"[-64:],
        )
        return [change]

    def schedule(self, change: FisStarted, now: datetime, deadline: datetime) -> Change:
        """It must be started soon: until then, and a little longer, nobody can say that it was not."""
        return soon(change, now, deadline)

    async def apply(self, change: FisStarted) -> Change:
        """Start it. A second try with the same token starts no second one."""
        asked_at = self._context.clock.now()
        what = f"an experiment of {change.name}"
        # A refusal is sure only where no earlier request is without an answer.
        refused: type[NotInjected] = NothingDone

        async def start() -> str:
            nonlocal refused
            if too_late(change, self._context.clock):
                raise refused(f"{what} could not be started in time")
            try:
                async with asyncio.timeout(_ATTEMPT_SECONDS):
                    return await self._fis.start(change.name, change.token)
            except FisError as error:
                raise refused(f"AWS refuses to start {what}: {error}") from error
            except TimeoutError as error:
                refused = NotInjected
                raise FisUnreachable("AWS FIS has not answered in time") from error
            except FisUnreachable:
                refused = NotInjected
                raise

        try:
            self._identity = await retry(self._context.clock, start, "starting the experiment")
        except Throttled as error:
            raise refused(f"{what} was not started: AWS asks to come back later: {error}") from error
        except FisUnreachable as error:
            raise NotInjected(f"{what} may have begun, but AWS has not said so: {error}") from error
        update = {
            "state": ChangeState.APPLIED,
            "applied_at": asked_at,
            "experiment": self._identity,
            "evidence": f"experiment {self._identity} of {change.name} in {change.region} was started",
        }
        return change.model_copy(update=update)

    async def hold(self, stop: Stop, end: datetime) -> None:
        """Watch what it tells, until it has ended by itself, its time is over, or somebody asks to stop."""
        clock = self._context.clock
        while not stop.asked and clock.now() < end:
            await self._observe()
            if self._seen is not None and self._seen.ended:
                return
            await stop.sleep(clock, min(_POLL_SECONDS, (end - clock.now()).total_seconds()))

    async def _observe(self) -> None:
        try:
            self._seen = await self._fis.experiment(self._identity)
        except ClusterError:
            # What it told before counts; that it ends does not hang on our watching it.
            return

    async def look(self, change: FisStarted) -> Look:
        """What it tells."""
        del change
        await self._observe()
        return Look(reverted=False, effect=str(self._seen) if self._seen and self._seen.begun else "")

    def ended_at(self, change: FisStarted, undone_at: datetime) -> datetime:
        """When it was seen to have ended."""
        del change
        return undone_at

    def proven(self, change: FisStarted) -> bool:
        """AWS tells that an action was begun."""
        del change
        return bool(self._seen and self._seen.begun)

    def outcome(self) -> EngineOutcome:
        """What it has told last before it was stopped."""
        return outcome(self._seen)
