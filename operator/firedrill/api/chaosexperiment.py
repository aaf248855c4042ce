"""ChaosExperiment: does the system hold its steady state under a fault, and recover from it?"""

from typing import Any

from pydantic import Field, field_validator, model_validator

from firedrill.api.base import Duration, Model, parse_duration
from firedrill.api.faults.controlplane import PdbBlock
from firedrill.api.faults.network import NetworkDeny
from firedrill.api.faults.union import Fault
from firedrill.api.probe import HttpProbe, Probe, PrometheusProbe, TcpProbe
from firedrill.api.run import RunSpec
from firedrill.api.safety import AcrossClusters, OptOut, Safety
from firedrill.api.target import PodTarget

#: With fewer requests in a window its success rate says nothing.
MIN_REQUESTS = 5
PROBES = ("http", "tcp", "prometheus")


class SteadyState(Model):
    """What must be true of the system before the fault and again after it; asked by exactly one probe."""

    http: HttpProbe | None = Field(default=None, description="A request that must be answered.")
    tcp: TcpProbe | None = Field(default=None, description="A connection that must be accepted.")
    prometheus: PrometheusProbe | None = Field(default=None, description="A query whose value must be within bounds.")
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

    @model_validator(mode="after")
    def _one_probe_and_a_window_that_holds_requests(self) -> "SteadyState":
        given = [name for name in PROBES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"set exactly one of {', '.join(PROBES)}; {', '.join(given) or 'none'} is set")
        if self.window < MIN_REQUESTS * self.probe.interval:
            raise ValueError(f"window must be at least {MIN_REQUESTS} times {given[0]}.interval")
        return self

    @property
    def probe(self) -> Probe:
        """The one that is set."""
        given: list[Probe] = [found for name in PROBES if (found := getattr(self, name)) is not None]
        return given[0]


class ChaosExperimentSpec(RunSpec):
    """Measures a steady state, injects a fault, undoes it, proves that it is gone, and times the recovery."""

    steady_state: SteadyState = Field(description="What must hold before and after.")
    target: PodTarget = Field(description="Which pods are hit.")
    fault: Fault = Field(description="What is done to them.")
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
    def _times_fit(self) -> "ChaosExperimentSpec":
        needed = self.duration + self.recovery_timeout + 2 * self.steady_state.window
        if self.timeout < needed:
            raise ValueError(
                "timeout must be at least duration + recoveryTimeout + twice steadyState.window "
                f"({needed.total_seconds():g} s)"
            )
        return self

    @model_validator(mode="after")
    def _target_can_be_said_as_a_selector(self) -> "ChaosExperimentSpec":
        if isinstance(self.fault.chosen, NetworkDeny | PdbBlock) and not self.target.by_labels_alone:
            raise ValueError(
                f"target: {self.fault.name} is an object with a selector of its own, so target may have matchLabels "
                "and matchExpressions alone"
            )
        return self

    @property
    def opt_outs(self) -> list[OptOut]:
        """Guards that are left out; each must be admitted by the policy of the target."""
        asked = {
            OptOut.DISRUPTION_BUDGETS: self.target.ignore_disruption_budgets,
            OptOut.BLACKOUT_WINDOWS: self.safety.ignore_blackout_windows,
        }
        return [name for name, wanted in asked.items() if wanted]
