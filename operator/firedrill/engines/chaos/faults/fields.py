"""What the faults of single objects set there: Services, ConfigMaps, autoscalers, bindings, nodes, pods."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from firedrill.api.faults import config, controlplane, node, pods, secrets, workload
from firedrill.api.faults.about import FaultModel
from firedrill.api.faults.data import StoreFault
from firedrill.api.flag import FLAGS_CONFIGMAP, FLAGS_KEY
from firedrill.engines.chaos.editing import ABSENT, Path, Wish, read
from firedrill.engines.chaos.faults.secrets import flawed, rotated
from firedrill.engines.chaos.faults.template import NotApplicable, Setting, is_template_fault, template_wishes

Object = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of object, as the API names it."""

    api: str
    plural: str
    kind: str


WORKLOADS: Final[Mapping[str, Kind]] = {
    kind: Kind("apps/v1", f"{kind.lower()}s", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet")
}
POD: Final = Kind("v1", "pods", "Pod")
NODE: Final = Kind("v1", "nodes", "Node")
_WHEN_SCALED: Final[Path] = ("spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")
SERVICE: Final = Kind("v1", "services", "Service")
BINDING: Final = Kind("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding")
_SECRET: Final = Kind("v1", "secrets", "Secret")
_CONFIG_MAP: Final = Kind("v1", "configmaps", "ConfigMap")
_AUTOSCALER: Final = Kind("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
#: No image's name has capitals, which a kubelet says at once. One that no registry has it tries to pull, for seconds,
#: one after the other for all pods of its node.
BAD_IMAGE: Final = "firedrill.invalid/No-Such-Image"


def named(fault: FaultModel) -> tuple[Kind, str] | None:
    """The object that a fault names; None for one that hits what the target selects."""
    match fault:
        case config.ConfigDrift() | config.ConfigMapDelete():
            return _CONFIG_MAP, fault.name
        case secrets.SecretDelete() | secrets.SecretRotate() | secrets.CertificateSecretExpired():
            return _SECRET, fault.name
        case config.SimulationFlag():
            return _CONFIG_MAP, FLAGS_CONFIGMAP
        case StoreFault():
            return SERVICE, fault.service
        case config.WrongPort() | config.WrongSelector() | config.ServiceDelete():
            return SERVICE, fault.service
        case controlplane.RbacRevoked():
            return BINDING, fault.role_binding
        case config.HpaSqueeze():
            return _AUTOSCALER, fault.name
    return None


def subresource_of(fault: FaultModel) -> str:
    """Where the fields of a fault are written, if not in the object itself."""
    return "status" if isinstance(fault, node.ExtendedResourceLoss) else ""


def wishes(fault: FaultModel, body: Object, setting: Setting) -> list[Wish]:
    """What a fault sets in an object. Raises NotApplicable, whose message says what the object lacks."""
    if is_template_fault(fault):
        return template_wishes(fault, body, setting)
    return FIELD_FAULTS[type(fault)](fault, body, setting)


def _scale(fault: workload.Scale, body: Object, _: Setting) -> list[Wish]:
    before = read(body, ("spec", "replicas"))
    if before is ABSENT:
        raise NotApplicable("it has no replicas to change: the node count decides")
    if fault.replicas < before and read(body, _WHEN_SCALED) == "Delete":
        raise NotApplicable("its volume claims are deleted when it is scaled down, and their data with them")
    if before == fault.replicas:
        raise NotApplicable(f"it is to have {before} pods already")
    return [Wish(("spec", "replicas"), fault.replicas)]


def _drift(fault: config.ConfigDrift, body: Object, _: Setting) -> list[Wish]:
    before = read(body, ("data", fault.key))
    if before is ABSENT:
        keys = ", ".join(sorted(body.get("data") or {})) or "none"
        raise NotApplicable(f"it has no key {fault.key}: there is {keys}")
    if before == fault.value:
        raise NotApplicable(f"{fault.key} has that value already")
    return [Wish(("data", fault.key), ABSENT if fault.value is None else fault.value)]


def _flag(fault: config.SimulationFlag, body: Object, _: Setting) -> list[Wish]:
    text = read(body, ("data", FLAGS_KEY))
    if text is ABSENT:
        raise NotApplicable("it holds no flags: no Simulation stands here")
    flag = fault.flag.model_dump(mode="json", by_alias=True)
    others = [each for each in json.loads(text)["flags"] if (each["service"], each["name"]) != _which(flag)]
    return [Wish(("data", FLAGS_KEY), json.dumps({"flags": [*others, flag]}, sort_keys=True))]


def _which(flag: Object) -> tuple[str, str]:
    return flag["service"], flag["name"]


def _port(fault: config.WrongPort, body: Object, _: Setting) -> list[Wish]:
    ports = read(body, ("spec", "ports"))
    listed = [each["port"] for each in ports] if ports is not ABSENT else []
    if not listed or (fault.port is not None and fault.port not in listed):
        raise NotApplicable(f"it has no port {fault.port or ''}: there is {', '.join(map(str, listed)) or 'none'}")
    return [Wish(("spec", "ports", f"[port={fault.port or listed[0]}]", "targetPort"), fault.target_port)]


def _selector(_: config.WrongSelector, body: Object, setting: Setting) -> list[Wish]:
    if not body["spec"].get("selector"):
        raise NotApplicable("it has no selector")
    return [Wish(("spec", "selector", "firedrill.dev/none"), setting.run)]


def _bounds(fault: config.HpaSqueeze, body: Object, _: Setting) -> list[Wish]:
    spec = body["spec"]
    if spec["maxReplicas"] <= fault.max_replicas:
        raise NotApplicable(f"it may ask for no more than {spec['maxReplicas']} pods already")
    lowest = min(spec.get("minReplicas", 1), fault.max_replicas)
    return [Wish(("spec", "maxReplicas"), fault.max_replicas), Wish(("spec", "minReplicas"), lowest)]


def _cordon(_: node.NodeCordon | node.NodeDrain, body: Object, __: Setting) -> list[Wish]:
    if read(body, ("spec", "unschedulable")) is True:
        raise NotApplicable("it is unschedulable already")
    return [Wish(("spec", "unschedulable"), True)]


def _taint(_: node.NodeTaint, __: Object, setting: Setting) -> list[Wish]:
    key = f"firedrill.dev/{setting.run}"
    return [Wish(("spec", "taints", f"[key={key}]"), {"key": key, "value": "fault", "effect": "NoSchedule"})]


def _fail(_: pods.PodFailure, body: Object, __: Setting) -> list[Wish]:
    return [Wish((*_in_pod(each["name"]), "image"), BAD_IMAGE) for each in body["spec"]["containers"]]


def _held(_: pods.FinalizerBlock, __: Object, setting: Setting) -> list[Wish]:
    name = f"firedrill.dev/{setting.run}"
    return [Wish(("metadata", "finalizers", f"[={name}]"), name)]


def _lost(fault: node.ExtendedResourceLoss, body: Object, _: Setting) -> list[Wish]:
    places: list[Path] = [("status", part, fault.resource) for part in ("capacity", "allocatable")]
    there = [place for place in places if read(body, place) not in (ABSENT, "0")]
    if not there:
        raise NotApplicable(f"it has no {fault.resource} to lose")
    return [Wish(place, "0") for place in there]


def _revoked(_: controlplane.RbacRevoked, body: Object, __: Setting) -> list[Wish]:
    if not body.get("subjects"):
        raise NotApplicable("it has no subjects: nobody has a right by it")
    return [Wish(("subjects",), [])]


def _end_container(fault: pods.ContainerKill, body: Object, _: Setting) -> list[Wish]:
    spec = body["spec"]
    names = [each["name"] for each in spec["containers"]]
    if fault.container is not None and fault.container not in names:
        raise NotApplicable(f"it has no container {fault.container}: there is {', '.join(names)}")
    if spec.get("restartPolicy", "Always") != "Always":
        raise NotApplicable("its containers are not started again (restartPolicy)")
    return [Wish((*_in_pod(fault.container or names[0]), "image"), BAD_IMAGE)]


def _in_pod(container: str) -> Path:
    return ("spec", "containers", f"[name={container}]")


FIELD_FAULTS: Final[Mapping[type[FaultModel], Callable[[Any, Object, Setting], list[Wish]]]] = {
    workload.Scale: _scale,
    config.ConfigDrift: _drift,
    config.SimulationFlag: _flag,
    config.WrongPort: _port,
    config.WrongSelector: _selector,
    secrets.SecretRotate: rotated,
    secrets.CertificateSecretExpired: flawed,
    config.HpaSqueeze: _bounds,
    node.NodeCordon: _cordon,
    node.NodeTaint: _taint,
    node.NodeDrain: _cordon,
    node.ExtendedResourceLoss: _lost,
    controlplane.RbacRevoked: _revoked,
    pods.PodFailure: _fail,
    pods.FinalizerBlock: _held,
    pods.ContainerKill: _end_container,
}
