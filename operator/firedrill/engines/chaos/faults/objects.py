"""The objects that some faults are: quotas, policies, webhooks that were not there before."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from firedrill.api.faults import controlplane, network
from firedrill.api.faults.about import FaultModel
from firedrill.api.target import PodTarget
from firedrill.engines.chaos import labels
from firedrill.engines.chaos.faults.fields import Kind

Object = dict[str, Any]

_QUOTA: Final = Kind("v1", "resourcequotas", "ResourceQuota")
_LIMITS: Final = Kind("v1", "limitranges", "LimitRange")
_BUDGET: Final = Kind("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget")
_POLICY: Final = Kind("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy")
_WEBHOOK: Final = Kind(
    "admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration"
)


def is_object_fault(fault: FaultModel) -> bool:
    """Whether a fault is an object that is created."""
    return type(fault) in OBJECT_FAULTS


def kind_of(fault: FaultModel) -> Kind:
    """Which kind of object a fault is."""
    return OBJECT_FAULTS[type(fault)][0]


def cluster_scoped(kind: Kind) -> bool:
    """Whether objects of a kind are in no namespace."""
    return kind == _WEBHOOK


def made(fault: FaultModel, target: PodTarget) -> Object:
    """The object but for its metadata."""
    return OBJECT_FAULTS[type(fault)][1](fault, target)


def _quota(_: controlplane.QuotaExhausted, __: PodTarget) -> Object:
    return {"spec": {"hard": {"pods": "0"}}}


def _limits(_: controlplane.LimitRangeBlock, __: PodTarget) -> Object:
    # For containers the API server would write the limit into pods that have none, and there it would stay.
    return {"spec": {"limits": [{"type": "Pod", "max": {"memory": "1Mi"}}]}}


def _budget(_: controlplane.PdbBlock, target: PodTarget) -> Object:
    return {"spec": {"maxUnavailable": 0, "selector": dict(labels.selector_of(target))}}


def _deny(fault: network.NetworkDeny, target: PodTarget) -> Object:
    both = ["Ingress", "Egress"]
    types = both if fault.direction is network.Direction.BOTH else [fault.direction.value]
    return {"spec": {"podSelector": dict(labels.selector_of(target)), "policyTypes": types}}


def _webhook(_: controlplane.WebhookFailure, target: PodTarget) -> Object:
    # A port of the API server's own host that no server of admission has.
    return _hook(target, "away.firedrill.dev", "https://127.0.0.1:1/", "Fail", 1)


def _slow_webhook(fault: controlplane.WebhookSlow, target: PodTarget) -> Object:
    # An address of documentation (RFC 5737): nobody answers there, and nobody refuses.
    return _hook(target, "slow.firedrill.dev", "https://192.0.2.1/", "Ignore", fault.seconds)


def _hook(target: PodTarget, name: str, url: str, policy: str, seconds: int) -> Object:
    hook = {
        "name": name,
        "clientConfig": {"url": url},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": target.namespace}},
        "failurePolicy": policy,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": seconds,
    }
    return {"webhooks": [hook]}


OBJECT_FAULTS: Final[Mapping[type[FaultModel], tuple[Kind, Callable[[Any, PodTarget], Object]]]] = {
    controlplane.QuotaExhausted: (_QUOTA, _quota),
    controlplane.LimitRangeBlock: (_LIMITS, _limits),
    controlplane.PdbBlock: (_BUDGET, _budget),
    controlplane.WebhookFailure: (_WEBHOOK, _webhook),
    controlplane.WebhookSlow: (_WEBHOOK, _slow_webhook),
    network.NetworkDeny: (_POLICY, _deny),
}
