"""Which pods each stage of an experiment hits: chosen in turn, so that all together stay within what is allowed."""

from collections.abc import Mapping, Sequence

from firedrill.engines.chaos.budgets import down_together
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.shares import check_together
from firedrill.engines.chaos.stages import Stage
from firedrill.runner.admission import refused_by_disruption
from firedrill.runner.arming import NotBegun
from firedrill.runner.context import RunContext
from firedrill.runner.planned import Part
from firedrill.runner.precheck import Targets, find_targets


class Choosing:
    """Keeps what is hit at this moment, by the name of the stage."""

    def __init__(self, context: RunContext, stages: Sequence[Stage]) -> None:
        self._context = context
        self._stages = stages
        self._hit: dict[str, Targets] = {}

    async def at_first(self, parts: Sequence[tuple[Stage, Part]]) -> Mapping[str, Targets] | Refusal:
        """The targets of all stages, if everything permits to hit them; changes nothing."""
        found: dict[str, Targets] = {}
        for stage, part in parts:
            targets = await self._targets(stage, part)
            if isinstance(targets, Refusal):
                named = f"step {stage.name}: " if stage.name else ""
                return Refusal(targets.reason, f"{named}{targets.message}")
            found[stage.name] = targets
        return await self._too_many(found) or found

    async def anew(self, stage: Stage, part: Part) -> Targets:
        """The targets as they are now, without those that other stages of the same ramp hit already.

        Raises NotBegun.
        """
        targets = await self._targets(stage, part)
        if isinstance(targets, Refusal):
            raise NotBegun(targets.reason, f"step {part.key}: {targets.message}")
        taken = self.taken_by_others(stage)
        left = Targets(targets.matching, [pod for pod in targets.selected if pod.uid not in taken])
        refusal = await self._too_many({**self._hit, stage.name: left})
        if refusal:
            raise NotBegun(refusal.reason, refusal.message)
        return left

    def taken_by_others(self, stage: Stage) -> set[str]:
        """The UIDs of pods that other stages of the same ramp hit."""
        ramp = {each.name for each in self._stages if stage.ramp and each.ramp == stage.ramp and each is not stage}
        return {pod.uid for name in ramp & self._hit.keys() for pod in self._hit[name].selected}

    def hits(self, stage: Stage, targets: Targets) -> None:
        """A stage hits these from now on."""
        self._hit[stage.name] = targets

    def hit_by(self, stage: Stage) -> Targets:
        """What a stage hits."""
        return self._hit[stage.name]

    def spares(self, stage: Stage) -> None:
        """A stage hits nothing any more."""
        self._hit.pop(stage.name, None)

    async def _targets(self, stage: Stage, part: Part) -> Targets | Refusal:
        context = self._context
        return await find_targets(context.client, context.clock, context.task, stage.spec, part.fault)

    async def _too_many(self, found: Mapping[str, Targets]) -> Refusal | None:
        if len(self._stages) == 1:
            return None  # what one takes was looked at with its target
        context, hit = self._context, {name: targets.selected for name, targets in found.items()}
        pods = {name: (targets.matching, targets.selected) for name, targets in found.items()}
        refusal = check_together(self._stages, pods, context.task.policy.max_affected_percent)
        for down in [] if refusal else down_together(self._stages, hit):
            refusal = refusal or await refused_by_disruption(context.client, context.clock, down)
        return refusal
