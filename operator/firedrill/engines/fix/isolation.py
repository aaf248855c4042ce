"""Whether a template can be tried out in isolation at all, and what the try-out needs from production.

The lists name what is allowed. What is not known to be harmless is refused by its field: a volume type or a
capability of a later Kubernetes must not slip through.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

#: Volumes that hold nothing of the node, of other pods, or of Secrets.
HARMLESS_VOLUMES = frozenset({"emptyDir", "configMap", "downwardAPI", "projected"})
HARMLESS_PROJECTIONS = frozenset({"configMap", "downwardAPI"})
#: What a container may add: the list of the Pod Security Standard "baseline", less NET_RAW, with which a process
#: sends packets past the rules of its own network namespace.
HARMLESS_CAPABILITIES = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip
#: Fields of a pod that tie it to the node, to the API server or to something outside.
REFUSED_FIELDS = {
    "hostNetwork": "shares the node's network, which can not be cut off",
    "hostPID": "shares the node's processes",
    "hostIPC": "shares the node's memory segments",
    "imagePullSecrets": "needs a Secret, and Secrets are never copied",
    "readinessGates": "waits for something outside the sandbox to become ready",
    "schedulingGates": "waits for something outside the sandbox to be scheduled",
    "resourceClaims": "claims devices that production may need",
    "nodeName": "is bound to one node past the scheduler",
}
#: Every namespace has it; it is not ours to copy.
EVERYWHERE = frozenset({"kube-root-ca.crt"})


@dataclass(frozen=True)
class ConfigMapNeed:
    """A ConfigMap that the template refers to."""

    name: str
    optional: bool


def refusals(template: Object) -> tuple[str, ...]:
    """Why a template can not be tried out in isolation: each field with its reason. Empty where it can."""
    spec: Object = template.get("spec") or {}
    return (
        *(f"{field} {why}" for field, why in REFUSED_FIELDS.items() if spec.get(field)),
        *_volume_refusals(spec.get("volumes") or ()),
        *(text for container in _containers(spec) for text in _container_refusals(container)),
    )


def config_maps(template: Object) -> tuple[ConfigMapNeed, ...]:
    """ConfigMaps that the template refers to, by name."""
    spec: Object = template.get("spec") or {}
    needs: dict[str, bool] = {}
    for reference in _config_map_references(spec):
        name = reference.get("name", "")
        if name and name not in EVERYWHERE:
            needs[name] = needs.get(name, True) and bool(reference.get("optional"))
    return tuple(ConfigMapNeed(name, optional) for name, optional in sorted(needs.items()))


def _containers(spec: Object) -> tuple[Object, ...]:
    return (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))


def _volume_refusals(volumes: Sequence[Object]) -> Iterator[str]:
    for volume in volumes:
        name = volume["name"]
        for kind in sorted(key for key, value in volume.items() if key != "name" and value is not None):
            if kind not in HARMLESS_VOLUMES:
                yield f"volumes[{name}].{kind}{_named(volume[kind])} is not available to a sandbox"
        for source in (volume.get("projected") or {}).get("sources") or ():
            for kind in sorted(set(source) - HARMLESS_PROJECTIONS):
                yield f"volumes[{name}].projected.{kind}{_named(source[kind])} is not available to a sandbox"


def _container_refusals(container: Object) -> Iterator[str]:
    where = f"containers[{container['name']}]"
    security: Object = container.get("securityContext") or {}
    if security.get("privileged"):
        yield f"{where}.securityContext.privileged could undo its isolation"
    for capability in (security.get("capabilities") or {}).get("add") or ():
        if capability.upper().removeprefix("CAP_") not in HARMLESS_CAPABILITIES:
            yield f"{where}.securityContext.capabilities.add {capability} could undo its isolation"
    for port in container.get("ports") or ():
        if port.get("hostPort"):
            yield f"{where}.ports.hostPort {port['hostPort']} is a port of the node"
    for entry in container.get("env") or ():
        reference = (entry.get("valueFrom") or {}).get("secretKeyRef")
        if reference and not reference.get("optional"):
            yield f"{where}.env[{entry['name']}] needs Secret {reference.get('name')}, and Secrets are never copied"
    for source in container.get("envFrom") or ():
        reference = source.get("secretRef")
        if reference and not reference.get("optional"):
            yield f"{where}.envFrom needs Secret {reference.get('name')}, and Secrets are never copied"


def _named(source: object) -> str:
    """The name of what a volume refers to, where it says one."""
    if not isinstance(source, Mapping):
        return ""
    name = source.get("secretName") or source.get("claimName") or source.get("name") or source.get("path")
    return f" ({name})" if name else ""


def _config_map_references(spec: Object) -> Iterator[Object]:
    for container in _containers(spec):
        for entry in container.get("env") or ():
            if reference := (entry.get("valueFrom") or {}).get("configMapKeyRef"):
                yield reference
        for source in container.get("envFrom") or ():
            if reference := source.get("configMapRef"):
                yield reference
    for volume in spec.get("volumes") or ():
        if reference := volume.get("configMap"):
            yield reference
        for source in (volume.get("projected") or {}).get("sources") or ():
            if reference := source.get("configMap"):
                yield reference
