"""Chaos Toolkit as the simulated cluster has it: a process beside ours that dies with it, and whose writes count."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from chaos_process import Killed, Process

from firedrill.clusters import paths
from firedrill.clusters.client import JSON_PATCH
from firedrill.clusters.errors import ClusterError
from firedrill.engines.chaos.toolkit.journal import Activity, Journal, Phase
from firedrill.runner.toolkit.port import Request, RolledBack

Object = dict[str, Any]
_STARTS_IN = 1.5


def scale(name: str, replicas: int, kind: str = "action") -> Object:
    """An activity that scales the ledger."""
    arguments = {"name": "ledger", "replicas": replicas, "ns": "payments"}
    provider = {"type": "python", "module": "chaosk8s.deployment.actions", "func": "scale_deployment"}
    return {"type": kind, "name": name, "provider": {**provider, "arguments": arguments}}


SCALED_TO_NONE: Object = {
    "title": "no ledger",
    "description": "Does the gateway do without its ledger?",
    "method": [{**scale("take the ledger away", 0), "pauses": {"after": 60}}],
    "rollbacks": [scale("bring the ledger back", 2)],
}


class RunInWorld:
    """One experiment that was started."""

    def __init__(self, toolkit: "ToolkitInWorld", experiment: Object, ends_in: timedelta) -> None:
        self.journal = Journal()
        self._toolkit = toolkit
        self._experiment = experiment
        self._interrupted = asyncio.Event()
        self._task = asyncio.ensure_future(self._run())
        self._timer = asyncio.ensure_future(self._end_in(ends_in.total_seconds()))
        self._task.add_done_callback(self._over)

    @property
    def ended(self) -> bool:
        return self._task.done()

    def interrupt(self) -> None:
        self._interrupted.set()

    def kill(self) -> None:
        self._task.cancel()

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._timer.cancel()
        if not task.cancelled() and not isinstance(task.exception(), Killed | None):
            raise AssertionError("the simulated experiment broke off") from task.exception()

    async def _end_in(self, seconds: float) -> None:
        await self._toolkit.process.world.clock.sleep(seconds)
        self.kill()

    async def _run(self) -> None:
        clock = self._toolkit.process
        await clock.sleep(_STARTS_IN)
        status = "completed"
        for activity in self._experiment["method"]:
            self._note(phase=Phase.METHOD)
            done = await self._toolkit.carry_out(activity)
            self._note(method=[*self.journal.method, done])
            left = activity.get("pauses", {}).get("after", 0)
            while left > 0 and not self._interrupted.is_set():
                await clock.sleep(0.5)
                left -= 0.5
            if self._interrupted.is_set():
                status = "interrupted"
                break
        self._note(phase=Phase.ROLLBACKS, status=status)
        for number, activity in enumerate(self._experiment.get("rollbacks", [])):
            done = await self._toolkit.carry_out(activity)
            rolled = [*self.journal.rolled_back, *([number] if done.succeeded else [])]
            self._note(rollbacks=[*self.journal.rollbacks, done], rolled_back=rolled)
        self._note(phase=Phase.ENDED, ended_at=clock.now())

    def _note(self, **update: Any) -> None:
        self.journal = self.journal.model_copy(update=update)


class ToolkitInWorld:
    """Starts experiments in the pod of one process."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def prepare(self, request: Request) -> Object:
        return {**request.experiment, "configuration": {}, "secrets": {}}

    async def start(self, experiment: Object, hypothesis: str, every: timedelta, ends_in: timedelta) -> RunInWorld:
        return RunInWorld(self, experiment, ends_in)

    async def roll_back(self, experiment: Object, done: Sequence[int], limit: timedelta) -> RolledBack:
        await self.process.sleep(_STARTS_IN)
        succeeded, told = list(done), []
        for number, activity in enumerate(experiment.get("rollbacks", [])):
            if number not in done:
                told.append(await self.carry_out(activity))
                succeeded += [number] if told[-1].succeeded else []
        error = next((each.error for each in told if not each.succeeded), "")
        return RolledBack(succeeded, told, None, error)

    async def carry_out(self, activity: Object) -> Activity:
        arguments = activity["provider"]["arguments"]
        path = paths.deployments(arguments["ns"], arguments["name"])
        operations = [{"op": "replace", "path": "/spec/replicas", "value": arguments["replicas"]}]
        error = ""
        try:
            await self.process.patch(path, operations, content_type=JSON_PATCH)
        except ClusterError as refused:
            error = str(refused)
        return Activity(name=activity["name"], type=activity["type"], succeeded=not error, error=error)
