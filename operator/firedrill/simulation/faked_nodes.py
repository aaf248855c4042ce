"""Nodes that are not there, and kwok, which keeps them and their pods up."""

from importlib import resources
from typing import Final

from firedrill.simulation.labels import Object, container_security, metadata, pod_security
from firedrill.simulation.multiplexing import FAKED_KEY, FAKED_VALUE, NODE_TYPE

KWOK: Final = "kwok"
#: Namespace of the simulation that a faked node stands for: a controller looks after its own nodes alone.
LABEL_NAMESPACE: Final = "firedrill.dev/faked-for"
#: ClusterRoles that come with a target: those who build may hand them on, though they do not hold them.
NODES_ROLE: Final = "firedrill-faked-nodes"
PODS_ROLE: Final = "firedrill-faked-pods"

_RBAC: Final = "rbac.authorization.k8s.io"
_PORT: Final = 10247
_FOLDER: Final = "/etc/kwok"
#: For benchmarks (RFC 2544): nothing real has such an address.
_POD_ADDRESSES: Final = "198.18.0.1/15"
_CAPACITY: Final = {"cpu": "64", "memory": "256Gi", "pods": "2000", "ephemeral-storage": "1Ti"}


def nodes(namespace: str, count: int) -> list[Object]:
    """The Node objects of a simulation, named after its namespace."""
    return [_node(namespace, f"{namespace}-faked-{number:03d}") for number in range(count)]


def _node(namespace: str, name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                **NODE_TYPE,
                LABEL_NAMESPACE: namespace,
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                # Cloud load balancers send nothing there.
                "node.kubernetes.io/exclude-from-external-load-balancers": "true",
            },
            "annotations": {FAKED_KEY: FAKED_VALUE},
        },
        "spec": {"taints": [{"key": FAKED_KEY, "value": FAKED_VALUE, "effect": "NoSchedule"}]},
        "status": {"capacity": dict(_CAPACITY), "allocatable": dict(_CAPACITY)},
    }


def binding(namespace: str) -> Object:
    """The cluster-wide right of the controller of a namespace to keep nodes up."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"firedrill-kwok-{namespace}"},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": NODES_ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": KWOK, "namespace": namespace}],
    }


def controller(simulation: str, namespace: str, image: str) -> list[Object]:
    """A Deployment of kwok for the nodes of this simulation, its stages, and its right to change its pods' state."""
    meta = metadata(simulation, KWOK, namespace)
    stages = resources.files("firedrill.simulation").joinpath("templates/kwok.yaml").read_text(encoding="utf-8")
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": PODS_ROLE},
            "subjects": [{"kind": "ServiceAccount", "name": KWOK, "namespace": namespace}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"kwok.yaml": stages}},
        _deployment(meta, namespace, image),
    ]


def _deployment(meta: Object, namespace: str, image: str) -> Object:
    probe = {"httpGet": {"path": "/healthz", "port": KWOK}, "timeoutSeconds": 3}
    container: Object = {
        "name": KWOK,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [
            "kwok",
            f"--config={_FOLDER}/kwok.yaml",
            f"--manage-nodes-with-label-selector={LABEL_NAMESPACE}={namespace}",
            f"--manage-nodes-with-annotation-selector={FAKED_KEY}={FAKED_VALUE}",
            f"--cidr={_POD_ADDRESSES}",
            # Heartbeats go by the state of nodes.
            "--node-lease-duration-seconds=0",
            f"--server-address=0.0.0.0:{_PORT}",
        ],
        "env": [{"name": "GOMEMLIMIT", "value": "230MiB"}, {"name": "HOME", "value": "/tmp"}],  # noqa: S108 - an emptyDir
        "ports": [{"name": KWOK, "containerPort": _PORT}],
        "readinessProbe": {**probe, "periodSeconds": 10},
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {**probe, "periodSeconds": 30, "failureThreshold": 4},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "stages", "mountPath": _FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": {"app": KWOK}},
            # Two at once would give addresses to pods twice.
            "strategy": {"type": "Recreate"},
            "template": {
                "metadata": {"labels": meta["labels"]},
                "spec": {
                    "serviceAccountName": KWOK,
                    "automountServiceAccountToken": True,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 5,
                    "securityContext": pod_security(),
                    "containers": [container],
                    "volumes": [
                        {"name": "stages", "configMap": {"name": KWOK}},
                        {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}},
                    ],
                },
            },
        },
    }
