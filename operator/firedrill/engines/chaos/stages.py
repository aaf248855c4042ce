"""What an experiment carries out: its steps, with every ramp spelled out into stages.

A stage is one fault on one choice of pods for one duration. An experiment of one fault is one stage without a name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.union import FAULTS, Fault
from firedrill.api.shape import Over, Ramp, Step
from firedrill.api.target import PodTarget, TargetMode


@dataclass(frozen=True)
class Stage:
    """One fault.

    ``spec`` is that of an experiment with this fault alone. It begins ``delay`` after the stages of ``after`` have been
    undone. What other stages of the same ``ramp`` have hit, it does not hit again.
    """

    name: str
    spec: ChaosExperimentSpec
    after: tuple[str, ...] = ()
    delay: timedelta = timedelta()
    ramp: str = ""

    @property
    def at_once(self) -> bool:
        """Whether it begins with the experiment."""
        return not self.after and not self.delay


def stages_of(spec: ChaosExperimentSpec) -> tuple[Stage, ...]:
    """All stages, in the order in which the steps are given."""
    if not spec.steps:
        if spec.ramp is None:
            return (Stage("", spec),)
        return tuple(_ramped(spec, "stage", spec.target, spec.fault, spec.duration, spec.ramp, (), timedelta()))
    found: list[Stage] = []
    names: dict[str, tuple[str, ...]] = {}
    for step in _in_order(spec.steps):
        after = tuple(name for each in step.after for name in names[each])
        made = tuple(_of_step(spec, step, after))
        names[step.name] = tuple(stage.name for stage in made)
        found.extend(made)
    return tuple(found)


def together(stages: Sequence[Stage]) -> list[frozenset[str]]:
    """The largest sets of stages that may be on at the same time, by name: none of a set waits for another of it."""
    before = _before(stages)
    beside = {
        a.name: {b.name for b in stages if b is not a and b.name not in before[a.name] and a.name not in before[b.name]}
        for a in stages
    }
    return list(_cliques(set(), set(beside), set(), beside))


def _in_order(steps: Sequence[Step]) -> Iterator[Step]:
    waiting, done = list(steps), set[str]()
    while waiting:
        step = next(each for each in waiting if done.issuperset(each.after))
        waiting.remove(step)
        done.add(step.name)
        yield step


def _of_step(spec: ChaosExperimentSpec, step: Step, after: tuple[str, ...]) -> Iterator[Stage]:
    if step.ramp is None:
        yield Stage(step.name, _one(spec, step.target, step.fault, step.duration), after, step.delay)
    else:
        yield from _ramped(spec, step.name, step.target, step.fault, step.duration, step.ramp, after, step.delay)


def _ramped(
    spec: ChaosExperimentSpec,
    name: str,
    target: PodTarget,
    fault: Fault,
    duration: timedelta,
    ramp: Ramp,
    after: tuple[str, ...],
    delay: timedelta,
) -> Iterator[Stage]:
    each = duration / ramp.stages
    for number in range(1, ramp.stages + 1):
        own = f"{name}-{number}"
        if ramp.over is Over.PERCENT:
            waits = after if number == 1 else (f"{name}-{number - 1}",)
            part = _one(spec, target, _grown_fault(fault, number, ramp.stages), each)
            yield Stage(own, part, waits, delay if number == 1 else timedelta(), name)
        else:
            gone = (number - 1) * each
            part = _one(spec, _grown_target(target, number, ramp.stages), fault, duration - gone)
            yield Stage(own, part, after, delay + gone, name)


def _one(spec: ChaosExperimentSpec, target: PodTarget, fault: Fault, duration: timedelta) -> ChaosExperimentSpec:
    update: dict[str, Any] = {"given_target": target, "given_fault": fault, "duration": duration}
    return spec.model_copy(update={**update, "steps": [], "ramp": None, "repeat": None})


def _grown_target(target: PodTarget, number: int, stages: int) -> PodTarget:
    if number == stages:
        return target
    if target.mode is TargetMode.ALL:
        return target.model_copy(update={"mode": TargetMode.PERCENT, "value": _share(100, number, stages)})
    return target.model_copy(update={"value": _share(target.value or 1, number, stages)})


def _grown_fault(fault: Fault, number: int, stages: int) -> Fault:
    chosen: Any = fault.chosen
    field = next(name for name in FAULTS if getattr(fault, name) is not None)
    percent = _share(chosen.percent, number, stages)
    return fault.model_copy(update={field: chosen.model_copy(update={"percent": percent})})


def _share(whole: int, number: int, stages: int) -> int:
    """Rounded up in integers, so that the first stage hits something."""
    return -(-whole * number // stages)


def _before(stages: Sequence[Stage]) -> Mapping[str, frozenset[str]]:
    """All stages that must be over before each, directly or not."""
    found: dict[str, frozenset[str]] = {}
    for stage in stages:
        found[stage.name] = frozenset(stage.after).union(*(found[name] for name in stage.after))
    return found


def _cliques(
    chosen: set[str], left: set[str], seen: set[str], beside: Mapping[str, set[str]]
) -> Iterator[frozenset[str]]:
    """Maximal cliques by Bron and Kerbosch, with a pivot."""
    if not left and not seen:
        yield frozenset(chosen)
        return
    pivot = max(left | seen, key=lambda name: len(beside[name] & left))
    for name in sorted(left - beside[pivot]):
        yield from _cliques(chosen | {name}, left & beside[name], seen & beside[name], beside)
        left = left - {name}
        seen = seen | {name}
