"""Reads what decisions are made from."""

from firedrill.clusters import paths
from firedrill.engines.fix.views import (
    DeploymentView,
    Object,
    Rollout,
    controller_uid,
    deployment_view,
    pod_view,
    revision_view,
)
from firedrill.runner.fixing.context import FixContext
from firedrill.runner.retry import retry


def replica_sets(namespace: str) -> str:
    """ReplicaSets of a namespace."""
    return paths.path("apps/v1", "replicasets", namespace)


def services(namespace: str) -> str:
    """Services of a namespace."""
    return paths.path("v1", "services", namespace)


def network_policies(namespace: str) -> str:
    """NetworkPolicies of a namespace."""
    return paths.path("networking.k8s.io/v1", "networkpolicies", namespace)


def events(namespace: str) -> str:
    """Events of a namespace."""
    return paths.path("events.k8s.io/v1", "events", namespace)


async def read(context: FixContext, path: str, params: dict[str, str] | None = None) -> Object:
    """Read an object or a list; errors that pass are waited out."""
    return await retry(context.clock, lambda: context.client.get(path, params), f"reading {path}")


async def read_deployment(context: FixContext) -> DeploymentView:
    """The Deployment; raises NotFound where there is none."""
    return deployment_view(await read(context, paths.deployments(context.namespace, context.name)))


async def read_rollout(context: FixContext) -> Rollout:
    """The Deployment with its revisions and pods."""
    raw = await read(context, paths.deployments(context.namespace, context.name))
    deployment = deployment_view(raw)
    selector = {"labelSelector": _selector(raw["spec"].get("selector") or {})}
    sets = await read(context, replica_sets(context.namespace), selector)
    pods = await read(context, paths.pods(context.namespace), selector)
    owned = [item for item in sets.get("items") or () if controller_uid(item["metadata"]) == deployment.uid]
    uids = {item["metadata"]["uid"] for item in owned}
    return Rollout(
        deployment,
        tuple(revision_view(item) for item in owned),
        tuple(view for item in pods.get("items") or () if (view := pod_view(item)).owner_uid in uids),
    )


def _selector(selector: Object) -> str:
    """A label selector in the form of a query."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for rule in selector.get("matchExpressions") or ():
        key, operator, values = rule["key"], rule["operator"], ",".join(rule.get("values") or ())
        parts.append({"Exists": key, "DoesNotExist": f"!{key}"}.get(operator, f"{key} {operator.lower()} ({values})"))
    return ",".join(parts)
