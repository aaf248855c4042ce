"""Builders of the objects that a fix looks at, as the API server gives them."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from firedrill.api.task import Task
from firedrill.engines.fix.views import Rollout, deployment_view, pod_view, revision_view

T0 = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
GOOD = "registry.example/gateway:1"
BAD = "registry.example/gateway:2"

Object = dict[str, Any]


def template(image: str = GOOD, **spec: Any) -> Object:
    """A pod template."""
    container = {"name": "gateway", "image": image, "ports": [{"containerPort": 8080}]}
    return {"metadata": {"labels": {"app": "gateway"}}, "spec": {"containers": [container], **spec}}


def deployment(pod_template: Object | None = None, *, uid: str = "deploy-1", **changes: Any) -> Object:
    """A Deployment of two replicas whose rollout hangs: one new pod, two old ones available."""
    status = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2}
    body: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "namespace": "devices", "name": "gateway", "uid": uid, "resourceVersion": "10", "generation": 2,
            "labels": {"team": "iot"},
        },
        "spec": {
            "replicas": changes.pop("replicas", 2),
            "paused": changes.pop("paused", False),
            "selector": {"matchLabels": {"app": "gateway"}},
            "template": pod_template or template(BAD),
        },
        "status": {**status, **changes},
    }  # fmt: skip
    return body


def replica_set(
    name: str, revision: int | None, pod_template: Object, ready: int = 0, owner: str = "deploy-1"
) -> Object:
    """A revision, with the label that the controller puts on its template."""
    labelled = copy.deepcopy(pod_template)
    labelled["metadata"].setdefault("labels", {})["pod-template-hash"] = name
    annotations = {} if revision is None else {"deployment.kubernetes.io/revision": str(revision)}
    return {
        "metadata": {
            "namespace": "devices", "name": name, "uid": f"rs-{name}", "annotations": annotations,
            "ownerReferences": [{"kind": "Deployment", "uid": owner, "controller": True}],
        },
        "spec": {"template": labelled},
        "status": {"replicas": ready, "readyReplicas": ready},
    }  # fmt: skip


def pod(name: str, owner: str, *, image: str = GOOD, ready: bool = True, ip: str = "10.1.0.9", **state: Any) -> Object:
    """A pod of a revision; ``state`` is the state of its only container, such as waiting={...}."""
    status = {
        "phase": "Running" if ready else "Pending",
        "podIP": ip,
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "containerStatuses": [
            {
                "name": "gateway",
                "image": image,
                "ready": ready,
                "restartCount": state.pop("restarts", 0),
                "state": state,
            }
        ],
    }
    return {
        "metadata": {
            "namespace": "devices", "name": name, "uid": f"pod-{name}", "creationTimestamp": "2026-01-01T11:59:00Z",
            "ownerReferences": [{"kind": "ReplicaSet", "uid": f"rs-{owner}", "controller": True}],
        },
        "spec": {"containers": template(image)["spec"]["containers"]},
        "status": status,
    }  # fmt: skip


def not_pulled(name: str, owner: str, reason: str = "ImagePullBackOff", image: str = BAD) -> Object:
    """A pod that waits for an image."""
    waiting = {"reason": reason, "message": f'Back-off pulling image "{image}"'}
    return pod(name, owner, image=image, ready=False, waiting=waiting)


def rollout(
    deploy: Object | None = None, sets: list[Object] | None = None, pods: list[Object] | None = None
) -> Rollout:
    """A rollout; by default the one that hangs because its image can not be pulled."""
    default_sets = [replica_set("old", 1, template(GOOD), 2), replica_set("new", 2, template(BAD))]
    return Rollout(
        deployment_view(deploy or deployment()),
        tuple(revision_view(item) for item in (default_sets if sets is None else sets)),
        tuple(pod_view(item) for item in ([not_pulled("new-a", "new")] if pods is None else pods)),
    )


def task(**changes: Any) -> Task:
    """A task; ``spec`` and ``policy`` are merged into the default ones."""
    spec = {
        "clusters": {"names": ["dev"]},
        "target": {"deployment": {"namespace": "devices", "name": "gateway"}},
        "approval": "auto",
        "sandboxTimeout": "30s",
        "verifyTimeout": "60s",
        **changes.pop("spec", {}),
    }
    values: Object = {
        "kind": "AutoFix", "namespace": "team", "name": "mend", "uid": "uid-1", "runId": "run1", "cluster": "dev",
        "runnerNamespace": "firedrill", "job": "aut-mend-1", "jobUid": "job-uid", "startedAt": T0,
        "deadline": T0 + timedelta(minutes=10), "image": "docker.io/firedrill/runner:dev",
        "policy": changes.pop("policy", {}), "spec": spec,
    }  # fmt: skip
    return Task.model_validate({**values, **changes})
