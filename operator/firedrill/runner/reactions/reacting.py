"""Acts on drift: at most once in a cool-down, and once for a run however often it is tried."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from firedrill.api.driftcheck import DriftCheckSpec
from firedrill.api.ondrift import DriftAction, OnDrift, Reacted
from firedrill.api.task import Task
from firedrill.clusters.errors import ClusterError
from firedrill.core.reacting import NOTHING_STARTED
from firedrill.core.refusal import may_start
from firedrill.engines.drift.reaction import Situation, held
from firedrill.runner.context import RunContext
from firedrill.runner.reactions.ledger import Ledger
from firedrill.runner.reactions.notification import notify
from firedrill.runner.reactions.objects import start_job, start_workflow
from firedrill.runner.reactions.port import Acted, ActionFailed, Came, Found, Occasion, Reaction
from firedrill.runner.reactions.sagemaker import start_pipeline
from firedrill.runner.reactions.webhook import send
from firedrill.sources.context import LoginReader
from firedrill.sources.login import CredentialsRefused

log = logging.getLogger(__name__)

#: Notes that are followed from the one that the operator knew of.
_NOTES: Final = 10
_MESSAGE_LENGTH: Final = 1000
_NAMES: Final = 100

Start = Callable[[DriftAction, Occasion], Awaitable[str]]


async def only_told(spec: DriftCheckSpec, task: Task, found: Found) -> Reaction:
    """Without a cluster nothing is started: what would be is told."""
    on_drift = _asked(spec)
    why = held(Situation(found.verdict, task.started_at, task.deadline, on_drift.cooldown))
    if why is not None:
        return Reaction(why.reason, why.message)
    acted = tuple(Acted(action.label, Came.NOT_TRIED) for action in on_drift.actions)
    message = f"in a cluster this would be started: {'; '.join(each.label for each in acted)}"
    return Reaction("NotInCluster", message, acted)


class Reactor:
    """Acts in the target of a run."""

    def __init__(self, context: RunContext, read_login: LoginReader, start: Start | None = None) -> None:
        self._context = context
        self._read_login = read_login
        self._start = start or self._started
        self._ledger = Ledger(context)

    async def __call__(self, spec: DriftCheckSpec, task: Task, found: Found) -> Reaction:
        """Act on what was found, or say why not.

        A note in the target is claimed before anything is started. A try of the run that finds the note of an earlier
        one carries on what that one has decided, whatever the data say by now.
        """
        try:
            decided = await self._decided(spec, task, found)
        except ClusterError as error:
            message = f"nothing is started: that the run acts could not be noted: {error}"
            return Reaction(NOTHING_STARTED, message)
        return decided if isinstance(decided, Reaction) else await self._act(_asked(spec), decided)

    async def _decided(self, spec: DriftCheckSpec, task: Task, found: Found) -> Reaction | Reacted:
        last = task.earlier.reacted
        for _ in range(_NOTES):
            after = last.run_id if last else ""
            noted = await self._ledger.find(after)
            if noted is not None and noted.run_id == task.run_id:
                return noted
            if noted is not None:
                last = noted
                continue
            now = self._context.clock.now()
            why = held(self._situation(spec, task, found, now, last))
            if why is not None:
                return Reaction(why.reason, why.message)
            mine = Reacted(
                run_id=task.run_id,
                at=now,
                message=found.message[:_MESSAGE_LENGTH],
                drifted=list(found.drifted[:_NAMES]),
            )
            if await self._ledger.claim(after, mine):
                return mine
        raise ClusterError(f"more than {_NOTES} notes of other runs follow each other")

    @staticmethod
    def _situation(spec: DriftCheckSpec, task: Task, found: Found, now: datetime, last: Reacted | None) -> Situation:
        return Situation(
            found.verdict,
            now,
            task.deadline,
            _asked(spec).cooldown,
            task.earlier.failed,
            spec.failure_threshold,
            last,
        )

    async def _act(self, on_drift: OnDrift, reacted: Reacted) -> Reaction:
        acted = []
        for number, action in enumerate(on_drift.actions, start=1):
            occasion = Occasion(self._context.task, reacted, number)
            try:
                detail = await self._start(action, occasion)
                acted.append(Acted(action.label, Came.STARTED, detail))
            except ActionFailed as error:
                log.warning("%s: %s", action.label, error)
                acted.append(Acted(action.label, Came.UNSURE if error.unsure else Came.FAILED, str(error)))
            except Exception as error:
                # A bug in an action must not take the verdict with it.
                log.exception("%s broke off", action.label)
                acted.append(Acted(action.label, Came.UNSURE, f"it broke off: {type(error).__name__}"))
        return _summed(tuple(acted))

    async def _started(self, action: DriftAction, occasion: Occasion) -> str:
        context = self._context
        if action.job is not None:
            return await start_job(context, action.job, occasion)
        if action.argo_workflow is not None:
            return await start_workflow(context, action.argo_workflow, occasion)
        asked = action.webhook or action.notification or action.sage_maker_pipeline
        assert asked is not None  # the model admits no action without a member
        try:
            login = await self._read_login(asked.secret_ref)
        except (CredentialsRefused, OSError) as error:
            raise ActionFailed(f"secretRef: {error}") from error
        if action.webhook is not None:
            return await send(action.webhook, login, occasion, context.clock)
        if action.notification is not None:
            return await notify(login, occasion, context.clock)
        pipeline = action.sage_maker_pipeline
        assert pipeline is not None
        if pipeline.secret_ref is not None and not (login.username and login.password):
            # Without a key of its own it would be signed by the runner's identity, which the policy has to allow.
            raise ActionFailed(f"secretRef: Secret {pipeline.secret_ref.name} holds no username and password (a key)")
        if pipeline.secret_ref is None and not may_start(context.task.policy, pipeline):
            raise ActionFailed(f"policy.sageMakerPipelines of the target does not name {pipeline.pipeline_name}")
        return await start_pipeline(pipeline, login, occasion)


def _summed(acted: tuple[Acted, ...]) -> Reaction:
    came = {each.came for each in acted}
    told = "; ".join(each.phrase for each in acted)
    if came == {Came.STARTED}:
        return Reaction("Started", told, acted)
    return Reaction(NOTHING_STARTED if came == {Came.FAILED} else "PartlyStarted", told, acted)


def _asked(spec: DriftCheckSpec) -> OnDrift:
    assert spec.on_drift is not None  # nobody is asked to act where nothing is to be started
    return spec.on_drift
