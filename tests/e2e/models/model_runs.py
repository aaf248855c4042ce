"""Resources of these tests, from kubectl apply to what is seen of their runs in the target."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from demo import HUB, NAMESPACE, Demo

from support.eventually import eventually

Object = dict[str, Any]

TARGET = "models"
CONTEXT = f"firedrill-{TARGET}"
RUNNERS = "firedrill"
SHOP = "shop"
PIPELINES = "pipelines"
_AT_ONCE = 4


@dataclass(frozen=True)
class Case:
    """A resource: its kind, what its spec has beside the targets, and what is done while it runs."""

    kind: str
    spec: Object
    meanwhile: Callable[[Demo, str], None] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What came of a run: status on the hub, report, Job and its pods in the target."""

    status: Object
    report: Object
    job: Object
    pods: list[Object]
    parts: list[str]

    @property
    def verdict(self) -> tuple[str, str]:
        """Verdict and reason."""
        return self.status["verdict"], self.status["clusters"][0]["reason"]

    @property
    def message(self) -> str:
        """What was told, for failures of assertions too."""
        return str(self.status["message"])

    @property
    def measured(self) -> dict[str, Object]:
        """Measurements by their names."""
        return {item["name"]: item for item in self.status["clusters"][0].get("measurements", [])}

    def condition(self, name: str) -> str:
        """Status and reason of a condition."""
        found = [c for c in self.status["conditions"] if c["type"] == name]
        return f"{found[0]['status']} {found[0]['reason']}" if found else ""

    def column(self, name: str) -> Object:
        """What the report of a DriftCheck says of a column."""
        return next(each for each in self.report["columns"] if each["name"] == name)


def play_all(lab: Demo, cases: Mapping[str, Case]) -> dict[str, Seen]:
    """All cases, a few at once; their resources are deleted afterwards."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(cases, pool.map(lambda name: play(lab, name, cases[name]), cases), strict=True))


def play(lab: Demo, name: str, case: Case) -> Seen:
    """One run of one resource, which is deleted afterwards."""
    try:
        return run(lab, name, case)
    finally:
        delete(lab, name, case.kind)


def run(lab: Demo, name: str, case: Case, *, again: str = "") -> Seen:
    """Apply a resource and wait for the end of its run, or with ``again`` for that of one more."""
    body = {
        "apiVersion": "firedrill.dev/v1alpha1",
        "kind": case.kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "annotations": dict(case.annotations)},
        "spec": {"clusters": {"names": [TARGET]}, "timeout": "6m", **case.spec},
    }
    where = ("-n", NAMESPACE, f"{case.kind.lower()}/{name}")
    lab.kubectl(HUB, "apply", "-f", "-", stdin=json.dumps(body), capture=True)
    if again:
        lab.kubectl(HUB, "annotate", *where, f"firedrill.dev/run-at={again}", "--overwrite", capture=True)
        told = f"jsonpath={{.status.lastRun.trigger}}=RunAt:{again}"
        lab.kubectl(HUB, "wait", f"--for={told}", "--timeout=60s", *where, capture=True)
    if case.meanwhile is not None:
        case.meanwhile(lab, name)
    lab.kubectl(HUB, "wait", "--for=condition=Complete", "--timeout=480s", *where, capture=True)
    status: Object = json.loads(lab.kubectl(HUB, "get", *where, "-o", "json", capture=True))["status"]
    return _seen(lab, status)


def delete(lab: Demo, name: str, kind: str) -> None:
    """Delete a resource; what its runs have left goes with it."""
    lab.kubectl(HUB, "-n", NAMESPACE, "delete", kind.lower(), name, "--ignore-not-found", capture=True)


def _seen(lab: Demo, status: Object) -> Seen:
    job = status["clusters"][0]["job"].partition("/")[2]
    found = {item["metadata"]["name"]: item for item in in_target(lab, RUNNERS, "configmaps")}
    result = found.get(f"{job}-result")
    report = json.loads(result["data"]["result.json"]).get("report", {}) if result else {}
    if result:
        # The verdict is there with the result; the Job says a moment later that it is over.
        eventually(lambda: all(over(each) for each in _jobs(lab, job)), f"Job {job} is over")
    parts = sorted(name.removeprefix(f"{job}-") for name in found if name.startswith((f"{job}-part", f"{job}-ready")))
    jobs = _jobs(lab, job)
    pods = in_target(lab, RUNNERS, "pods", f"batch.kubernetes.io/job-name={job}")
    return Seen(status, report, jobs[0] if jobs else {}, pods, parts)


def _jobs(lab: Demo, name: str) -> list[Object]:
    """The Job of a run, unless it is gone."""
    return [item for item in in_target(lab, RUNNERS, "jobs") if item["metadata"]["name"] == name]


def over(job: Object) -> bool:
    """Whether a Job has ended."""
    conditions = job.get("status", {}).get("conditions", [])
    return any(each["type"] in ("Complete", "Failed") and each["status"] == "True" for each in conditions)


def in_target(lab: Demo, namespace: str, plural: str, selector: str = "") -> list[Object]:
    """Objects of a namespace of the target."""
    chosen = ("-l", selector) if selector else ()
    listed = lab.kubectl(CONTEXT, "-n", namespace, "get", plural, *chosen, "-o", "json", capture=True)
    return list(json.loads(listed)["items"])


def worker_pods(lab: Demo, name: str, index: int) -> list[Object]:
    """Pods of a worker of a resource's runs, those that go left out."""
    pods = in_target(lab, RUNNERS, "pods", f"batch.kubernetes.io/job-completion-index={index}")
    return [
        each
        for each in pods
        if each["metadata"]["annotations"]["firedrill.dev/resource"] == f"{NAMESPACE}/{name}"
        and "deletionTimestamp" not in each["metadata"]
    ]


def left_of_runs(lab: Demo) -> list[str]:
    """What carries the mark of a run in the runner namespace, of whatever kind, and pods of pipelines that go on."""
    kinds = "jobs,pods,configmaps,secrets,persistentvolumeclaims"
    ours = in_target(lab, RUNNERS, kinds, "firedrill.dev/managed=true")
    going = [each for each in in_target(lab, PIPELINES, "pods") if each["status"]["phase"] in ("Pending", "Running")]
    return [f"{each['kind']}/{each['metadata']['name']}" for each in [*ours, *going]]
