"""What each fault of a pod template sets there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Any, Final

from firedrill.api.faults import workload
from firedrill.api.faults.about import FaultModel
from firedrill.api.meta import LABEL_RUN
from firedrill.engines.chaos.editing import ABSENT, Path, Wish, read

Object = dict[str, Any]

_SPEC: Final[Path] = ("spec", "template", "spec")
_PROBES: Final = {
    workload.ProbeKind.READINESS: "readinessProbe",
    workload.ProbeKind.LIVENESS: "livenessProbe",
    workload.ProbeKind.STARTUP: "startupProbe",
}
#: No registry can have it (RFC 2606); an image of somebody's choice would run with the victim's identity.
NO_IMAGE: Final = "firedrill.invalid/no/such-image:none"
#: Nobody listens there: a privileged port that no container of ours or of theirs binds.
_DEAD_PROBE: Final[Object] = {"tcpSocket": {"port": 1}, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1}
#: The annotation by which pods, ReplicaSets and revisions of the changed template are known.
MARK: Final = LABEL_RUN
_NOWHERE: Final = "firedrill.dev/no-such-node"


class NotApplicable(Exception):
    """The object has nothing that this fault could change; the message says what is missing."""


@dataclass(frozen=True)
class Setting:
    """What a fault needs to know besides itself and the object."""

    run: str
    image: str
    random: Random = field(default_factory=SystemRandom)


def template_wishes(fault: FaultModel, body: Object, setting: Setting) -> list[Wish]:
    """What the template is to be; with the mark by which the pods of it are known. Raises NotApplicable."""
    wishes = [Wish((*_SPEC[:-1], "metadata", "annotations", MARK), setting.run)]
    wishes += TEMPLATE_FAULTS[type(fault)](fault, body, setting)
    replace = isinstance(fault, workload.TemplateFault) and fault.rollout is workload.Rollout.REPLACE
    if replace and read(body, ("spec", "strategy", "type")) == "RollingUpdate":
        wishes.append(Wish(("spec", "strategy"), {"type": "Recreate"}))
    return wishes


def is_template_fault(fault: FaultModel) -> bool:
    """Whether a fault changes a pod template."""
    return type(fault) in TEMPLATE_FAULTS


def _container(body: Object, name: str | None) -> Path:
    containers = read(body, (*_SPEC, "containers"))
    names = [each["name"] for each in containers]
    if name is not None and name not in names:
        raise NotApplicable(f"no container {name} in it: there is {', '.join(names)}")
    return (*_SPEC, "containers", f"[name={name or names[0]}]")


def _image(fault: workload.ImageBreak, body: Object, _: Setting) -> list[Wish]:
    return [Wish((*_container(body, fault.container), "image"), NO_IMAGE)]


def _command(fault: workload.CommandBreak, body: Object, _: Setting) -> list[Wish]:
    return [Wish((*_container(body, fault.container), "command"), ["/firedrill.dev/no-such-program"])]


def _crash(fault: workload.CrashLoop, body: Object, setting: Setting) -> list[Wish]:
    at = _container(body, fault.container)
    return [
        Wish((*at, "image"), setting.image),
        Wish((*at, "imagePullPolicy"), "IfNotPresent"),
        Wish((*at, "command"), ["false"]),
    ]


def _init(fault: workload.InitContainer, _: Object, setting: Setting) -> list[Wish]:
    hangs = fault.mode is workload.InitContainerFault.HANG
    container = _guest(setting, ["sleep", "infinity"] if hangs else ["false"])
    return [Wish((*_SPEC, "initContainers", f"[name={container['name']}]"), container)]


def _guest(setting: Setting, command: list[str]) -> Object:
    """A container of ours that any pod security admits."""
    return {
        "name": f"firedrill-{setting.run}",
        "image": setting.image,
        "command": command,
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"cpu": "50m", "memory": "32Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _probe(fault: workload.ProbeBreak, body: Object, _: Setting) -> list[Wish]:
    return [Wish((*_container(body, fault.container), _PROBES[fault.probe]), dict(_DEAD_PROBE))]


def _stuck(_: workload.RolloutStuck, __: Object, setting: Setting) -> list[Wish]:
    gate = f"firedrill.dev/{setting.run}"
    return [Wish((*_SPEC, "readinessGates", f"[conditionType={gate}]"), {"conditionType": gate})]


def _limits(fault: workload.LimitsSqueeze, body: Object, _: Setting) -> list[Wish]:
    at = _container(body, fault.container)
    given = {key: value for key, value in (("cpu", fault.cpu), ("memory", fault.memory)) if value is not None}
    return [
        Wish((*at, "resources", part, key), value) for part in ("limits", "requests") for key, value in given.items()
    ]


def _env(fault: workload.EnvDrift, body: Object, _: Setting) -> list[Wish]:
    at = _container(body, fault.container)
    return [Wish((*at, "env", f"[name={fault.name}]"), {"name": fault.name, "value": fault.value})]


def _volume(_: workload.MissingVolume, __: Object, setting: Setting) -> list[Wish]:
    name = f"firedrill-{setting.run}"
    volume = {"name": name, "persistentVolumeClaim": {"claimName": name}}
    return [Wish((*_SPEC, "volumes", f"[name={name}]"), volume)]


def _config(fault: workload.MissingConfig, body: Object, setting: Setting) -> list[Wish]:
    at = _container(body, fault.container)
    name = f"firedrill-{setting.run}"
    source = {"name": "FIREDRILL", "valueFrom": {"configMapKeyRef": {"name": name, "key": "none"}}}
    return [Wish((*at, "env", "[name=FIREDRILL]"), source)]


def _account(_: workload.MissingServiceAccount, __: Object, setting: Setting) -> list[Wish]:
    name = f"firedrill-{setting.run}"
    # The API server keeps the older name of the field in step, and fills in the one from the other.
    return [Wish((*_SPEC, field), name) for field in ("serviceAccountName", "serviceAccount")]


def _dns(_: workload.DnsBreak, __: Object, ___: Setting) -> list[Wish]:
    # An address for documentation alone: nobody has it (RFC 5737).
    return [Wish((*_SPEC, "dnsPolicy"), "None"), Wish((*_SPEC, "dnsConfig"), {"nameservers": ["192.0.2.1"]})]


def _security(fault: workload.SecurityBreak, body: Object, _: Setting) -> list[Wish]:
    at = (*_container(body, fault.container), "securityContext")
    return [Wish((*at, "runAsNonRoot"), True), Wish((*at, "runAsUser"), 0)]


def _conflict(fault: workload.PortConflict, _: Object, setting: Setting) -> list[Wish]:
    sidecar = _guest(setting, ["python3", "-m", "http.server", str(fault.port)])
    return [Wish((*_SPEC, "containers", f"[name={sidecar['name']}]"), sidecar)]


def _scheduling(fault: workload.SchedulingBlock, body: Object, _: Setting) -> list[Wish]:
    rules = workload.Unschedulable
    if fault.rule is rules.NODE_SELECTOR:
        return [Wish((*_SPEC, "nodeSelector", _NOWHERE), "true")]
    if fault.rule is rules.NODE_NAME:
        return [Wish((*_SPEC, "nodeName"), "firedrill-no-such-node")]
    if fault.rule is rules.REQUESTS:
        at = (*_container(body, None), "resources")
        parts = ("requests",) if read(body, (*at, "limits", "cpu")) is ABSENT else ("requests", "limits")
        return [Wish((*at, part, "cpu"), "100k") for part in parts]
    # On every node is some pod, of whatever namespace.
    term = {"labelSelector": {}, "namespaceSelector": {}, "topologyKey": "kubernetes.io/hostname"}
    path = (*_SPEC, "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    return [Wish(path, [term])]


TEMPLATE_FAULTS: Final[Mapping[type[FaultModel], Callable[[Any, Object, Setting], list[Wish]]]] = {
    workload.ImageBreak: _image,
    workload.CommandBreak: _command,
    workload.CrashLoop: _crash,
    workload.InitContainer: _init,
    workload.ProbeBreak: _probe,
    workload.RolloutStuck: _stuck,
    workload.LimitsSqueeze: _limits,
    workload.EnvDrift: _env,
    workload.MissingVolume: _volume,
    workload.MissingConfig: _config,
    workload.MissingServiceAccount: _account,
    workload.DnsBreak: _dns,
    workload.SecurityBreak: _security,
    workload.PortConflict: _conflict,
    workload.SchedulingBlock: _scheduling,
}
