"""The recorder of a simulation: it keeps logs, Events, changes and states of pods, and apart from them the truth."""

import json
from datetime import timedelta
from typing import Final

from firedrill.simulation.labels import HTTP_PORT, Object, container_security, metadata, pod_security

RECORDER: Final = "recorder"
DATA: Final = "/data"
#: What all its files together may take on the node's disk, and the room that segments being written need beside.
MAX_BYTES: Final = 1 << 30
_VOLUME: Final = "1280Mi"
#: In MiB: what suffices for this many services, and what each further one takes, as its objects are remembered.
_MEMORY, _SERVICES, _MEMORY_OF_SERVICE = 96, 200, 0.15

_READ: Final = ["get", "list", "watch"]
_RULES: Final[list[Object]] = [
    {"apiGroups": [""], "resources": ["pods", "services", "configmaps"], "verbs": _READ},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": _READ},
    {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": _READ},
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": _READ},
]


def recorder(
    simulation: str,
    namespace: str,
    image: str,
    retention: timedelta,
    *,
    services: int = 0,
    max_bytes: int = MAX_BYTES,
) -> list[Object]:
    """A Deployment of one recorder, its Service, and its right to read what it records in its own namespace.

    Records older than the retention go, and the oldest ones when all together are larger than ``max_bytes``. They
    outlive a restart of the container, not the end of the pod.
    """
    meta = metadata(simulation, RECORDER, namespace)
    rbac = "rbac.authorization.k8s.io/v1"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": rbac, "kind": "Role", "metadata": meta, "rules": _RULES},
        {
            "apiVersion": rbac,
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": RECORDER},
            "subjects": [{"kind": "ServiceAccount", "name": RECORDER, "namespace": namespace}],
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {
                "selector": {"app": RECORDER},
                "ports": [{"name": "http", "port": HTTP_PORT, "targetPort": "http"}],
            },
        },
        _deployment(meta, namespace, image, retention, services, max_bytes),
    ]


def _deployment(
    meta: Object, namespace: str, image: str, retention: timedelta, services: int, max_bytes: int
) -> Object:
    memory = _MEMORY + round(_MEMORY_OF_SERVICE * max(0, services - _SERVICES))
    config = {
        "namespace": namespace,
        "retention": retention.total_seconds(),
        "dir": DATA,
        "maxBytes": max_bytes,
    }
    container: Object = {
        "name": RECORDER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["recorder"],
        "env": [
            {"name": "SIM_CONFIG", "value": json.dumps(config, sort_keys=True)},
            {"name": "GOMEMLIMIT", "value": f"{memory * 3 // 4}MiB"},
            {"name": "GOMAXPROCS", "value": "2"},
        ],
        "ports": [{"name": "http", "containerPort": HTTP_PORT}],
        "readinessProbe": _probe("/readyz", 10),
        "livenessProbe": {**_probe("/healthz", 30), "failureThreshold": 4},
        "startupProbe": {**_probe("/healthz", 1), "failureThreshold": 300},
        "resources": {"requests": {"cpu": "20m", "memory": "40Mi"}, "limits": {"memory": f"{memory}Mi"}},
        "securityContext": container_security(),
        "volumeMounts": [{"name": "data", "mountPath": DATA}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": {"app": RECORDER}},
            # Two at once would record everything twice, each on a disk of its own.
            "strategy": {"type": "Recreate"},
            "template": {
                "metadata": {"labels": meta["labels"]},
                "spec": {
                    "serviceAccountName": RECORDER,
                    "automountServiceAccountToken": True,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 15,
                    "securityContext": pod_security(),
                    "containers": [container],
                    "volumes": [{"name": "data", "emptyDir": {"sizeLimit": _VOLUME}}],
                },
            },
        },
    }


def _probe(path: str, period: int) -> Object:
    return {"httpGet": {"path": path, "port": "http"}, "periodSeconds": period, "timeoutSeconds": 3}
