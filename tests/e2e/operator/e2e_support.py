"""Applying samples, reading conditions, and looking for what an experiment has left, independently of its undo."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo import HUB, Demo

Object = dict[str, Any]

#: What changes by itself, or says how often something was looked at.
_VOLATILE = {"resourceVersion", "managedFields", "generation", "uid", "creationTimestamp", "selfLink"}
_KINDS = (
    "deployments,replicasets,services,configmaps,secrets,serviceaccounts,networkpolicies,roles,rolebindings,"
    "persistentvolumeclaims,poddisruptionbudgets,resourcequotas,limitranges,horizontalpodautoscalers"
)


@contextmanager
def applied(lab: Demo, path: Path, *, wait: bool = True) -> Iterator[Object]:
    """A sample that was applied, complete unless told otherwise; it is deleted afterwards."""
    lab.kubectl(HUB, "delete", "--ignore-not-found", "--wait", "--timeout=180s", "-f", str(path))
    lab.kubectl(HUB, "apply", "-f", str(path))
    try:
        if wait:
            lab.kubectl(HUB, "wait", "--for=condition=Complete", "--timeout=600s", "-f", str(path))
        yield lab.resource(path)
    finally:
        lab.kubectl(HUB, "delete", "--ignore-not-found", "--wait", "--timeout=180s", "-f", str(path))


def condition(resource: Object, name: str) -> str:
    """Status of a condition; empty where it is not set."""
    found = [c["status"] for c in resource.get("status", {}).get("conditions", []) if c["type"] == name]
    return str(found[0]) if found else ""


def settled_cluster(lab: Demo, context: str, resource: Object) -> Object:
    """The resource once its finalizer is gone: the operator takes it off right after the verdict."""
    meta = resource["metadata"]
    name = f"{resource['kind']}/{meta['name']}"
    lab.kubectl(
        context,
        "-n",
        meta["namespace"],
        "wait",
        name,
        "--timeout=30s",
        "--for=jsonpath={.status.conditions[?(@.type=='Complete')].status}=True",
    )
    for _ in range(30):
        found: Object = json.loads(
            lab.kubectl(context, "-n", meta["namespace"], "get", name, "-o", "json", capture=True)
        )
        if "finalizers" not in found["metadata"]:
            break
        lab.kubectl(context, "version")
    return found


def residues(lab: Demo, cluster: str, namespace: str) -> Object:
    """All that an experiment could leave in a namespace: its objects, and the packet filters of its pods.

    It reads objects by kubectl and the filters from outside the pods, in their network namespaces: nothing here
    knows how a fault is made or undone. Pods come and go; what is compared of them is how many there are, and
    what each kernel holds.
    """
    context = f"firedrill-{cluster}"
    lab.kubectl(
        context,
        "-n",
        namespace,
        "wait",
        "--for=condition=Available",
        "deployments",
        "--all",
        "--timeout=120s",
        capture=True,
    )
    listed = json.loads(lab.kubectl(context, "-n", namespace, "get", _KINDS, "-o", "json", capture=True))
    objects = {f"{o['kind']}/{o['metadata']['name']}": _stable(o) for o in listed["items"]}
    pods = json.loads(lab.kubectl(context, "-n", namespace, "get", "pods", "-o", "json", capture=True))["items"]
    alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return {
        "objects": objects,
        "pods": sorted(pod["metadata"]["labels"]["app"] for pod in alive),
        "kernel": sorted({json.dumps(_kernel(pod["metadata"]["uid"]), sort_keys=True) for pod in alive}),
    }


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _stable(v) for k, v in value.items() if k not in _VOLATILE and k != "status"}
    if isinstance(value, list):
        return [_stable(item) for item in value]
    return value


def _kernel(pod_uid: str) -> Object:
    """nft rules and traffic control of a pod, seen from the host through a process of the pod."""
    pid = _a_process_of(pod_uid)
    enter = ["nsenter", f"--net=/proc/{pid}/ns/net"]
    rules = json.loads(_run([*enter, "nft", "--json", "list", "ruleset"]))["nftables"]
    queues = _run([*enter, "tc", "qdisc", "show"])
    tables = sorted(f"{r['table']['family']} {r['table']['name']}" for r in rules if "table" in r)
    return {"tables": tables, "queues": sorted(" ".join(line.split()[:5]) for line in queues.splitlines())}


def _a_process_of(pod_uid: str) -> int:
    marks = (pod_uid, pod_uid.replace("-", "_"))
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            groups = (entry / "cgroup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(mark in groups for mark in marks):
            return int(entry.name)
    raise AssertionError(f"no process of pod {pod_uid} on this machine: is the lab a native one?")


def _run(command: list[str]) -> str:
    return subprocess.run(command, text=True, check=True, capture_output=True).stdout
