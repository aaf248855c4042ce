"""Why workloads are not ready, in the words of their pods and of what makes their pods."""

from collections.abc import Sequence
from typing import Final

from firedrill.clusters import paths
from firedrill.runner.context import RunContext
from firedrill.runner.ports import Object
from firedrill.runner.retry import retry

_NAMED: Final = 5
_LONGEST: Final = 160


async def why(context: RunContext, namespace: str, waiting: Sequence[str]) -> str:
    """What is said of the first of the workloads that are not ready; empty where nobody says anything."""
    pods = await _listed(context, paths.pods(namespace), "pods")
    deployments = await _listed(context, paths.deployments(namespace), "deployments")
    return "; ".join(reasons(waiting[:_NAMED], pods, deployments)[:_NAMED])


async def _listed(context: RunContext, path: str, what: str) -> list[Object]:
    found = await retry(context.clock, lambda: context.client.get(path), f"listing {what}")
    items: list[Object] = found["items"]
    return items


def reasons(names: Sequence[str], pods: Sequence[Object], deployments: Sequence[Object]) -> list[str]:
    """What keeps each of these workloads: first of pods that could not be made, then of those that are not ready."""
    said = []
    for name in names:
        said += [f"{name}: {_not_made(made)}" for made in deployments if _name(made) == name and _not_made(made)]
        own = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get("app") == name]
        said += [f"{_name(pod)}: {state_of(pod)}" for pod in own if not _is_ready(pod)]
    return said


def state_of(pod: Object) -> str:
    """What a pod that is not ready says: its containers in the order in which they run, else its conditions."""
    status = pod.get("status") or {}
    for key, kind in (("initContainerStatuses", "init container "), ("containerStatuses", "")):
        for container in status.get(key) or []:
            # One that is to end, and has ended well, keeps nobody.
            said = _container(container, may_end=bool(kind))
            if said:
                return f"{kind}{container['name']} {said}" if kind else said
    conditions = [c for c in status.get("conditions") or [] if c["status"] != "True" and c.get("message")]
    return str(conditions[0]["message"][:_LONGEST] if conditions else status.get("phase", "unknown"))


def _container(container: Object, *, may_end: bool) -> str:
    parts = []
    for kind in ("waiting", "terminated"):
        state = (container.get("state") or {}).get(kind)
        if state and not (may_end and kind == "terminated" and state.get("exitCode") == 0):
            parts.append(f"{state.get('reason', kind)} {state.get('message', '')}".strip()[:_LONGEST])
    last = (container.get("lastState") or {}).get("terminated")
    if last and not (container.get("ready") and not parts):
        ended = f"{last.get('reason', 'ended')} (exit code {last.get('exitCode')})"
        parts.append(f"ended before by {ended}, restarted {container.get('restartCount', 0)} times")
    return ", ".join(parts)


def _not_made(deployment: Object) -> str:
    for condition in (deployment.get("status") or {}).get("conditions") or []:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return f"{condition.get('reason', '')} {condition.get('message', '')}".strip()[:_LONGEST]
    return ""


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _name(made: Object) -> str:
    return str(made["metadata"]["name"])
