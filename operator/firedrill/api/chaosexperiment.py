"""ChaosExperiment: does the system hold its steady state under a fault, and recover from it?"""

from datetime import timedelta
from typing import Any

from pydantic import Field, field_validator, model_validator

from firedrill.api.asked import MIN_REQUESTS, Asked
from firedrill.api.base import Duration, parse_duration
from firedrill.api.faults.controlplane import PdbBlock
from firedrill.api.faults.network import NetworkDeny
from firedrill.api.faults.operators import ChaosMesh, Litmus
from firedrill.api.faults.union import Fault
from firedrill.api.probe import Probe
from firedrill.api.run import RunSpec
from firedrill.api.safety import AcrossClusters, OptOut, Safety
from firedrill.api.shape import MAX_STEPS, AbortCondition, Compare, ExtraProbe, Ramp, Repeat, Step, check_ramp
from firedrill.api.target import PodTarget


class SteadyState(Asked):
    """What must be true of the system before the fault and again after it; asked by exactly one probe."""

    min_success_rate: float = Field(
        default=0.95, gt=0, le=1, description="Least share of requests that succeed, before and after."
    )
    min_success_rate_during: float = Field(
        default=0.0, ge=0, le=1, description="Least share while the fault is on; 0 asks for nothing."
    )
    window: Duration = Field(
        default=parse_duration("5s"),
        description="How long before and after are watched; it must hold at least 5 requests.",
    )
    compare: Compare | None = Field(default=None, description="Hold the time during the fault against that before.")

    @model_validator(mode="after")
    def _window_holds_requests(self) -> "SteadyState":
        if self.window < MIN_REQUESTS * self.probe.interval:
            raise ValueError(f"window must be at least {MIN_REQUESTS} times {self.given[0]}.interval")
        return self


class ChaosExperimentSpec(RunSpec):
    """Measures a steady state, injects a fault, undoes it, proves that it is gone, and times the recovery.

    One fault is given by ``target``, ``fault``, ``duration`` and ``ramp``, several by ``steps``.
    """

    steady_state: SteadyState = Field(description="What must hold before and after.")
    given_target: PodTarget | None = Field(default=None, alias="target", description="Which pods are hit.")
    given_fault: Fault | None = Field(default=None, alias="fault", description="What is done to them.")
    steps: list[Step] = Field(
        default_factory=list,
        max_length=MAX_STEPS,
        description="Several faults, side by side or one after the other, instead of target, fault, duration and ramp.",
    )
    ramp: Ramp | None = Field(default=None, description="Hit a growing share in stages.")
    repeat: Repeat | None = Field(default=None, description="Do all of it several times, for a distribution of times.")
    probes: list[ExtraProbe] = Field(default_factory=list, max_length=8, description="What else is asked, and judged.")
    abort: list[AbortCondition] = Field(
        default_factory=list, max_length=8, description="What ends the run at once while a fault is on: Failed."
    )
    safety: Safety = Field(default_factory=Safety, description="What must be so before the fault is begun.")
    across_clusters: AcrossClusters = Field(
        default_factory=AcrossClusters, description="What holds for all targets together."
    )
    dry_run: bool = Field(
        default=False, description="Tell which objects would be hit and what would change, and change nothing."
    )
    duration: Duration = Field(default=parse_duration("10s"), description="How long the fault stays on.")
    recovery_timeout: Duration = Field(
        default=parse_duration("60s"), description="The steady state must hold again within this time."
    )

    @field_validator("duration", "recovery_timeout")
    @classmethod
    def _times_are_sane(cls, value: Any) -> Any:
        if value.total_seconds() < 1:
            raise ValueError("must be at least 1s")
        return value

    @model_validator(mode="after")
    def _one_of_two_forms(self) -> "ChaosExperimentSpec":
        if self.steps:
            ours = {"given_target": "target", "given_fault": "fault", "duration": "duration", "ramp": "ramp"}
            both = [name for field, name in ours.items() if field in self.model_fields_set]
            if both:
                raise ValueError(f"{both[0]}: is set in each of steps; beside steps it must not be set")
            _check_order(self.steps)
            return self
        for name, given in (("target", self.given_target), ("fault", self.given_fault)):
            if given is None:
                raise ValueError(f"{name}: must be set, unless steps are")
        check_ramp(self.ramp, self.target, self.fault, self.duration.total_seconds())
        return self

    @model_validator(mode="after")
    def _names_differ_and_windows_hold(self) -> "ChaosExperimentSpec":
        for field, names in (("probes", [p.name for p in self.probes]), ("abort", [a.name for a in self.abort])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{field}: the name {twice[0]} is given twice")
        for probe in self.probes:
            if self.steady_state.window < MIN_REQUESTS * probe.probe.interval:
                raise ValueError(
                    f"probes: steadyState.window must be at least {MIN_REQUESTS} times the interval of {probe.name}"
                )
        for each in self.abort:
            interval = (each.own_probe or self.steady_state.probe).interval
            if each.window < MIN_REQUESTS * interval:
                raise ValueError(
                    f"abort: the window of {each.name} must be at least {MIN_REQUESTS} times its probe's interval"
                )
        return self

    @model_validator(mode="after")
    def _times_fit(self) -> "ChaosExperimentSpec":
        needed = self.whole + self.steady_state.window
        if self.timeout < needed:
            what = "duration + recoveryTimeout + twice steadyState.window"
            if self.steps or self.repeat:
                what = "all that follows one another: steps, recoveryTimeout and steadyState.window of each repetition"
            raise ValueError(f"timeout must be at least {what} ({needed.total_seconds():g} s)")
        return self

    @model_validator(mode="after")
    def _targets_can_be_said_as_selectors(self) -> "ChaosExperimentSpec":
        for fault, target in zip(self.faults, self.targets, strict=True):
            if isinstance(fault.chosen, NetworkDeny | PdbBlock | ChaosMesh | Litmus) and not target.by_labels_alone:
                raise ValueError(
                    f"target: {fault.name} is an object with a selector of its own, so target may have matchLabels "
                    "and matchExpressions alone"
                )
        return self

    @property
    def opt_outs(self) -> list[OptOut]:
        """Guards that are left out; each must be admitted by the policy of the target."""
        asked = {
            OptOut.DISRUPTION_BUDGETS: any(target.ignore_disruption_budgets for target in self.targets),
            OptOut.BLACKOUT_WINDOWS: self.safety.ignore_blackout_windows,
        }
        return [name for name, wanted in asked.items() if wanted]

    @property
    def target(self) -> PodTarget:
        """Which pods are hit, of an experiment with one fault."""
        assert self.given_target is not None  # asked for where there is one fault
        return self.given_target

    @property
    def fault(self) -> Fault:
        """What is done, of an experiment with one fault."""
        assert self.given_fault is not None  # asked for where there is one fault
        return self.given_fault

    @property
    def faults(self) -> list[Fault]:
        """All faults, in the order in which they are given."""
        return [step.fault for step in self.steps] or [self.fault]

    @property
    def targets(self) -> list[PodTarget]:
        """The target of each of the faults."""
        return [step.target for step in self.steps] or [self.target]

    @property
    def all_probes(self) -> list[Probe]:
        """All that is asked: for the steady state, beside it, and for conditions of abort."""
        own = [each.own_probe for each in self.abort if each.own_probe]
        return [self.steady_state.probe, *(each.probe for each in self.probes), *own]

    @property
    def whole(self) -> timedelta:
        """From the first window before a fault to the last recovery, of all repetitions, by what is asked for."""
        times, pause = (self.repeat.times, self.repeat.pause) if self.repeat else (1, timedelta())
        return times * (self.steady_state.window + self.longest + self.recovery_timeout) + (times - 1) * pause

    @property
    def longest(self) -> timedelta:
        """From the first fault's begin to the last one's end, by what is asked for."""
        if not self.steps:
            return self.duration
        ends: dict[str, timedelta] = {}
        waiting = list(self.steps)
        while waiting:
            step = next(each for each in waiting if all(name in ends for name in each.after))
            begin = max((ends[name] for name in step.after), default=timedelta())
            ends[step.name] = begin + step.delay + step.duration
            waiting.remove(step)
        return max(ends.values())


def _check_order(steps: list[Step]) -> None:
    """Raise ValueError where steps wait for what does not exist, or for each other."""
    names = [step.name for step in steps]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"steps: the name {twice[0]} is given twice")
    for step in steps:
        unknown = [name for name in step.after if name not in names]
        if unknown:
            raise ValueError(f"steps: {step.name} is after {unknown[0]}, which is no step")
    done: set[str] = set()
    while len(done) < len(steps):
        ready = [step.name for step in steps if step.name not in done and done.issuperset(step.after)]
        if not ready:
            stuck = ", ".join(name for name in names if name not in done)
            raise ValueError(f"steps: {stuck} wait for each other")
        done.update(ready)
