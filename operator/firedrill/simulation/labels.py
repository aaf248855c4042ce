"""Names and labels of what a simulation consists of. They are those of any application: nothing in them tells more."""

from typing import Any, Final

Object = dict[str, Any]

#: Applies everything, and is what marks an object as one to be taken away when the graph has it no more.
MANAGER: Final = "simulation"
HTTP_PORT: Final = 8080
NON_ROOT: Final = 65532


def labels(simulation: str, name: str) -> dict[str, str]:
    """Labels of all objects of a part."""
    return {
        "app": name,
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": simulation,
        "app.kubernetes.io/managed-by": MANAGER,
    }


def metadata(simulation: str, name: str, namespace: str, more: dict[str, str] | None = None) -> Object:
    """Metadata of an object of a part."""
    return {"name": name, "namespace": namespace, "labels": {**(more or {}), **labels(simulation, name)}}


def pod_security() -> Object:
    """Of a pod, by the restricted standard."""
    return {
        "runAsNonRoot": True,
        "runAsUser": NON_ROOT,
        "runAsGroup": NON_ROOT,
        "fsGroup": NON_ROOT,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Object:
    """Of a container, by the restricted standard."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
