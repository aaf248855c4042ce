"""Guards that an experiment leaves out: people are told at every run that does."""

from collections.abc import Sequence

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.resource import RunResource
from firedrill.api.run import ClusterResult
from firedrill.core.actions import PublishEvent

OPTED_OUT = "SafetyOptOut"


def told_opt_outs(resource: RunResource, clusters: Sequence[ClusterResult]) -> tuple[PublishEvent, ...]:
    """The Event of a run that begins without a guard, in the targets where it is begun."""
    where = [entry.name for entry in clusters if entry.job]
    if not where or not isinstance(resource.spec, ChaosExperimentSpec) or not resource.spec.opt_outs:
        return ()
    left_out = ", ".join(resource.spec.opt_outs)
    return (PublishEvent(OPTED_OUT, f"begun without the guard {left_out} in {', '.join(where)}", warning=True),)
