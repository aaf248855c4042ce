"""Looking for what an experiment has left, independently of its undo."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from demo import Demo

Object = dict[str, Any]
_TRIES = 10


class LookFailed(Exception):
    """A pod could not be looked at: it has no process here, or a tool failed in it."""


#: What changes by itself, or says how often something was looked at.
_VOLATILE = {"resourceVersion", "managedFields", "generation", "uid", "creationTimestamp", "selfLink"}
#: A rollout and its reverse count the revision on; nobody can turn that back.
_COUNTED = {"deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"}
_WORKLOADS = "deployments,statefulsets"
_KINDS = (
    "statefulsets,controllerrevisions,deployments,replicasets,services,configmaps,secrets,serviceaccounts,networkpolicies,roles,rolebindings,"
    "persistentvolumeclaims,poddisruptionbudgets,resourcequotas,limitranges,horizontalpodautoscalers"
)


def residues(lab: Demo, cluster: str, namespace: str) -> Object:
    """What is there; looked at anew where a pod went away while it was looked at."""
    for _ in range(_TRIES):
        try:
            return _residues(lab, cluster, namespace)
        except LookFailed:
            time.sleep(2)
    return _residues(lab, cluster, namespace)


def _residues(lab: Demo, cluster: str, namespace: str) -> Object:
    """All that an experiment could leave in a namespace: its objects, and the packet filters of its pods.

    It reads objects by kubectl and the filters from outside the pods, in their network namespaces: nothing here
    knows how a fault is made or undone. Pods come and go; what is compared of them is how many there are, and
    what each kernel holds.
    """
    context = f"firedrill-{cluster}"
    for workload in lab.kubectl(context, "-n", namespace, "get", _WORKLOADS, "-o", "name", capture=True).split():
        lab.kubectl(context, "-n", namespace, "rollout", "status", workload, "--timeout=120s", capture=True)
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
        return {k: _stable(v) for k, v in value.items() if k not in _VOLATILE | _COUNTED and k != "status"}
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
            if any(mark in groups for mark in marks):
                # One that has ended and is not reaped yet has a cgroup, and no namespaces to enter.
                (entry / "ns" / "net").readlink()
                return int(entry.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
    raise LookFailed(f"no process of pod {pod_uid} on this machine: is the lab a native one?")


def _run(command: list[str]) -> str:
    done = subprocess.run(command, text=True, check=False, capture_output=True)
    if done.returncode:
        raise LookFailed(f"{command} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
