"""What an experiment must know of its target before anything is written: the namespace and its pods."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.errors import Forbidden, NotFound
from firedrill.engines.chaos import labels, permission, selection
from firedrill.engines.chaos.permission import Refusal, Request
from firedrill.engines.chaos.views import PodView, parse_pod
from firedrill.runner.admission import refused_by_blackout, refused_by_budgets
from firedrill.runner.context import RunContext
from firedrill.runner.faults.driver import Fault, NotInjected
from firedrill.runner.ports import Clock, Cluster
from firedrill.runner.reach import hit_by
from firedrill.runner.retry import retry


@dataclass(frozen=True)
class Targets:
    """The pods that match, and those of them that are to be hit."""

    matching: Sequence[PodView]
    selected: Sequence[PodView]


async def find_targets(
    client: Cluster, clock: Clock, task: Task, spec: ChaosExperimentSpec, fault: Fault
) -> Targets | Refusal:
    """The targets, if everything permits to hit them. Reads alone, and asks the API server by dry run."""
    refusal = permission.check_policy(task, spec) or refused_by_blackout(clock, task, spec)
    if refusal:
        return refusal
    try:
        opted_in = await retry(clock, lambda: _namespace_labels(client, spec.target.namespace), "reading the namespace")
        if opted_in is None:
            return permission.check(Request(task, spec, None, (), ())) or Refusal("NoTargets", "no namespace")
        matching = await retry(clock, lambda: _matching_pods(client, spec), "listing the pods")
        chosen = selection.select(spec.target, matching)
        selected = await retry(
            clock, lambda: hit_by(client, spec, chosen, matching), "looking how far the fault reaches"
        )
        known = {pod.uid for pod in matching}
        matching = [*matching, *(pod for pod in selected if pod.uid not in known)]
        return (
            permission.check(Request(task, spec, opted_in, matching, selected))
            or await refused_by_budgets(client, clock, task, spec, selected)
            or await retry(clock, lambda: fault.precheck(selected), "checking the fault")
            or Targets(matching, selected)
        )
    except NotInjected as error:
        return Refusal("NoTargets", str(error))
    except Forbidden as error:
        return Refusal("NotPermitted", f"the runner's service account may not look at the targets: {error.message}")


async def find_newcomers(
    context: RunContext, spec: ChaosExperimentSpec, fault: Fault, hit: Collection[str], taken: Collection[str]
) -> Targets | Refusal:
    """Pods that have come since and are to be hit as well, if everything permits it; pods are given by their UIDs.

    Reads alone, as find_targets does, and raises what it raises.
    """
    client, clock, task = context.client, context.clock, context.task
    matching = await retry(clock, lambda: _matching_pods(client, spec), "listing the pods")
    new = selection.newcomers(spec.target, matching, hit, taken)
    if not new:
        return Targets(matching, ())
    labelled = await retry(clock, lambda: _namespace_labels(client, spec.target.namespace), "reading the namespace")
    under_fault = [*(pod for pod in matching if pod.uid in hit), *new]
    try:
        return (
            refused_by_blackout(clock, task, spec)
            or permission.check(Request(task, spec, labelled, matching, under_fault))
            or await refused_by_budgets(client, clock, task, spec, new)
            or await retry(clock, lambda: fault.precheck(new), "checking the fault")
            or Targets(matching, new)
        )
    except NotInjected as error:
        return Refusal("NoTargets", str(error))


async def _namespace_labels(client: Cluster, name: str) -> dict[str, str] | None:
    try:
        body = await client.get(paths.namespaces(name))
    except NotFound:
        return None
    return body["metadata"].get("labels") or {}


async def _matching_pods(client: Cluster, spec: ChaosExperimentSpec) -> list[PodView]:
    terms = labels.query(labels.selector_of(spec.target))
    listed = await client.get(paths.pods(spec.target.namespace), {"labelSelector": terms} if terms else None)
    nodes = await _nodes(client) if spec.target.node_labels else {}
    return selection.matching(spec.target, [parse_pod(item) for item in listed.get("items") or ()], nodes)


async def _nodes(client: Cluster) -> dict[str, dict[str, str]]:
    listed = await client.get(paths.path("v1", "nodes"))
    return {item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in listed.get("items") or ()}
