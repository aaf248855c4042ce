"""Faults of single pods."""

from typing import ClassVar

from pydantic import Field

from firedrill.api.faults.about import About, Family, FaultModel, Hits


class PodKill(FaultModel):
    """Deletes the pods. Undone when their owner has as many ready pods as before."""

    about: ClassVar[About] = About(
        family=Family.WORKLOAD,
        hits=Hits.PODS,
        does="deletes the pods, each under the precondition that it is still the same pod",
        needs="pods of a ReplicaSet, StatefulSet, DaemonSet or ReplicationController: others would not come back",
        undone="by the owner; the pods are seen gone, and as many ready as before, counted over the pods themselves",
        proven="the API server's answer to the deletion by uid",
        instant=True,
    )

    grace_period_seconds: int = Field(default=0, ge=0, le=300, description="Time that pods get to stop.")


class PodEvict(FaultModel):
    """Evicts the pods, as a drain does: a PodDisruptionBudget may forbid it."""

    about: ClassVar[About] = About(
        family=Family.WORKLOAD,
        hits=Hits.PODS,
        does="evicts the pods, each under the precondition that it is still the same pod",
        needs="pods of a ReplicaSet, StatefulSet, DaemonSet or ReplicationController, and budgets that allow it",
        undone="by the owner; the pods are seen gone, and as many ready as before, counted over the pods themselves",
        proven="the API server's answer to the eviction by uid",
        instant=True,
    )

    grace_period_seconds: int | None = Field(
        default=None, ge=0, le=300, description="Time that pods get to stop; their own when absent."
    )


class PodFailure(FaultModel):
    """Replaces the images of running pods, so that their containers fail until the images are put back."""

    about: ClassVar[About] = About(
        family=Family.WORKLOAD,
        hits=Hits.PODS,
        does="gives the containers of running pods an image whose name no kubelet takes: pod, address and node stay",
        undone="the images are put back where they still are ours",
        proven="containers that are not ready, as the kubelet reports them",
    )


class FinalizerBlock(FaultModel):
    """Pods that can not be deleted to the end, so that what has their names can not come back."""

    about: ClassVar[About] = About(
        family=Family.WORKLOAD,
        hits=Hits.PODS,
        does="puts a finalizer on the pods that nobody takes away: whoever deletes them waits",
        undone="the finalizer is taken away, and seen gone",
        proven="a pod that was deleted meanwhile and does not go",
        needs="somebody who deletes the pods: those of a StatefulSet then do not come back",
    )


class ContainerKill(FaultModel):
    """Ends one container of each pod, which the kubelet starts again in the same pod."""

    about: ClassVar[About] = About(
        family=Family.WORKLOAD,
        hits=Hits.PODS,
        does="gives a container of the running pods an image whose name no kubelet takes, until it has ended it, and "
        "its own image again at once: pod, address and node stay",
        needs="pods whose containers are started again (restartPolicy Always)",
        undone="the image is put back where it still is ours, at once; the kubelet starts the container again",
        proven="the end of the container, as the kubelet reports it",
        instant=True,
    )

    container: str | None = Field(
        default=None,
        max_length=63,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        description="Container that is ended; the first of the pod when absent.",
    )
