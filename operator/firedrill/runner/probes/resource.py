"""Another check of Firedrill, carried out within the experiment's own process."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Final

from firedrill.api.data import claims_of
from firedrill.api.errors import InvalidInput
from firedrill.api.kinds import RUN_KINDS
from firedrill.api.probe_resource import ResourceProbe
from firedrill.api.resource import parse_spec
from firedrill.api.verdict import Verdict
from firedrill.engines.chaos.permission import Refusal
from firedrill.runner.context import RunContext
from firedrill.runner.dispatching import dispatch

#: A verdict says more than fits into a sample.
_MESSAGE_LIMIT: Final = 200
_GOOD: Final = {Verdict.PASSED: True, Verdict.FAILED: False}


class ResourceAsk:
    """Runs the check anew each time, as its spec was when the run began."""

    def __init__(self, probe: ResourceProbe, context: RunContext) -> None:
        self._probe = probe
        self._context = context

    async def ready(self) -> Refusal | None:
        """Why it can not be asked: there was no such resource, or it can not be carried out in this target."""
        probe, task = self._probe, self._context.task
        if probe.key not in task.checks:
            return Refusal(
                "NotApplicable",
                f"there was no {probe.kind} {probe.name} in namespace {task.namespace} as the run began: create it "
                "beside the experiment",
            )
        allowed = task.policy.kinds
        if "*" not in allowed and probe.kind not in allowed:
            return Refusal(
                "NotPermitted",
                f"the policy of TargetCluster {task.cluster} does not admit {probe.kind} (policy.kinds)",
            )
        return self._unfit()

    def _unfit(self) -> Refusal | None:
        """Why the check can not be asked again and again in this pod."""
        probe, task = self._probe, self._context.task
        try:
            spec = parse_spec(RUN_KINDS[probe.kind].spec, task.checks[probe.key])
        except InvalidInput as error:
            return Refusal("NotApplicable", f"{probe.kind} {probe.name} can not be asked: {error}")
        why = ""
        if getattr(spec, "pipeline", None) is not None:
            why = "it starts a pipeline, and what one question starts is not to be taken for another's"
        elif spec.crew_size > 1:
            why = "it takes several workers, and an experiment has one pod"
        elif claims := claims_of(spec):
            why = f"it reads PersistentVolumeClaims ({', '.join(sorted(claims))}), which an experiment does not mount"
        return Refusal("NotApplicable", f"{probe.kind} {probe.name} can be no probe: {why}") if why else None

    async def __call__(self) -> tuple[bool | None, str]:
        """Whether the check passed; None where its verdict is neither Passed nor Failed."""
        probe, context = self._probe, self._context
        clock, limit = context.clock, probe.timeout
        # What it waits for by itself must end before it is broken off, so that it can say what it was.
        update = {
            "kind": probe.kind.value,
            "name": probe.name,
            "spec": context.task.checks[probe.key],
            "checks": {},
            "deadline": clock.now() + limit + timedelta(seconds=1),
        }
        try:
            async with asyncio.timeout(limit.total_seconds()):
                result = await dispatch(replace(context, task=context.task.model_copy(update=update)))
        except TimeoutError:
            return False, "timeout"
        except InvalidInput as error:
            return None, str(error)[:_MESSAGE_LIMIT]
        if result is None:
            return None, "no result"
        return _GOOD.get(result.verdict), f"{result.reason}: {result.message}"[:_MESSAGE_LIMIT]

    async def close(self) -> None:
        """Nothing is kept open."""
