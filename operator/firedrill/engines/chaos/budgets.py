"""PodDisruptionBudgets and error budgets: whether what is left of them allows a fault."""

from collections.abc import Mapping, Sequence
from typing import Any

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.about import Family
from firedrill.api.faults.workload import Scale
from firedrill.api.safety import ErrorBudget, OptOut, SimulationBudget
from firedrill.api.simulation_status import SimulationState
from firedrill.engines.chaos import labels
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.stages import Stage, together
from firedrill.engines.chaos.views import PodView

Object = Mapping[str, Any]


def taken_down(spec: ChaosExperimentSpec, hit: Sequence[PodView]) -> list[PodView]:
    """The ready pods that do not serve while the fault is on: those of faults that delete, replace or break pods.

    None where the experiment leaves budgets out of account.
    Faults of networks, Services, configuration and nodes leave pods where they are: no budget is spent by them.
    """
    if spec.fault.about.family is not Family.WORKLOAD or OptOut.DISRUPTION_BUDGETS in spec.opt_outs:
        return []
    ready = [pod for pod in hit if pod.ready]
    chosen = spec.fault.chosen
    if isinstance(chosen, Scale) and len({pod.owner for pod in ready}) == 1:
        return sorted(ready, key=lambda pod: pod.name)[chosen.replicas :]
    return ready


def down_together(stages: Sequence[Stage], hit: Mapping[str, Sequence[PodView]]) -> list[list[PodView]]:
    """The ready pods that stages take down which may be on at the same time; ``hit`` is by the stage's name.

    Sets of one stage alone are left out, as are stages without an entry.
    """
    found = []
    for names in together(stages):
        group = [taken_down(each.spec, hit[each.name]) for each in stages if each.name in names and each.name in hit]
        if sum(1 for down in group if down) > 1:
            found.append(list({pod.uid: pod for down in group for pod in down}.values()))
    return found


def check_disruption(down: Sequence[PodView], budgets: Sequence[Object]) -> Refusal | None:
    """Which PodDisruptionBudget of their namespace does not allow so many ready pods to be taken down."""
    for budget in sorted(budgets, key=lambda each: str(each["metadata"]["name"])):
        selector = (budget.get("spec") or {}).get("selector")
        count = sum(1 for pod in down if labels.meets(pod.labels, selector))
        if count and count > (allowed := _disruptions_allowed(budget)):
            name = budget["metadata"]["name"]
            return Refusal(
                "NotPermitted",
                f"{count} ready pods of PodDisruptionBudget {name} would be taken down, and it allows {allowed}; "
                "choose fewer, or set target.ignoreDisruptionBudgets where the policy admits it",
            )
    return None


def _disruptions_allowed(budget: Object) -> int:
    status = budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        return 0  # what it allows is not known yet
    return int(status.get("disruptionsAllowed") or 0)


def check_error_budget(budget: ErrorBudget, left: float | None, problem: str) -> Refusal | None:
    """Whether enough of an error budget is left; one that is not known counts as spent."""
    if left is None:
        return Refusal("ErrorBudgetUnknown", f"what is left of the error budget is not known: {problem}")
    if left < budget.min:
        return Refusal(
            "ErrorBudgetSpent",
            f"{left:.3g} of the error budget is left, and safety.errorBudget.min is {budget.min:g}",
        )
    return None


def left_of(wanted: SimulationBudget, state: SimulationState) -> tuple[float | None, str]:
    """What is left of the budget of a Simulation's objective, or why that is not known."""
    slos = [slo for slo in state.slos if not wanted.slo or slo.name == wanted.slo]
    if not slos:
        return None, f"Simulation {wanted.name} has no objective {wanted.slo}".rstrip()
    blind = [slo.name for slo in slos if slo.budget_left is None]
    if blind:
        return (
            None,
            f"Simulation {wanted.name} has no data of {', '.join(blind)}",
        )
    return min(slo.budget_left for slo in slos if slo.budget_left is not None), ""
