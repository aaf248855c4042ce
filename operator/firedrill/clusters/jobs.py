"""The objects of a run in a target: Jobs of runner and guardian, and the task that both read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.data import claims_of
from firedrill.api.datapipelinetest import DataPipelineTestSpec
from firedrill.api.driftcheck import DriftCheckSpec
from firedrill.api.faults.node import NodeNotReady
from firedrill.api.meta import (
    ANNOTATION_RESOURCE,
    LABEL_KIND,
    LABEL_MANAGED,
    LABEL_ROLE,
    LABEL_RUN,
    LABEL_UID,
    TASK_KEY,
)
from firedrill.api.performancebenchmark import PerformanceBenchmarkSpec
from firedrill.api.resource import RunResource, Target
from firedrill.api.run import Figure, JobTemplate
from firedrill.api.target import PodTarget
from firedrill.api.task import Task
from firedrill.clusters.elsewhere import away_from
from firedrill.core import naming
from firedrill.core.actions import EnsureRun

Object = dict[str, Any]

#: Results and Jobs are kept this long after the deadline of their run at least: a Job that is gone was never run.
_TTL_SECONDS = 2 * 86400
#: Runner and guardian end by themselves; the Job's own limit is for those that hang.
_DEADLINE_SLACK = 120
GUARDIAN_ACCOUNT = "firedrill-guardian"
GUARDIAN_PRIORITY = "firedrill-guardian"

#: Each family of changes has an identity of its own; what only reads has one that can do nothing else.
RUNNER_ACCOUNTS = {
    "DataPipelineTest": "firedrill-reader",
    "DriftCheck": "firedrill-reader",
    "ModelValidation": "firedrill-reader",
    "PerformanceBenchmark": "firedrill-reader",
    "ChaosExperiment": "firedrill-chaos",
    "AutoFix": "firedrill-fixer",
    "Simulation": "firedrill-simulator",
}
#: Where the claims that a spec reads from are mounted in the runner's pod, each by its name.
VOLUMES: Final = "/volumes"
#: Ends the account's name of an experiment with faults of several families.
MIXED: Final = "mixed"


@dataclass(frozen=True)
class Plan:
    """What the objects of one run are built from."""

    resource: RunResource
    target: Target
    run: EnsureRun
    image: str
    pull_policy: str = "IfNotPresent"
    simulation_images: Mapping[str, str] = field(default_factory=dict)

    def metadata(self, name: str, role: str) -> Object:
        """Name, labels and annotations of an object of this run."""
        return {
            "name": name,
            "namespace": self.target.spec.runner_namespace,
            "labels": run_labels(self.resource, self.run.run_id, role),
            "annotations": {ANNOTATION_RESOURCE: self.resource.key},
        }


def run_labels(resource: RunResource, run_id: str, role: str) -> dict[str, str]:
    """Labels by which the objects of a run are found."""
    return {
        LABEL_MANAGED: "true",
        LABEL_UID: resource.meta.uid,
        LABEL_KIND: resource.kind.name,
        LABEL_RUN: run_id,
        LABEL_ROLE: role,
        "app.kubernetes.io/managed-by": "firedrill",
        "app.kubernetes.io/name": f"firedrill-{role}",
    }


def owner_reference(name: str, uid: str) -> Object:
    """A Job as owner: what belongs to it goes with it."""
    return {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid}


def account_of(resource: RunResource) -> str:
    """The service account of a run's pod; chaos has one a fault family, and one for faults of several, and what starts
    a pipeline in the cluster one of its own."""
    account = RUNNER_ACCOUNTS[resource.kind.name]
    if _starts_jobs(resource):
        return "firedrill-pipeline"
    if not isinstance(resource.spec, ChaosExperimentSpec):
        return account
    families = {fault.family for fault in resource.spec.faults}
    return f"{account}-{families.pop() if len(families) == 1 else MIXED}"


def _starts_jobs(resource: RunResource) -> bool:
    if isinstance(resource.spec, DriftCheckSpec) and resource.spec.on_drift is not None:
        return any(action.namespace for action in resource.spec.on_drift.actions)
    pipeline = resource.spec.pipeline if isinstance(resource.spec, DataPipelineTestSpec) else None
    return pipeline is not None and pipeline.cron_job is not None


def runner_job(plan: Plan) -> Object:
    """The Job that carries out a run. One that changes something, or has something changed, is never retried."""
    spec = plan.resource.spec
    starts = isinstance(spec, DataPipelineTestSpec) and spec.pipeline is not None
    once = plan.resource.kind.mutates or starts
    template = plan.resource.spec.job_template if plan.resource.spec else JobTemplate()
    workers = spec.crew_size if spec else 1
    # Workers that put load on something measure together: one that comes again later would measure alone.
    together = workers > 1 and isinstance(spec, PerformanceBenchmarkSpec)
    backoff = 0 if once or together else 2
    job = _job(plan, plan.run.job, "runner", account_of(plan.resource), template, backoff_limit=backoff, pod={})
    if workers > 1:
        job["spec"] |= {"completionMode": "Indexed", "completions": workers, "parallelism": workers}
    _mount_claims(job["spec"]["template"]["spec"], sorted(claims_of(plan.resource.spec)))
    return job


def _mount_claims(pod: Object, claims: Sequence[str]) -> None:
    """Let the pod read claims, and no more than read; the runner asks whether the resource may, before it does."""
    for number, claim in enumerate(claims):
        name = f"data-{number}"
        source = {"claimName": claim, "readOnly": True}
        pod["volumes"].append({"name": name, "persistentVolumeClaim": source})
        mount = {"name": name, "mountPath": f"{VOLUMES}/{claim}", "readOnly": True}
        pod["containers"][0]["volumeMounts"].append(mount)


def guardian_job(plan: Plan) -> Object:
    """The Job that undoes what the runner has not undone; it is retried until it has."""
    pod: Object = {"priorityClassName": GUARDIAN_PRIORITY, "tolerations": [{"operator": "Exists"}]}
    if elsewhere := away_from(_cut_off(plan)):
        pod["affinity"] = elsewhere
    job = _job(
        plan,
        naming.guardian_name(plan.run.job),
        "guardian",
        GUARDIAN_ACCOUNT,
        JobTemplate(),
        backoff_limit=1000,
        pod=pod,
    )
    # No owner: whoever deletes the runner's Job in the middle of a fault must not take the guardian with it.
    # The guardian goes on past every deadline until it has seen everything undone.
    del job["spec"]["activeDeadlineSeconds"]
    job["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    return job


def _cut_off(plan: Plan) -> list[PodTarget]:
    """What is aimed at by faults that cut a node off."""
    if not isinstance(plan.resource.spec, ChaosExperimentSpec):
        return []
    pairs = zip(plan.resource.spec.faults, plan.resource.spec.targets, strict=True)
    return [target for fault, target in pairs if isinstance(fault.chosen, NodeNotReady)]


def past_figures(resource: RunResource, cluster: str) -> list[list[Figure]]:
    """What the last runs have measured in a target, newest first; none for a spec that compares nothing."""
    wanted = getattr(resource.spec, "regression", None)
    if wanted is None:
        return []
    runs = [[item for item in entry.figures if item.cluster == cluster] for entry in resource.status.history]
    return [figures for figures in runs if figures][: wanted.runs]


def task_configmap(plan: Plan, job_uid: str, checks: Mapping[str, Object] = MappingProxyType({})) -> Object:
    """The task, owned by the runner's Job; ``checks`` are specs of other resources that it names."""
    meta, run, target = plan.resource.meta, plan.run, plan.target
    task = Task(
        kind=plan.resource.kind.name,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        run_id=run.run_id,
        cluster=target.name,
        runner_namespace=target.spec.runner_namespace,
        job=run.job,
        job_uid=job_uid,
        started_at=run.started_at,
        deadline=run.deadline,
        image=plan.image,
        images=dict(plan.simulation_images),
        policy=target.spec.policy,
        max_affected=run.max_affected,
        requested_by=plan.resource.status.last_run.requested_by if plan.resource.status.last_run else "",
        remove=run.remove,
        checks=dict(checks),
        past=past_figures(plan.resource, target.name),
        earlier=run.earlier,
        spec=dict(plan.resource.raw_spec),
    )
    metadata = plan.metadata(naming.task_name(run.job), "task")
    metadata["ownerReferences"] = [owner_reference(run.job, job_uid)]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {TASK_KEY: task.model_dump_json(by_alias=True, exclude_none=True)},
    }


def _job(
    plan: Plan, name: str, role: str, account: str, template: JobTemplate, *, backoff_limit: int, pod: Object
) -> Object:
    limit = int((plan.run.deadline - plan.run.started_at).total_seconds()) + _DEADLINE_SLACK
    metadata = plan.metadata(name, role)
    # A mesh sidecar would keep the pod of a Job running for ever.
    labels = {**template.labels, **metadata["labels"], "sidecar.istio.io/inject": "false"}
    annotations = {
        **template.annotations,
        **metadata["annotations"],
        "sidecar.istio.io/inject": "false",
        "linkerd.io/inject": "disabled",
    }
    resources: Object = {"requests": template.resources.requests or {"cpu": "50m", "memory": "64Mi"}}
    if template.resources.limits:
        resources["limits"] = template.resources.limits
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": backoff_limit,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": limit,
            "ttlSecondsAfterFinished": limit + _TTL_SECONDS,
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {
                    "restartPolicy": "Never",
                    "serviceAccountName": account,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 30,
                    "nodeSelector": template.node_selector,
                    "tolerations": [t.to_wire() for t in template.tolerations],
                    **({"priorityClassName": template.priority_class_name} if template.priority_class_name else {}),
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 65532,
                        "runAsGroup": 65532,
                        "fsGroup": 65532,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [
                        {
                            "name": role,
                            "image": plan.image,
                            "imagePullPolicy": plan.pull_policy,
                            "command": ["firedrill", role, "--task", f"/task/{TASK_KEY}"],
                            "env": _downward(),
                            "resources": resources,
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "readOnlyRootFilesystem": True,
                                "capabilities": {"drop": ["ALL"]},
                            },
                            "volumeMounts": [
                                {"name": "task", "mountPath": "/task", "readOnly": True},
                                {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of this pod
                            ],
                        }
                    ],
                    "volumes": [
                        {"name": "task", "configMap": {"name": naming.task_name(plan.run.job)}},
                        {"name": "tmp", "emptyDir": {"sizeLimit": "512Mi"}},
                    ],
                    **pod,
                },
            },
        },
    }


def _downward() -> list[Object]:
    fields = {
        "POD_NAME": "metadata.name",
        "POD_UID": "metadata.uid",
        "POD_NAMESPACE": "metadata.namespace",
        "NODE_NAME": "spec.nodeName",
    }
    return [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()]
