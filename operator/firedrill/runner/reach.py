"""How far a fault reaches: the pods that it hits beyond the chosen ones, which is what a policy's share is of."""

from collections.abc import Mapping, Sequence

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.about import Hits
from firedrill.api.faults.config import SimulationFlag
from firedrill.clusters import paths
from firedrill.clusters.errors import NotFound
from firedrill.engines.chaos.faults.fields import SERVICE, WORKLOADS, named
from firedrill.engines.chaos.views import PodView, parse_pod
from firedrill.runner.faults.driver import NotInjected
from firedrill.runner.faults.workloads import pods_of, top_owners
from firedrill.runner.ports import Cluster, Object


async def hit_by(
    client: Cluster, spec: ChaosExperimentSpec, selected: Sequence[PodView], matching: Sequence[PodView]
) -> list[PodView]:
    """All pods that the fault hits when it is aimed at the selected ones.

    What reads a ConfigMap, or is scaled by an autoscaler, can not be told: then all pods of the namespace count. Raises
    ClusterError, and NotInjected for a pod that nothing owns and for a Service that is not there.
    """
    match spec.fault.about.hits:
        case Hits.PODS:
            return list(selected)
        case Hits.NODES:
            nodes = {pod.node for pod in selected}
            return [pod for pod in matching if pod.node in nodes]
        case Hits.WORKLOADS:
            return await _of_workloads(client, selected)
        case Hits.NAMED | Hits.ENGINE | Hits.CLUSTER:
            return await _of_named(client, spec)
    return list(matching)


async def _of_workloads(client: Cluster, selected: Sequence[PodView]) -> list[PodView]:
    found: dict[str, PodView] = {pod.uid: pod for pod in selected}
    for namespace, owner in await top_owners(client, selected):
        kind = WORKLOADS.get(owner.kind)
        if kind is None:
            continue  # the fault itself says that it can not be applied to it
        try:
            workload = await client.get(paths.path(kind.api, kind.plural, namespace, owner.name))
        except NotFound:
            continue
        found |= _running(await pods_of(client, namespace, workload))
    return list(found.values())


async def _of_named(client: Cluster, spec: ChaosExperimentSpec) -> list[PodView]:
    given, namespace = named(spec.fault.chosen), spec.target.namespace
    query: Mapping[str, str] | None = None
    if isinstance(spec.fault.chosen, SimulationFlag) and spec.fault.chosen.flag.service != "*":
        query = {"labelSelector": f"app={spec.fault.chosen.flag.service}"}
    if given is not None and given[0] == SERVICE:
        try:
            service = await client.get(paths.path(SERVICE.api, SERVICE.plural, namespace, given[1]))
        except NotFound as error:
            raise NotInjected(f"Service {given[1]} does not exist in namespace {namespace}") from error
        selector = service["spec"].get("selector") or {}
        if selector:
            query = {"labelSelector": ",".join(f"{key}={value}" for key, value in sorted(selector.items()))}
    listed = await client.get(paths.pods(namespace), query)
    return list(_running(listed.get("items") or ()).values())


def _running(bodies: Sequence[Object]) -> dict[str, PodView]:
    return {pod.uid: pod for pod in map(parse_pod, bodies) if pod.can_be_hit}
