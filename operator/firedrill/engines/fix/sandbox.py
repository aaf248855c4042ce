"""The objects of a sandbox: a namespace cut off from everything, and the try-out pod in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]

POD_NAME: Final = "try-out"
ISOLATE: Final = "firedrill-isolate"
CANARY: Final = "firedrill-canary"
#: Taken from every container of the try-out: with these, a process could change or go round the rules.
DROPPED: Final = ("NET_ADMIN", "NET_RAW")
#: Fields of the template that would act outside the sandbox: an important try-out could push production pods off
#: their nodes, and an identity is not needed where nothing can be reached.
_LEFT_OUT: Final = ("priorityClassName", "priority", "preemptionPolicy", "serviceAccountName", "serviceAccount")


@dataclass(frozen=True)
class SandboxPlan:
    """What a sandbox is built from."""

    namespace: str
    labels: Mapping[str, str]
    image: str
    template: Mapping[str, Any]
    #: host:port of what must not be reachable from the sandbox.
    canary_targets: tuple[str, ...]
    canary_timeout: float
    #: The kubelet ends the pod after so many seconds, even if nobody deletes the namespace.
    lifetime_seconds: int


def namespace_object(plan: SandboxPlan) -> Object:
    """The namespace. It admits the container that installs the rules; what else runs in it is decided by us."""
    security = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "audit", "warn")}
    labels = {**plan.labels, **security, "istio-injection": "disabled"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": plan.namespace, "labels": labels}}


def network_policy(plan: SandboxPlan) -> Object:
    """The second layer, where the cluster's network enforces it: nothing comes in, nothing goes out."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny-all", "namespace": plan.namespace, "labels": dict(plan.labels)},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


def config_map_copy(plan: SandboxPlan, original: Mapping[str, Any]) -> Object:
    """A ConfigMap of production, as far as the try-out needs it."""
    parts = {key: original[key] for key in ("data", "binaryData") if original.get(key)}
    meta = {"name": original["metadata"]["name"], "namespace": plan.namespace, "labels": dict(plan.labels)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, **parts}


def try_out_pod(plan: SandboxPlan) -> Object:
    """The proposed template as one pod: rules first, then the canary, and only then what is tried out."""
    meta = plan.template.get("metadata") or {}
    spec: Object = {key: value for key, value in (plan.template.get("spec") or {}).items() if key not in _LEFT_OUT}
    spec.update(
        {
            "serviceAccountName": "default",
            "automountServiceAccountToken": False,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 1,
            "activeDeadlineSeconds": plan.lifetime_seconds,
            "containers": [_confined(item) for item in spec.get("containers") or ()],
            "initContainers": [
                _isolate_container(plan),
                _canary_container(plan),
                *(_confined(item) for item in spec.get("initContainers") or ()),
            ],
        }
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": POD_NAME,
            "namespace": plan.namespace,
            "labels": {**(meta.get("labels") or {}), **plan.labels, "sidecar.istio.io/inject": "false"},
            "annotations": {**(meta.get("annotations") or {}), "linkerd.io/inject": "disabled"},
        },
        "spec": spec,
    }


def _confined(container: Mapping[str, Any]) -> Object:
    security = dict(container.get("securityContext") or {})
    capabilities = dict(security.get("capabilities") or {})
    dropped: Sequence[str] = capabilities.get("drop") or ()
    capabilities["drop"] = [*dropped, *(name for name in DROPPED if name not in dropped)]
    return {**container, "securityContext": {**security, "capabilities": capabilities}}


def _own_container(plan: SandboxPlan, name: str, command: Sequence[str], security: Object) -> Object:
    return {
        "name": name,
        "image": plan.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **security,
        },
    }


def _isolate_container(plan: SandboxPlan) -> Object:
    # The template may ask for a non-root pod; rules can be set by root alone.
    security = {
        "runAsUser": 0,
        "runAsGroup": 0,
        "runAsNonRoot": False,
        "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]},
    }
    return _own_container(plan, ISOLATE, ["firedrill", "isolate"], security)


def _canary_container(plan: SandboxPlan) -> Object:
    command = ["firedrill", "isolate", "--timeout", f"{plan.canary_timeout:g}", "--canary", *plan.canary_targets]
    security = {"runAsUser": 65532, "runAsGroup": 65532, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}}
    return _own_container(plan, CANARY, command, security)
