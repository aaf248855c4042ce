"""Experiments of other engines on an application of their own, told by the operator."""

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from demo import HUB, NAMESPACE, Demo
from fault_app import manifest

T = TypeVar("T")
Object = dict[str, Any]
TARGET = "firedrill-finance"
#: What the experiments of the tests do, and no more.
RULES = ((("",), ("pods",), ("get", "list", "delete")), (("apps",), ("deployments",), ("get", "list", "patch")))
POLICY = {
    "faultFamilies": ["chaostoolkit"],
    "maxAffectedPercent": 100,
    "chaosToolkit": {
        "modules": ["chaosk8s.pod.probes", "chaosk8s.pod.actions.terminate_pods", "chaosk8s.deployment.actions"],
        "allowHttp": True,
    },
}


def allow(lab: Demo) -> None:
    """Install the family in the target with its rights, and let the policy allow it."""
    sets = [
        "operator.enabled=false",
        "crds.enabled=false",
        "target.enabled=true",
        "target.faultFamilies={chaostoolkit}",
    ]
    for number, parts in enumerate(RULES):
        for name, values in zip(("apiGroups", "resources", "verbs"), parts, strict=True):
            sets += [f"target.chaosToolkit.rules[{number}].{name}[{i}]={value}" for i, value in enumerate(values)]
    lab.helm(TARGET, "firedrill", "firedrill", *sets)
    lab.kubectl(
        HUB, "patch", "targetcluster", "finance", "--type=merge", "-p", json.dumps({"spec": {"policy": POLICY}})
    )


def shop(lab: Demo, namespace: str) -> None:
    """The application, ready."""
    lab.kubectl(TARGET, "apply", "-f", "-", stdin=manifest(namespace, 2), capture=True)
    lab.kubectl(TARGET, "-n", namespace, "wait", "--for=condition=Available", "deployments", "--all", "--timeout=180s")


def begin(lab: Demo, name: str, namespace: str, fault: Object, **spec: Any) -> None:
    """Apply a ChaosExperiment."""
    body = {
        "apiVersion": "firedrill.dev/v1alpha1",
        "kind": "ChaosExperiment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "clusters": {"names": ["finance"]},
            "timeout": "8m",
            "duration": "60s",
            "recoveryTimeout": "90s",
            "steadyState": {"http": {"url": f"http://shop.{namespace}:8080/", "timeout": "2s"}, "window": "5s"},
            "target": {"namespace": namespace, "matchLabels": {"app": "shop"}},
            "fault": {"chaosToolkit": fault},
            **spec,
        },
    }
    lab.kubectl(HUB, "apply", "-f", "-", stdin=json.dumps(body), capture=True)


def status(lab: Demo, name: str) -> Object:
    """Status of a ChaosExperiment."""
    found = lab.kubectl(HUB, "-n", NAMESPACE, "get", f"chaosexperiment/{name}", "-o", "json", capture=True)
    return dict(json.loads(found).get("status") or {})


def ended(lab: Demo, name: str) -> Object:
    """Its status, once the run has ended."""
    where = ("-n", NAMESPACE, f"chaosexperiment/{name}")
    lab.kubectl(HUB, "wait", "--for=condition=Complete", "--timeout=540s", *where, capture=True)
    return status(lab, name)


def condition(found: Object, name: str) -> str:
    """Status and reason of a condition."""
    return next((f"{c['status']} {c['reason']}" for c in found["conditions"] if c["type"] == name), "")


def measured(found: Object) -> Object:
    """Measurements of the target, by name."""
    return {item["name"]: item for item in found["clusters"][0].get("measurements", [])}


def replicas(lab: Demo, namespace: str) -> int:
    """How many pods the application is to have."""
    return int(
        lab.kubectl(TARGET, "-n", namespace, "get", "deployment/shop", "-o", "jsonpath={.spec.replicas}", capture=True)
    )


def listed(lab: Demo, what: str, namespace: str, selector: str = "") -> list[Object]:
    """Objects of the target."""
    found = lab.kubectl(TARGET, "-n", namespace, "get", what, "-l", selector, "-o", "json", capture=True)
    return list(json.loads(found)["items"])


def until(look: Callable[[], T | None], what: str, seconds: float = 240) -> T:
    """The first answer that is not empty."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.5)
    return found
