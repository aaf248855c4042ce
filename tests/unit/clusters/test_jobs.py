"""The objects of a run: what admission of the strictest kind must let pass, and nothing that a shell would read."""

import json
from dataclasses import replace
from typing import Any

import pytest

from firedrill.api import meta
from firedrill.api.kinds import (
    CHAOS_EXPERIMENT,
    DATA_PIPELINE_TEST,
    DRIFT_CHECK,
    PERFORMANCE_BENCHMARK,
    RUN_KINDS,
    RunKind,
)
from firedrill.api.ondrift import Earlier
from firedrill.api.task import Task
from firedrill.clusters.jobs import GUARDIAN_ACCOUNT, RUNNER_ACCOUNTS, Plan, guardian_job, runner_job, task_configmap
from firedrill.core.actions import EnsureRun
from support.seen import T0, UID, after, resource, target

Object = dict[str, Any]
JOB = "cha-check-0123456789ab"


def plan(kind: RunKind = CHAOS_EXPERIMENT, **spec: Any) -> Plan:
    return Plan(resource(kind, **spec), target(), EnsureRun("finance", JOB, "run-1", T0, after(60)), "image:1")


def pod(job: Object) -> Object:
    return dict(job["spec"]["template"]["spec"])


def steps(*faults: Object) -> Object:
    """Several faults instead of one."""
    target = {"namespace": "payments", "matchLabels": {"app": "ledger"}}
    named = [{"name": f"step-{number}", "target": target, "fault": fault} for number, fault in enumerate(faults)]
    return {"steps": named, "target": None, "fault": None, "duration": None, "timeout": "5m"}


def made(kind: RunKind) -> list[Object]:
    of = plan(kind)
    return [runner_job(of), *([guardian_job(of)] if kind.mutates else [])]


ALL = [job for kind in (CHAOS_EXPERIMENT, DRIFT_CHECK) for job in made(kind)]
IDS = [f"{job['metadata']['labels'][meta.LABEL_KIND]}-{job['metadata']['labels'][meta.LABEL_ROLE]}" for job in ALL]


@pytest.mark.parametrize("job", ALL, ids=IDS)
def test_the_restricted_pod_security_standard_holds(job: Object) -> None:
    spec = pod(job)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all(set(volume) <= {"name", "configMap", "emptyDir"} for volume in spec["volumes"])
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in context


@pytest.mark.parametrize("job", ALL, ids=IDS)
def test_nothing_is_read_by_a_shell(job: Object) -> None:
    role = job["metadata"]["labels"][meta.LABEL_ROLE]
    (container,) = pod(job)["containers"]
    assert container["command"] == ["firedrill", role, "--task", "/task/task.json"]
    assert "args" not in container
    assert all("fieldRef" in env["valueFrom"] for env in container["env"])


@pytest.mark.parametrize("job", ALL, ids=IDS)
def test_a_mesh_leaves_it_alone_and_the_job_goes_in_time(job: Object) -> None:
    template = job["spec"]["template"]["metadata"]
    assert template["labels"]["sidecar.istio.io/inject"] == "false"
    assert template["annotations"]["linkerd.io/inject"] == "disabled"
    assert job["spec"]["ttlSecondsAfterFinished"] >= 86400
    assert job["spec"]["podReplacementPolicy"] == "Failed"


def test_what_changes_something_is_never_tried_again() -> None:
    runner = runner_job(plan())
    assert runner["spec"]["backoffLimit"] == 0
    assert pod(runner)["restartPolicy"] == "Never"
    assert runner["spec"]["activeDeadlineSeconds"] > 60
    assert runner_job(plan(DRIFT_CHECK))["spec"]["backoffLimit"] > 0


def test_a_guardian_goes_on_whatever_happens() -> None:
    guardian = guardian_job(plan(jobTemplate={"nodeSelector": {"a": "b"}}))
    assert "activeDeadlineSeconds" not in guardian["spec"]
    assert guardian["spec"]["backoffLimit"] >= 100
    spec = pod(guardian)
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["priorityClassName"] == "firedrill-guardian"
    assert spec["nodeSelector"] == {}, "the runner's placement is not the guardian's"
    assert spec["restartPolicy"] == "OnFailure"
    assert spec["serviceAccountName"] == GUARDIAN_ACCOUNT
    assert "ownerReferences" not in guardian["metadata"], "it must not go with the runner's Job"


def test_a_guardian_prefers_another_node_than_the_one_that_is_cut_off() -> None:
    cut = {"fault": {"nodeNotReady": {"acknowledgeWholeNode": True}}, "duration": "90s", "timeout": "10m"}
    (term,) = pod(guardian_job(plan(**cut)))["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert term["podAffinityTerm"]["labelSelector"]["matchLabels"]
    assert "affinity" not in pod(guardian_job(plan()))


@pytest.mark.parametrize(
    ("target", "kind", "preferred"),
    [
        (
            {"matchExpressions": [{"key": "app", "operator": "In", "values": ["shop"]}]},
            "podAntiAffinity",
            {
                "podAffinityTerm": {
                    "topologyKey": "kubernetes.io/hostname",
                    "namespaces": ["shop"],
                    "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["shop"]}]},
                }
            },
        ),
        (
            {"nodes": ["n1"]},
            "nodeAffinity",
            {"preference": {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n1"]}]}},
        ),
        (
            {"nodeLabels": {"zone": "a"}},
            "nodeAffinity",
            {"preference": {"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}},
        ),
    ],
)
def test_a_guardian_keeps_away_whatever_tells_the_node(target: Object, kind: str, preferred: Object) -> None:
    cut = {"fault": {"nodeNotReady": {"acknowledgeWholeNode": True}}, "duration": "90s", "timeout": "10m"}
    affinity = pod(guardian_job(plan(**cut, target={"namespace": "shop", **target})))["affinity"]
    (found,) = affinity.pop(kind)["preferredDuringSchedulingIgnoredDuringExecution"]
    assert found.pop("weight") > 0
    assert found.items() >= preferred.items()
    assert affinity == {}


@pytest.mark.parametrize(
    ("kind", "spec", "account"),
    [
        (DRIFT_CHECK, {}, "firedrill-reader"),
        (CHAOS_EXPERIMENT, {}, "firedrill-chaos-workload"),
        (CHAOS_EXPERIMENT, {"fault": {"packetLoss": {"port": 80}}}, "firedrill-chaos-network"),
        (CHAOS_EXPERIMENT, steps({"podKill": {}}, {"scale": {"replicas": 0}}), "firedrill-chaos-workload"),
        (CHAOS_EXPERIMENT, steps({"podKill": {}}, {"packetLoss": {"port": 80}}), "firedrill-chaos-mixed"),
    ],
)
def test_each_family_of_changes_has_an_identity_of_its_own(kind: RunKind, spec: Object, account: str) -> None:
    assert pod(runner_job(plan(kind, **spec)))["serviceAccountName"] == account
    assert account != GUARDIAN_ACCOUNT


def test_every_kind_has_an_identity() -> None:
    assert set(RUNNER_ACCOUNTS) == set(RUN_KINDS)


def test_a_template_adds_and_takes_nothing_away() -> None:
    template = {
        "labels": {"team": "a", meta.LABEL_UID: "stolen", "sidecar.istio.io/inject": "true"},
        "annotations": {meta.ANNOTATION_RESOURCE: "other/one", "note": "x"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "nodeSelector": {"pool": "chaos"},
        "priorityClassName": "low",
        "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
    }
    job = runner_job(plan(DRIFT_CHECK, jobTemplate=template))
    labels, annotations = (job["spec"]["template"]["metadata"][part] for part in ("labels", "annotations"))
    assert (labels["team"], labels[meta.LABEL_UID], labels["sidecar.istio.io/inject"]) == ("a", UID, "false")
    assert (annotations["note"], annotations[meta.ANNOTATION_RESOURCE]) == ("x", "team/check")
    spec = pod(job)
    assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert (spec["nodeSelector"], spec["priorityClassName"]) == ({"pool": "chaos"}, "low")
    assert spec["containers"][0]["resources"] == {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}


def test_without_a_template_little_is_asked_for() -> None:
    assert pod(runner_job(plan()))["containers"][0]["resources"] == {"requests": {"cpu": "50m", "memory": "64Mi"}}


def test_the_task_says_all_that_a_runner_must_know() -> None:
    configmap = task_configmap(plan(), "job-uid")
    task = Task.model_validate(json.loads(configmap["data"][meta.TASK_KEY]))
    assert (task.uid, task.run_id, task.cluster, task.job, task.job_uid) == (UID, "run-1", "finance", JOB, "job-uid")
    assert (task.namespace, task.name, task.runner_namespace) == ("team", "check", "firedrill")
    assert (task.started_at, task.deadline) == (T0, after(60))
    assert task.spec == plan().resource.raw_spec
    assert configmap["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": JOB, "uid": "job-uid"}
    ]


def test_objects_of_a_run_are_found_by_their_labels() -> None:
    for body in [*made(CHAOS_EXPERIMENT), task_configmap(plan(), "job-uid")]:
        labels = body["metadata"]["labels"]
        assert labels[meta.LABEL_MANAGED] == "true"
        assert (labels[meta.LABEL_UID], labels[meta.LABEL_RUN]) == (UID, "run-1")
        assert body["metadata"]["annotations"][meta.ANNOTATION_RESOURCE] == "team/check"


def test_a_job_outlives_the_longest_run_by_days() -> None:
    """An operator that was away for the whole run must still find the Job: one that is gone was never run."""
    week = EnsureRun("finance", JOB, "run-1", T0, after(8 * 86400))
    spec = runner_job(Plan(resource(), target(), week, "image:1"))["spec"]
    assert spec["ttlSecondsAfterFinished"] >= 8 * 86400 + 2 * 86400


def test_workers_of_a_benchmark_are_an_indexed_job_that_is_not_retried() -> None:
    job = runner_job(plan(PERFORMANCE_BENCHMARK, workers=3))
    assert {key: job["spec"][key] for key in ("completionMode", "completions", "parallelism", "backoffLimit")} == {
        "completionMode": "Indexed",
        "completions": 3,
        "parallelism": 3,
        "backoffLimit": 0,
    }
    alone = runner_job(plan(PERFORMANCE_BENCHMARK))
    assert "completionMode" not in alone["spec"]
    assert pod(alone)["serviceAccountName"] == "firedrill-reader"


def test_workers_of_a_drift_check_are_an_indexed_job_that_is_retried() -> None:
    job = runner_job(plan(DRIFT_CHECK, scale={"workers": 4}))
    assert {key: job["spec"][key] for key in ("completionMode", "completions", "parallelism", "backoffLimit")} == {
        "completionMode": "Indexed",
        "completions": 4,
        "parallelism": 4,
        "backoffLimit": 2,
    }
    assert "completionMode" not in runner_job(plan(DRIFT_CHECK))["spec"]


def test_claims_that_a_spec_reads_from_are_mounted_read_only() -> None:
    def volume(claim: str) -> Object:
        return {"volume": {"claim": claim, "path": "x.csv"}}

    labels = {"source": volume("labels"), "idColumn": "id"}
    of = plan(DRIFT_CHECK, reference={**volume("features"), "labels": labels}, current=volume("features"))
    spec = pod(runner_job(of))
    claims = [each["persistentVolumeClaim"] for each in spec["volumes"] if "persistentVolumeClaim" in each]
    assert claims == [{"claimName": name, "readOnly": True} for name in ("features", "labels")]
    mounts = {each["mountPath"]: each for each in spec["containers"][0]["volumeMounts"]}
    assert mounts["/volumes/features"]["readOnly"] is True
    assert pod(runner_job(plan(DRIFT_CHECK)))["volumes"] == pod(runner_job(plan()))["volumes"]


@pytest.mark.parametrize(
    ("action", "account"),
    [
        ({"webhook": {"url": "https://h/"}}, "firedrill-reader"),
        ({"sageMakerPipeline": {"pipelineName": "p"}}, "firedrill-reader"),
        ({"job": {"namespace": "ml", "cronJob": "retrain"}}, "firedrill-pipeline"),
        ({"argoWorkflow": {"namespace": "ml", "workflowTemplate": "t"}}, "firedrill-pipeline"),
    ],
)
def test_a_check_that_may_start_something_in_the_cluster_has_the_identity_for_it(action: Object, account: str) -> None:
    of = plan(DRIFT_CHECK, onDrift={"actions": [action]})
    of = replace(of, run=replace(of.run, earlier=Earlier(failed=2)))
    job = runner_job(of)
    # What it starts is started once however often it is tried, so it may be.
    assert (pod(job)["serviceAccountName"], job["spec"]["backoffLimit"]) == (account, 2)
    task = Task.model_validate_json(task_configmap(of, "job-uid")["data"][meta.TASK_KEY])
    assert task.earlier.failed == 2


@pytest.mark.parametrize(
    ("pipeline", "account", "tries"),
    [
        (None, "firedrill-reader", 2),
        ({"cronJob": {"namespace": "etl", "cronJob": "nightly"}}, "firedrill-pipeline", 0),
    ],
)
def test_what_starts_a_pipeline_has_an_identity_of_its_own_and_is_tried_once(
    pipeline: Object | None, account: str, tries: int
) -> None:
    checks = [{"volume": {"min": 1}}]
    job = runner_job(plan(DATA_PIPELINE_TEST, data={"inline": {"csv": "a\n1\n"}}, checks=checks, pipeline=pipeline))
    assert (pod(job)["serviceAccountName"], job["spec"]["backoffLimit"]) == (account, tries)
