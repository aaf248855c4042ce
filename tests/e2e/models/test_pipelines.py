"""A DataPipelineTest that starts a pipeline from the template of a CronJob, and looks at what it has left."""

from dataclasses import replace

import pyarrow as pa
import pytest
from demo import NAMESPACE, Demo, DemoError
from model_runs import PIPELINES, Case, Object, Seen, delete, in_target, play_all, run
from model_store import HUB_NAMESPACE, MODES, UNLABELLED, Store
from model_tables import csv, payments

from support.eventually import eventually

pytestmark = pytest.mark.e2e

ROWS = 300
RAW = csv(payments(21, ROWS).append_column("payment", pa.array(range(ROWS))))
TABLE: Object = {"http": {"url": "http://store.shop:8080/files/raw.csv"}}
RECONCILE: Object = {"reconcile": {"table": "raw", "keys": ["payment"]}}


def pipeline(
    mode: str, *checks: Object, timeout: str = "3m", namespace: str = PIPELINES, spec: Object | None = None
) -> Case:
    """A test of the pipeline of a mode."""
    asked = (RECONCILE, *checks)
    made = {
        "data": {"http": {"url": f"http://store.shop:8080/files/{mode}.csv"}},
        "tables": [{"name": "raw", "source": TABLE}],
        "pipeline": {"cronJob": {"namespace": namespace, "cronJob": mode, "timeout": timeout}},
        "checks": list(asked),
    }
    return Case("DataPipelineTest", made | (spec or {}))


CASES = {
    "whole": pipeline("whole", {"idempotence": {}}, {"speed": {"maxDuration": "3m"}}),
    "drops": pipeline("drops"),
    "fails": pipeline("fails"),
    "hangs": pipeline("hangs", timeout="15s"),
    "outlasts": pipeline("hangs", spec={"timeout": "90s"}),
    "not-for-us": pipeline(UNLABELLED),
    "not-there": pipeline("no-such-pipeline"),
    "no-rights": pipeline("whole", namespace="default"),
}


@pytest.fixture(scope="module")
def seen(lab: Demo, store: Store) -> dict[str, Seen]:
    """What came of every case."""
    store.put("raw.csv", RAW)
    return play_all(lab, CASES)


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("whole", ("Passed", "ChecksPassed")),
        ("drops", ("Failed", "ChecksFailed")),
        ("fails", ("Failed", "PipelineFailed")),
        ("hangs", ("Failed", "PipelineTimeout")),
        ("outlasts", ("Inconclusive", "DeadlineReached")),
        ("not-for-us", ("Error", "NotPermitted")),
        ("not-there", ("Inconclusive", "PipelineNotFound")),
        ("no-rights", ("Error", "NotPermitted")),
    ],
)
def test_verdict(name: str, verdict: tuple[str, str], seen: dict[str, Seen]) -> None:
    assert seen[name].verdict == verdict, seen[name].message


def test_it_is_started_as_often_as_it_is_asked_for(store: Store, lab: Demo, seen: dict[str, Seen]) -> None:
    """Once, or twice for what is the same when it is run twice: by what the store saw, and by the Jobs."""
    assert seen
    written = {mode: store.count(f"PUT /files/{mode}.csv") for mode in MODES}
    assert written == {"whole": 2, "drops": 1, "fails": 0, "hangs": 0}
    assert store.count(f"PUT /files/{UNLABELLED}.csv") == 0
    started = {name: [job for job in _jobs(lab) if job.startswith(f"dat-{name}-")] for name in CASES}
    assert {name: len(jobs) for name, jobs in started.items()} == dict.fromkeys(CASES, 0) | {
        "whole": 2,
        "drops": 1,
        "fails": 1,
    }


def _jobs(lab: Demo) -> list[str]:
    return [job["metadata"]["name"] for job in in_target(lab, PIPELINES, "jobs")]


def test_what_the_pipeline_has_lost_is_counted(seen: dict[str, Seen]) -> None:
    (missing,) = [each for name, each in seen["drops"].measured.items() if "missing" in name]
    assert missing["passed"] is False
    assert missing["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert missing["detail"].startswith(f"{ROWS // 3} of {ROWS} rows")


def test_both_runs_are_timed(seen: dict[str, Seen]) -> None:
    seconds = seen["whole"].report["pipelineRuns"]
    assert len(seconds) == 2
    assert all(0 < each < 180 for each in seconds)


def test_one_that_takes_too_long_is_ended_with_its_pods(lab: Demo, seen: dict[str, Seen]) -> None:
    assert "longer than pipeline.cronJob.timeout (15 s)" in seen["hangs"].message
    assert "raise spec.timeout" in seen["outlasts"].message
    eventually(lambda: not _hanging(lab), "their pods are gone")


def _hanging(lab: Demo) -> list[str]:
    names = [each["metadata"]["name"] for kind in ("jobs", "pods") for each in in_target(lab, PIPELINES, kind)]
    return [name for name in names if name.startswith(("dat-hangs-", "dat-outlasts-", "dat-deleted-"))]


def test_a_test_that_is_deleted_takes_its_pipeline_with_it(lab: Demo, seen: dict[str, Seen]) -> None:
    assert seen

    def deleted(lab: Demo, name: str) -> None:
        eventually(lambda: _hanging(lab), "the pipeline is started")
        delete(lab, name, "DataPipelineTest")

    with pytest.raises(DemoError, match="not found"):
        run(lab, "deleted", replace(pipeline("hangs"), meanwhile=deleted))
    eventually(lambda: not _hanging(lab), "the pipeline is gone")


def test_what_is_wrong_is_named(seen: dict[str, Seen]) -> None:
    assert f"{HUB_NAMESPACE}={NAMESPACE}" in seen["not-for-us"].message
    assert "there is no CronJob pipelines/no-such-pipeline" in seen["not-there"].message
    assert "target.pipelines.namespaces" in seen["no-rights"].message


def test_the_cron_jobs_are_as_they_were(lab: Demo, seen: dict[str, Seen]) -> None:
    assert seen
    left = in_target(lab, PIPELINES, "cronjobs")
    assert sorted(each["metadata"]["name"] for each in left) == sorted([*MODES, UNLABELLED])
    assert all(each["metadata"]["generation"] == 1 and each["spec"]["suspend"] for each in left)
