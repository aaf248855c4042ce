"""Typed views of the objects that a decision is made from, parsed from what the API server gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]

REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
#: Set by the Deployment controller on the templates of ReplicaSets; no part of what a person wrote.
TEMPLATE_HASH_LABEL = "pod-template-hash"


@dataclass(frozen=True)
class ContainerView:
    """One container of a pod: what it runs, or why it does not."""

    name: str
    image: str
    ready: bool = False
    restarts: int = 0
    waiting: str = ""
    message: str = ""
    terminated: str = ""
    exit_code: int | None = None


@dataclass(frozen=True)
class PodView:
    """A pod and its containers, those that run before the others first."""

    name: str
    uid: str
    created: str
    owner_uid: str
    phase: str
    ip: str
    ready: bool
    deleting: bool
    containers: tuple[ContainerView, ...]
    #: Why it is not placed on a node; empty when it is.
    unscheduled: str = ""
    ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class RevisionView:
    """A ReplicaSet: one revision of a Deployment. ``template`` is as a person wrote it, without the hash label."""

    name: str
    uid: str
    revision: int | None
    template: Object
    replicas: int
    ready: int


@dataclass(frozen=True)
class DeploymentView:
    """A Deployment, with the counts of its status."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    observed_generation: int
    deleting: bool
    paused: bool
    desired: int
    updated: int
    ready: int
    available: int
    total: int
    template: Object
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether the rollout has ended well: only pods of the newest template, all of them available."""
        return (
            self.observed_generation >= self.generation
            and self.updated == self.desired
            and self.total == self.desired
            and self.available == self.desired
        )


@dataclass(frozen=True)
class Rollout:
    """A Deployment with its revisions and their pods, seen at about the same time."""

    deployment: DeploymentView
    revisions: tuple[RevisionView, ...]
    pods: tuple[PodView, ...]

    @property
    def newest(self) -> RevisionView | None:
        """The revision that has the Deployment's template; None until the controller has made it."""
        same = [item for item in self.revisions if item.template == self.deployment.template]
        return max(same, key=lambda item: item.revision or 0, default=None)

    def pods_of(self, revision: RevisionView) -> tuple[PodView, ...]:
        """The pods of a revision that are not going away."""
        return tuple(pod for pod in self.pods if pod.owner_uid == revision.uid and not pod.deleting)


def deployment_view(raw: Object) -> DeploymentView:
    """Parse a Deployment."""
    meta, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
    return DeploymentView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        generation=meta.get("generation", 0),
        observed_generation=status.get("observedGeneration", 0),
        deleting="deletionTimestamp" in meta,
        paused=bool(spec.get("paused", False)),
        desired=spec.get("replicas", 1),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        total=status.get("replicas", 0),
        template=spec["template"],
        labels=meta.get("labels") or {},
    )


def revision_view(raw: Object) -> RevisionView:
    """Parse a ReplicaSet."""
    meta, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
    number = (meta.get("annotations") or {}).get(REVISION_ANNOTATION, "")
    return RevisionView(
        name=meta["name"],
        uid=meta["uid"],
        revision=int(number) if number.isdigit() else None,
        template=without_hash_label(spec["template"]),
        replicas=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
    )


def without_hash_label(template: Object) -> dict[str, Any]:
    """A template as a person wrote it: the controller's label taken off."""
    meta = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != TEMPLATE_HASH_LABEL}
    meta.pop("labels", None)
    if labels:
        meta["labels"] = labels
    return {**template, "metadata": meta}


def pod_view(raw: Object) -> PodView:
    """Parse a pod."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    images = {item["name"]: item.get("image", "") for item in _all_containers(spec)}
    statuses = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    scheduled = conditions.get("PodScheduled", {})
    return PodView(
        name=meta["name"],
        uid=meta["uid"],
        created=meta.get("creationTimestamp", ""),
        owner_uid=controller_uid(meta),
        phase=status.get("phase", ""),
        ip=status.get("podIP", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        deleting="deletionTimestamp" in meta,
        containers=tuple(_container_view(item, images) for item in statuses),
        unscheduled=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        ports=tuple(
            port["containerPort"]
            for item in spec.get("containers") or ()
            for port in item.get("ports") or ()
            if port.get("protocol", "TCP") == "TCP"
        ),
    )


def _all_containers(spec: Object) -> tuple[Object, ...]:
    return (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))


def _container_view(status: Object, images: Mapping[str, str]) -> ContainerView:
    state = status.get("state") or {}
    waiting = state.get("waiting") or {}
    # A container that crashed waits to be started again; its last end says more than the waiting.
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    return ContainerView(
        name=status["name"],
        # The spec's text: the status may carry another name of the same image.
        image=images.get(status["name"], "") or status.get("image", ""),
        ready=bool(status.get("ready", False)),
        restarts=status.get("restartCount", 0),
        waiting=waiting.get("reason", ""),
        message=waiting.get("message", ""),
        terminated=ended.get("reason", ""),
        exit_code=ended.get("exitCode"),
    )


def controller_uid(meta: Object) -> str:
    """UID of the controller that owns an object; empty where none does."""
    owners: Sequence[Object] = meta.get("ownerReferences") or ()
    return next((item["uid"] for item in owners if item.get("controller")), "")


def images_of(template: Object) -> dict[str, str]:
    """Image of each container of a template, init containers included."""
    return {item["name"]: item.get("image", "") for item in _all_containers(template.get("spec") or {})}
