"""The conductor's objects in the runner namespace: what watches over a simulation and tells the hub of it."""

import json
from collections.abc import Mapping, Sequence

from firedrill.api.meta import (
    ANNOTATION_RESOURCE,
    LABEL_KIND,
    LABEL_MANAGED,
    LABEL_ROLE,
    LABEL_UID,
    STATE_KEY,
)
from firedrill.api.objective import Slo
from firedrill.api.simulation_status import ServicesState, SimulationState
from firedrill.api.task import Task
from firedrill.core.naming import standing_name, state_name
from firedrill.runner.ports import Object
from firedrill.simulation.labels import container_security, pod_security

ACCOUNT = "firedrill-conductor"
ROLE = "conductor"


def conductor_name(task: Task) -> str:
    """Name of the conductor of a Simulation in the runner namespace."""
    return standing_name(task.kind, task.name, task.uid)


def _labels(task: Task, role: str) -> dict[str, str]:
    return {
        LABEL_MANAGED: "true",
        LABEL_UID: task.uid,
        LABEL_KIND: task.kind,
        LABEL_ROLE: role,
        "app.kubernetes.io/managed-by": "firedrill",
        "app.kubernetes.io/name": f"firedrill-{role}",
    }


def metadata(task: Task, name: str, namespace: str, role: str) -> Object:
    """Metadata of an object that belongs to a Simulation and is not part of what it simulates."""
    return {
        "name": name,
        "namespace": namespace,
        "labels": _labels(task, role),
        "annotations": {ANNOTATION_RESOURCE: f"{task.namespace}/{task.name}"},
    }


def state(task: Task, namespace: str, wanted: Sequence[str]) -> Object:
    """The ConfigMap that the conductor keeps, as it is before it was ever written."""
    begun = SimulationState(
        uid=task.uid, namespace=namespace, services=ServicesState(wanted=len(wanted)), problem="not looked at yet"
    )
    name = state_name(conductor_name(task))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(task, name, task.runner_namespace, "state"),
        "data": {STATE_KEY: begun.model_dump_json(by_alias=True, exclude_none=True)},
    }


def conductor(task: Task, namespace: str, wanted: Sequence[str], slos: Sequence[Slo]) -> list[Object]:
    """The conductor, its right to keep that ConfigMap, and its right to see workloads of the simulation."""
    name = conductor_name(task)
    config = {
        "uid": task.uid,
        "namespace": namespace,
        "services": sorted(wanted),
        "slos": {slo.name: slo.objective for slo in slos},
        "prometheus": f"http://prometheus.{namespace}:9090",
        "runnerNamespace": task.runner_namespace,
        "state": state_name(name),
    }
    own = metadata(task, name, task.runner_namespace, ROLE)
    there = {"name": "observers", "namespace": namespace}
    keeps = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [state_name(name)]}
    sees = {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": ["get", "list"]}
    return [
        _role(own, [{**keeps, "verbs": ["get", "patch"]}]),
        _binding(own, task),
        _role(there, [sees]),
        _binding(there, task),
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": own,
            "spec": {
                "replicas": 1,
                "revisionHistoryLimit": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": {LABEL_UID: task.uid, LABEL_ROLE: ROLE}},
                "template": {
                    "metadata": {"labels": _labels(task, ROLE)},
                    "spec": {
                        "serviceAccountName": ACCOUNT,
                        "enableServiceLinks": False,
                        "securityContext": pod_security(),
                        "containers": [
                            {
                                "name": ROLE,
                                "image": task.image,
                                "imagePullPolicy": "IfNotPresent",
                                "args": [ROLE],
                                "env": [{"name": "CONDUCTOR_CONFIG", "value": json.dumps(config, sort_keys=True)}],
                                "resources": {
                                    "requests": {"cpu": "10m", "memory": "64Mi"},
                                    "limits": {"memory": "256Mi"},
                                },
                                "securityContext": container_security(),
                                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - an emptyDir
                            }
                        ],
                        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}],
                    },
                },
            },
        },
    ]


def _role(metadata: Object, rules: Sequence[Mapping[str, object]]) -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": list(rules),
    }


def _binding(metadata: Object, task: Task) -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": task.runner_namespace}],
    }
