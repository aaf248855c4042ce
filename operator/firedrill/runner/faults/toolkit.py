"""An experiment of Chaos Toolkit as a fault: checked whole, recorded, run beside us, rolled back."""

import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import yaml

from firedrill.api import meta
from firedrill.api.changes import Change, ChangeState, ToolkitStarted
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.engines import ChaosToolkit, bounded
from firedrill.clusters import paths
from firedrill.clusters.errors import Forbidden, NotFound
from firedrill.engines.chaos.outcome import EngineOutcome
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.toolkit import document
from firedrill.engines.chaos.toolkit.journal import Journal, Phase, outcome
from firedrill.engines.chaos.views import PodView
from firedrill.runner.context import RunContext, Stop
from firedrill.runner.faults.driver import Look, NotInjected
from firedrill.runner.faults.toolkit_undo import judged, rolled_back
from firedrill.runner.toolkit.port import Request, Running, ToolkitRefused
from firedrill.runner.undoing import Seen, UndoContext, seen, waiting

log = logging.getLogger(__name__)

#: The experiment is not begun later than this after applying began.
_START_LIMIT: Final = timedelta(seconds=30)
#: Its process has ended so long before the record's deadline: then the guardian alone is at work.
_END_MARGIN: Final = timedelta(seconds=3)
#: What is asked to stop has so long to begin with its rollbacks; then its process is ended and they are run by us.
_STOP_LIMIT: Final = timedelta(seconds=10)
_ROLLBACK_LIMIT: Final = timedelta(seconds=30)
_POLL_SECONDS: Final = 0.25


class ToolkitFault:
    """One experiment of Chaos Toolkit, in a process of this pod."""

    def __init__(self, context: RunContext, spec: ChaosExperimentSpec, fault: ChaosToolkit) -> None:
        self._context = context
        self._spec = spec
        self._fault = fault
        self._prepared: dict[str, Any] = {}
        self._running: Running | None = None
        self._stop_asked_at: datetime | None = None
        self._forced = False

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """Whether the policy allows all that it calls, and all of it is here. Nothing is changed."""
        del pods
        policy = self._context.task.policy.chaos_toolkit
        if policy is None:
            return Refusal(
                "NotPermitted",
                f"TargetCluster {self._context.task.cluster} allows no Chaos Toolkit: policy.chaosToolkit",
            )
        experiment = await self._experiment()
        if isinstance(experiment, Refusal):
            return experiment
        refused = document.forbidden(experiment, policy)
        if refused:
            return Refusal("NotPermitted", f"the experiment may not do all it asks for: {refused}")
        lacking = document.missing(experiment, self._fault.env)
        if lacking:
            return Refusal("NotApplicable", f"the experiment can not be run: {lacking}")
        request = Request(experiment, dict(self._fault.env), self._spec.target.namespace)
        try:
            self._prepared = await self._context.toolkit.prepare(request)
        except ToolkitRefused as error:
            return Refusal("NotApplicable", f"the experiment can not be run: {error}")
        return None

    async def _experiment(self) -> dict[str, Any] | Refusal:
        if self._fault.experiment is not None:
            return self._fault.experiment
        source = self._fault.config_map
        assert source is not None  # the model asks for exactly one of the two
        task = self._context.task
        where = f"ConfigMap {source.name} in namespace {task.runner_namespace}"
        try:
            body = await self._context.client.get(paths.configmaps(task.runner_namespace, source.name))
        except NotFound:
            return Refusal("NotApplicable", f"{where} does not exist")
        except Forbidden as error:
            return Refusal("NotPermitted", f"{where} can not be read: {error.message}")
        if (body["metadata"].get("labels") or {}).get(meta.LABEL_HUB_NAMESPACE) != task.namespace:
            return Refusal("NotPermitted", f"{where} has no label {meta.LABEL_HUB_NAMESPACE}={task.namespace}")
        text = (body.get("data") or {}).get(source.key)
        if text is None:
            return Refusal("NotApplicable", f"{where} has no key {source.key}")
        try:
            return _parsed(text)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
            return Refusal("NotApplicable", f"{where}, key {source.key}: {error}")

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """The experiment as it was prepared: what it has read before stays what its rollbacks put back."""
        del pods, now
        change = ToolkitStarted(
            namespace=self._spec.target.namespace,
            name=str(self._prepared.get("title", "experiment"))[:253],
            body=self._prepared,
            runner_pod=self._context.identity.uid,
        )
        return [change]

    def schedule(self, change: ToolkitStarted, now: datetime, deadline: datetime) -> Change:
        """It begins soon, and its process ends before the guardian may act."""
        update = {"not_after": min(now + _START_LIMIT, deadline), "ends_at": deadline - _END_MARGIN}
        return change.model_copy(update=update)

    async def apply(self, change: ToolkitStarted) -> Change:
        """Start it."""
        now = self._context.clock.now()
        assert change.ends_at is not None  # set as applying begins
        if change.not_after is not None and now > change.not_after:
            raise NotInjected("the experiment could not be started in time")
        every = self._fault.frequency or timedelta(seconds=1)
        self._running = await self._context.toolkit.start(
            change.body, self._fault.hypothesis.value, every, change.ends_at - now
        )
        evidence = "the experiment was started"
        return change.model_copy(update={"state": ChangeState.APPLIED, "applied_at": now, "evidence": evidence})

    async def hold(self, stop: Stop, end: datetime) -> None:
        """Until the experiment has ended, its time is over, or somebody asks to stop."""
        while not stop.asked and self._context.clock.now() < end and not (self._running and self._running.ended):
            await stop.sleep(self._context.clock, _POLL_SECONDS)

    async def look(self, change: ToolkitStarted) -> Look:
        """What it has done so far."""
        del change
        done = self._journal().actions(succeeded=True)
        return Look(reverted=False, effect=f"Chaos Toolkit has carried out {', '.join(done)[:300]}" if done else "")

    async def undo(self, context: UndoContext, change: ToolkitStarted) -> Seen:
        """One step towards the end of its rollbacks, in the process that has started it."""
        running = self._running
        if running is None:
            return seen(change, "the experiment was never started")
        if not running.ended:
            return waiting(change, self._stopping(running, context.clock.now()))
        journal = running.journal
        ended = journal.ended_at if journal.phase is Phase.ENDED else None
        done = sorted({*change.rolled_back, *journal.rolled_back})
        noted = change.model_copy(update={"rolled_back": done, "ended_at": change.ended_at or ended})
        return judged(noted, journal.verified) or await rolled_back(context, noted, _ROLLBACK_LIMIT)

    def _stopping(self, running: Running, now: datetime) -> str:
        if self._stop_asked_at is None:
            self._stop_asked_at = now
            running.interrupt()
        elif running.journal.phase is not Phase.ROLLBACKS and now - self._stop_asked_at > _STOP_LIMIT:
            self._forced = True
            running.kill()
            return "the experiment did not stop when it was asked to, and was ended"
        return "the experiment is asked to stop, and to run its rollbacks"

    def ended_at(self, change: ToolkitStarted, undone_at: datetime) -> datetime:
        """When its rollbacks had ended."""
        return min(change.ended_at or undone_at, undone_at)

    def proven(self, change: ToolkitStarted) -> bool:
        """An action of its method is told as succeeded."""
        del change
        return bool(self._journal().actions(succeeded=True))

    def outcome(self) -> EngineOutcome:
        """What its journal says; what we have ended by force was interrupted, and could not say so."""
        journal = self._journal()
        if self._forced and journal.phase is not Phase.ENDED:
            journal = journal.model_copy(update={"phase": Phase.ENDED, "status": "interrupted"})
        return outcome(journal)

    def _journal(self) -> Journal:
        return self._running.journal if self._running else Journal()


def _parsed(text: str) -> dict[str, Any]:
    """An experiment from JSON or YAML; raises ValueError, YAMLError, TypeError."""
    try:
        found = json.loads(text)
    except ValueError:
        # A few lines of aliases can stand for more than any memory holds.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise ValueError("holds YAML aliases: write out what they stand for") from None
        found = yaml.safe_load(text)
    if not isinstance(found, dict):
        raise ValueError("holds no experiment")
    return bounded(json.loads(json.dumps(found)))
