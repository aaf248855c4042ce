"""Workloads as an API server gives them, completely rolled out."""

from typing import Any

Object = dict[str, Any]

_COUNTS = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


def deployment(image: str = "v1", *, number: int = 1, uid: str = "w-1") -> Object:
    """A Deployment of two pods."""
    return workload("Deployment", image, number=number, uid=uid)


def workload(kind: str, image: str = "v1", *, number: int = 1, uid: str = "w-1") -> Object:
    """A workload of two pods, whose controller calls its template by a number."""
    annotations = {
        "Deployment": {"deployment.kubernetes.io/revision": str(number)},
        "DaemonSet": {"deprecated.daemonset.template.generation": str(number)},
    }
    status = {
        "Deployment": dict(_COUNTS),
        "StatefulSet": {**_COUNTS, "updateRevision": f"gateway-{number}"},
        "DaemonSet": {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {
            "name": "gateway",
            "namespace": "payments",
            "uid": uid,
            "generation": 3,
            "annotations": annotations.get(kind, {}),
        },
        "spec": {
            **({} if kind == "DaemonSet" else {"replicas": 2}),
            "template": {
                "metadata": {"labels": {"app": "gateway"}},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
        },
        "status": {"observedGeneration": 3, **status[kind]},
    }
