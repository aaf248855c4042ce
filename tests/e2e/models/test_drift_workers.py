"""A DriftCheck whose tables are shared by the pods of an Indexed Job, over HTTP and on a claim."""

import json
from collections.abc import Iterator

import pyarrow as pa
import pytest
from demo import NAMESPACE, Demo
from model_runs import CONTEXT, RUNNERS, SHOP, Case, Object, Seen, delete, in_target, play_all, run, worker_pods
from model_store import HUB_NAMESPACE, Store, container, pod, write
from model_tables import ROWS, SHIFT, csv, distance, parquet, payments

from support.eventually import eventually

pytestmark = pytest.mark.e2e

WORKERS = 3
REFERENCE, SAME = payments(1), payments(2)
#: Of four shards of today one has other amounts.
SHARDS = [payments(3 + number, ROWS // 4, SHIFT if number == 2 else 0.0) for number in range(4)]
CLAIM, FOREIGN, ABSENT = "features", "features-of-others", "no-such-claim"


def of_store(path: str, kind: str = "parquet") -> Object:
    """A file of the store."""
    return {"http": {"url": f"http://store.shop:8080/{path}", "format": kind}}


def on_claim(claim: str, path: str) -> Object:
    """A file or a folder of a claim."""
    return {"volume": {"claim": claim, "path": path}}


def check(reference: Object, current: Object, workers: int = WORKERS, **more: object) -> Case:
    """A DriftCheck."""
    return Case("DriftCheck", {"reference": reference, "current": current, "scale": {"workers": workers}, **more})


def delete_a_worker(lab: Demo, name: str) -> None:
    """Delete the pod of the second worker while both wait for their table."""
    store = Store(lab, CONTEXT, SHOP)
    eventually(lambda: store.count("GET /late/same.parquet") == 2, "both workers have asked for their table")
    (second,) = worker_pods(lab, name, 1)
    lab.kubectl(CONTEXT, "-n", RUNNERS, "delete", "pod", second["metadata"]["name"], capture=True)


CASES = {
    "shared": check(of_store("files/reference-1.parquet"), of_store("files/same-1.parquet")),
    "shared-drifted": check(on_claim(CLAIM, "training"), on_claim(CLAIM, "today")),
    "shared-folder": check(on_claim(CLAIM, "training"), on_claim(CLAIM, "yesterday/part.parquet"), 2),
    "shared-csv": check(of_store("files/reference.csv", "csv"), of_store("files/same.csv", "csv"), 2),
    "alone-exact": check(on_claim(CLAIM, "training"), on_claim(CLAIM, "today"), 1),
    "changed": check(of_store("files/reference.parquet"), of_store("turns/changing.parquet")),
    "refused": check(of_store("files/reference.parquet"), of_store("once/same.parquet")),
    "worker-deleted": Case(
        "DriftCheck",
        {
            "reference": of_store("files/reference.parquet"),
            "current": of_store("late/same.parquet"),
            "scale": {"workers": 2},
        },
        delete_a_worker,
    ),
    "too-little-memory": check(
        of_store("files/reference.parquet"),
        of_store("files/same.parquet"),
        2,
        jobTemplate={"resources": {"requests": {"memory": "16Mi"}, "limits": {"memory": "48Mi"}}},
    ),
    "claim-of-others": check(on_claim(FOREIGN, "training"), on_claim(CLAIM, "today"), 1),
    "no-such-claim": check(on_claim(ABSENT, "training"), on_claim(CLAIM, "today"), 1, timeout="30s"),
    "no-such-file": check(on_claim(CLAIM, "training"), on_claim(CLAIM, "tomorrow"), 2),
}


@pytest.fixture(scope="module")
def claims(lab: Demo) -> Iterator[None]:
    """Two claims of the runner namespace, of which one is meant for the resources here, filled by a pod of a person."""
    items = [_claim(CLAIM, {HUB_NAMESPACE: NAMESPACE}), _claim(FOREIGN, {HUB_NAMESPACE: "others"}), _filler()]
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    lab.kubectl(CONTEXT, "-n", RUNNERS, "apply", "-f", "-", stdin=body, capture=True)
    lab.kubectl(CONTEXT, "-n", RUNNERS, "wait", "--for=condition=Ready", "pod/filler", "--timeout=180s", capture=True)
    inside = ("-n", RUNNERS, "exec", "-i", "filler", "--")
    for claim in (CLAIM, FOREIGN):
        write(lab, CONTEXT, inside, f"/{claim}/training/part.parquet", parquet(REFERENCE))
    write(lab, CONTEXT, inside, f"/{CLAIM}/yesterday/part.parquet", parquet(SAME))
    for number, shard in enumerate(SHARDS):
        write(lab, CONTEXT, inside, f"/{CLAIM}/today/part-{number}.parquet", parquet(shard, 2))
    # A claim that one pod at a time may write to is mounted by those that read it.
    lab.kubectl(CONTEXT, "-n", RUNNERS, "delete", "pod", "filler", capture=True)
    yield
    lab.kubectl(CONTEXT, "-n", RUNNERS, "delete", "pvc", CLAIM, FOREIGN, "--ignore-not-found", capture=True)


def _claim(name: str, labels: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "labels": labels},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}},
    }


def _filler() -> Object:
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in (CLAIM, FOREIGN)]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in (CLAIM, FOREIGN)]
    spec = pod(container("import time; time.sleep(3600)", volumeMounts=mounts), volumes=volumes)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "filler"}, "spec": spec}


@pytest.fixture(scope="module")
def seen(lab: Demo, store: Store, claims: None) -> dict[str, Seen]:
    """What came of every case."""
    for name in ("reference", "reference-1"):
        store.put(f"{name}.parquet", parquet(REFERENCE))
    for name in ("same", "same-1", "changing"):
        store.put(f"{name}.parquet", parquet(SAME))
    store.put("changing.parquet.other", parquet(payments(9)))
    store.put("reference.csv", csv(REFERENCE))
    store.put("same.csv", csv(SAME))
    return play_all(lab, CASES)


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("shared", ("Passed", "NoDrift")),
        ("shared-folder", ("Passed", "NoDrift")),
        ("shared-csv", ("Passed", "NoDrift")),
        ("worker-deleted", ("Passed", "NoDrift")),
        ("shared-drifted", ("Failed", "DriftDetected")),
        ("alone-exact", ("Failed", "DriftDetected")),
        ("changed", ("Inconclusive", "SourceChanged")),
        ("refused", ("Inconclusive", "SourceUnreachable")),
        ("too-little-memory", ("Error", "RunnerFailed")),
        ("claim-of-others", ("Error", "SourceNotAllowed")),
        ("no-such-claim", ("Inconclusive", "Timeout")),
        ("no-such-file", ("Inconclusive", "SourceNotFound")),
    ],
)
def test_verdict(name: str, verdict: tuple[str, str], seen: dict[str, Seen]) -> None:
    found = seen[name]
    assert found.verdict == verdict, found.message
    assert found.condition("Complete").startswith("True")
    passed = {"Passed": "True", "Failed": "False"}.get(verdict[0], "Unknown")
    assert found.condition("Passed").partition(" ")[0] == passed


@pytest.mark.parametrize(
    ("name", "workers"), [("shared", 3), ("shared-drifted", 3), ("shared-folder", 2), ("worker-deleted", 2)]
)
def test_every_row_is_read_by_exactly_one_worker(name: str, workers: int, seen: dict[str, Seen]) -> None:
    found = seen[name]
    assert found.report["rows"] == {"reference": ROWS, "current": ROWS}
    assert found.report["sketched"]["workers"] == workers
    assert found.parts == [f"part-{index}" for index in range(1, workers)], "the first keeps its own"
    assert found.job["spec"]["completionMode"] == "Indexed"
    assert found.job["status"]["completedIndexes"] == (f"0-{workers - 1}" if workers > 2 else "0,1")


def test_each_worker_opens_each_table_once(store: Store, seen: dict[str, Seen]) -> None:
    assert seen
    for name in ("reference-1", "same-1"):
        asked = store.seen(f"GET /files/{name}.parquet")
        assert (asked["count"], len(asked["clients"])) == (WORKERS, WORKERS)


@pytest.mark.parametrize(("name", "current"), [("shared", SAME), ("shared-drifted", pa.concat_tables(SHARDS))])
def test_what_the_workers_say_together_is_what_sorting_says(
    name: str, current: pa.Table, seen: dict[str, Seen]
) -> None:
    """Within the error that the report itself claims."""
    column = seen[name].column("amount")
    test = next(each for each in column["tests"] if each["margin"])
    exact = distance(REFERENCE, current, "amount")
    assert abs(test["statistic"] - exact) <= test["margin"]["reference"] + test["margin"]["current"] + 1e-9


def test_one_shard_of_four_is_found_by_sketches_as_by_all_values(seen: dict[str, Seen]) -> None:
    for name in ("shared-drifted", "alone-exact"):
        assert [each["name"] for each in seen[name].report["columns"] if each["drift"]] == ["amount"]
    assert seen["alone-exact"].report["sketched"] is None
    assert seen["alone-exact"].job["spec"]["completionMode"] == "NonIndexed"


def test_a_worker_that_is_deleted_comes_again(seen: dict[str, Seen]) -> None:
    found = seen["worker-deleted"]
    assert found.job["status"]["failed"] == 1
    assert found.job["status"]["succeeded"] == 2


def test_what_is_wrong_is_named(seen: dict[str, Seen]) -> None:
    assert "spec.current" in seen["changed"].message
    assert "spec.current.http.url: GET http://store.shop:8080/once/same.parquet answered 503" in seen["refused"].message
    assert f"{HUB_NAMESPACE}={NAMESPACE}" in seen["claim-of-others"].message
    assert "spec.current.volume.path" in seen["no-such-file"].message
    assert "no pod of Job" in seen["no-such-claim"].message


def test_a_claim_is_mounted_to_be_read_alone(seen: dict[str, Seen]) -> None:
    for each in seen["shared-drifted"].pods:
        (volume,) = [v for v in each["spec"]["volumes"] if "persistentVolumeClaim" in v]
        assert volume["persistentVolumeClaim"] == {"claimName": CLAIM, "readOnly": True}


def test_what_workers_leave_goes_with_the_resource(lab: Demo, seen: dict[str, Seen]) -> None:
    assert seen["shared"].parts
    run(lab, "kept", CASES["shared-folder"])
    assert _parts(lab)
    delete(lab, "kept", "DriftCheck")
    eventually(lambda: not _parts(lab), "the sketches go with the Job")


def _parts(lab: Demo) -> list[str]:
    return [name for each in in_target(lab, RUNNERS, "configmaps") if "-part-" in (name := each["metadata"]["name"])]
