"""Probes beside that of the steady state: each is judged where it was asked to be."""

from collections.abc import Mapping
from dataclasses import dataclass

from firedrill.api.shape import ExtraProbe, When
from firedrill.api.verdict import Measurement
from firedrill.engines.chaos.judged import Judged
from firedrill.engines.chaos.samples import MIN_SAMPLES, Share

FAILED = "ProbeFailed"
NO_ANSWER = "ProbeCannotTell"


@dataclass(frozen=True)
class ProbeSeen:
    """What a probe has answered, by the time that is judged."""

    probe: ExtraProbe
    shares: Mapping[When, Share]

    def judged(self) -> list[Judged]:
        """A measurement for each time that is judged."""
        return [Judged(_measured(self.probe, when, self.shares[when]), FAILED, NO_ANSWER) for when in self.probe.when]


def ready(probe: ExtraProbe, before: Share) -> tuple[str, str]:
    """Reason and sentence why an experiment must not begin; empty where it may, or where nobody asks."""
    if When.BEFORE not in probe.when and When.CONTINUOUS not in probe.when:
        return "", ""
    if not before.enough:
        return NO_ANSWER, (
            f"probe {probe.name} had {before.count} answers before the fault, at least {MIN_SAMPLES} are needed"
        )
    if When.BEFORE in probe.when and before.rate < probe.min_success_rate:
        return "SteadyStateNotMet", (
            f"probe {probe.name} did not hold before the fault, so nothing was injected: success rate "
            f"{before.rate:.3f}, limit >= {probe.min_success_rate:g} ({before.count} requests)"
        )
    return "", ""


def _measured(probe: ExtraProbe, when: When, found: Share) -> Measurement:
    return Measurement(
        name=f"probe.{probe.name}.{when.value.lower()}",
        value=found.rate if found.count else None,
        unit="ratio",
        limit=f">= {probe.min_success_rate:g}",
        passed=found.rate >= probe.min_success_rate if found.enough else None,
        detail=found.describe(),
    )
