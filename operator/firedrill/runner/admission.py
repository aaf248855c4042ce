"""What must be so at this moment before a fault is begun: no blackout, and budgets that are not spent."""

from collections.abc import Sequence
from typing import Final

import httpx
from pydantic import ValidationError

from firedrill.api import meta
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.errors import InvalidInput
from firedrill.api.safety import ErrorBudget, SimulationBudget
from firedrill.api.simulation_status import SimulationState
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.core.blackout import in_the_way
from firedrill.engines.chaos import budgets
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.ports import Clock, Cluster, Object
from firedrill.runner.retry import retry
from firedrill.sources.errors import SourceError
from firedrill.sources.prometheus import Prometheus

_BUDGETS: Final = ("policy/v1", "poddisruptionbudgets")
_STATES: Final = {"labelSelector": f"{meta.LABEL_MANAGED}=true,{meta.LABEL_ROLE}=state"}


def refused_by_blackout(clock: Clock, task: Task, spec: ChaosExperimentSpec) -> Refusal | None:
    """Whether a blackout window of the target stands in the way."""
    try:
        found = in_the_way(task.policy, spec, clock.now())
    except InvalidInput as error:
        return Refusal("NotPermitted", str(error))
    return Refusal("BlackoutWindow", found.told) if found else None


async def refused_by_budgets(
    client: Cluster, clock: Clock, task: Task, spec: ChaosExperimentSpec, hit: Sequence[PodView]
) -> Refusal | None:
    """Which budget does not allow the fault to hit these pods. Raises ClusterError."""
    refusal = await refused_by_disruption(client, clock, budgets.taken_down(spec, hit))
    if refusal:
        return refusal
    wanted = spec.safety.error_budget
    if wanted is None:
        return None
    async with httpx.AsyncClient(trust_env=False) as http:
        return budgets.check_error_budget(wanted, *await left_of(client, clock, task, wanted, http))


async def refused_by_disruption(client: Cluster, clock: Clock, down: Sequence[PodView]) -> Refusal | None:
    """Which PodDisruptionBudget does not allow these pods to be taken down. Raises ClusterError."""
    for namespace in sorted({pod.namespace for pod in down}):
        own = [pod for pod in down if pod.namespace == namespace]
        refusal = budgets.check_disruption(own, await _disruption_budgets(client, clock, namespace))
        if refusal:
            return refusal
    return None


async def _disruption_budgets(client: Cluster, clock: Clock, namespace: str) -> Sequence[Object]:
    where = paths.path(*_BUDGETS, namespace)
    listed = await retry(clock, lambda: client.get(where), "listing the disruption budgets")
    return listed.get("items") or ()


async def left_of(
    client: Cluster, clock: Clock, task: Task, wanted: ErrorBudget, http: httpx.AsyncClient
) -> tuple[float | None, str]:
    """What is left of an error budget, as a share; None, and why, where that is not known. Raises ClusterError."""
    if wanted.simulation is not None:
        return await _of_simulation(client, clock, task, wanted.simulation)
    assert wanted.prometheus is not None  # exactly one is given
    try:
        value = await Prometheus(http, wanted.prometheus.url).value(wanted.prometheus.query)
    except SourceError as error:
        return None, str(error)
    return (value, "") if value is not None else (None, "the query has no value")


async def _of_simulation(
    client: Cluster, clock: Clock, task: Task, wanted: SimulationBudget
) -> tuple[float | None, str]:
    where = paths.configmaps(task.runner_namespace)
    listed = await retry(clock, lambda: client.get(where, _STATES), "looking for the Simulation")
    for item in listed.get("items") or ():
        of = (item["metadata"].get("annotations") or {}).get(meta.ANNOTATION_RESOURCE)
        if of != f"{task.namespace}/{wanted.name}":
            continue
        try:
            state = SimulationState.model_validate_json((item.get("data") or {}).get(meta.STATE_KEY) or "{}")
        except ValidationError as error:
            return None, f"the state of Simulation {wanted.name} can not be read: {error}"[:300]
        return budgets.left_of(wanted, state)
    return None, f"no Simulation {wanted.name} of namespace {task.namespace} stands in {task.cluster}"
